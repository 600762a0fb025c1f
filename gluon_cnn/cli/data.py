"""``gluon-cnn data``, which works without MXNet."""

import json

from gluon_cnn.cli import parser as shared
from gluon_cnn.cli.failures import one_line
from gluon_cnn.errors import DataError, GluonCNNError, SettingError
from gluon_cnn.files import as_unicode, printable

__all__ = ["add"]


def add(commands):
    """Add the command to argparse's collection of them."""
    command = shared.add_command(
        commands,
        "data",
        _data,
        "Look at a data set of your own, or find Fashion-MNIST. With DIR or FILE, list its classes, sizes and formats, "
        "the pictures that cannot be read, and those that are in both parts. Without, find Fashion-MNIST or download "
        "it, verify it, and say where each release is.",
        "data",
        "data --release first",
        "data --data-dir ~/fashion-mnist",
        "data pictures",
        "data pictures --to-records pictures.rec",
    )
    command.add_argument(
        "place",
        nargs="?",
        metavar="DIR|FILE",
        help="a folder with a folder of pictures for each class, or with such folders in train/ and test/ (or val/); a "
        ".rec file, whose test part is found beside it, as test.rec is beside train.rec, or birds-test.rec beside "
        "birds.rec; or a folder with four IDX files",
    )
    command.add_argument(
        "--to-records",
        dest="out",
        metavar="FILE",
        help="write the pictures to a .rec file, and those of a test part to another one beside it, such as "
        "birds-test.rec beside birds.rec",
    )
    command.add_argument("--json", action="store_true", help="print what was found as JSON")
    shared.add_data(command, "look for Fashion-MNIST only in this directory", "both that are there, else the second")


def _data(args):
    from gluon_cnn.data import DATA_SETS, kind_of

    if args.place is None or (args.place in DATA_SETS and DATA_SETS[args.place].info):
        if args.out or args.json:
            raise SettingError("There is nothing to look at: name a folder of pictures or a .rec file.")
        _fashion_mnist(args)
        return
    if args.data_dir or args.release:
        raise SettingError(
            f"data_dir and release are about Fashion-MNIST, not about {args.place}: leave them out.", "data_dir"
        )
    try:
        (_write if args.out else _look)(args, kind_of(args.place))
    except GluonCNNError as error:
        error.settings = [name for name in error.settings if name == "out"]  # the place has no flag here
        raise


def _write(args, kind):
    from gluon_cnn.data.decoded import decode
    from gluon_cnn.data.look import find
    from gluon_cnn.data.to_records import write_records

    if kind == "idx":
        raise SettingError(
            f"{args.place} holds IDX files, not files of pictures, so it cannot become records: train on it as it is.",
            "out",
        )
    found = find(args.place, kind)
    written, left_out = write_records(found, args.out, lambda encoded, name: decode(encoded, name, 1, 3))
    files = [{"file": as_unicode(path), "pictures": number} for path, number in written]
    if args.json:
        print(json.dumps({"files": files, "unreadable": left_out}, indent=1, ensure_ascii=False))
        return
    _print_lines(left_out)
    for path, number in written:
        where, names = printable(path), printable(f"{path.name}.json")
        print(one_line(f"{where}: {number:,} pictures, verified; the names of its classes are in {names}"))
    if left_out:
        print(f"left out: {_pictures(left_out)} that cannot be read")
    if found.test is None:
        print("There is no test part: a training splits one off by its seed")


def _look(args, kind):
    from gluon_cnn.data.look import look

    found = look(args.place, kind)
    if args.json:
        print(json.dumps(found._asdict(), indent=1, ensure_ascii=False))
    else:
        _print_lines(_in_words(found, args.place))
    for part, counts in found.counts.items():
        if 0 in counts:
            empty = found.classes[counts.index(0)]
            raise DataError(f"The class {empty} has no {part} picture that can be read: add some, or take it away.")


def _in_words(found, place):
    yield f"{found.name}, {_KINDS[found.kind]} in {printable(place)}: {len(found.classes)} classes"
    width = max(map(len, (*found.classes, "class")))
    yield f"  {'class'.ljust(width)}" + "".join(f"{part:>12}" for part in found.counts)
    for name, *numbers in zip(found.classes, *found.counts.values()):
        yield f"  {name.ljust(width)}" + "".join(f"{number:>12,}" for number in numbers)
    yield f"  {'all'.ljust(width)}" + "".join(f"{sum(numbers):>12,}" for numbers in found.counts.values())
    if len(found.counts) == 1:
        yield "There is no test part: a training splits one off by its seed"
    smallest, median, largest = ("×".join(map(str, size)) for size in found.sizes)
    yield f"sizes: smallest {smallest}, median {median}, largest {largest} pixels"
    forms = ", ".join(f"{number:,} {form}" for form, number in found.forms.items())
    yield f"formats: {forms}; a network gets {'grey images' if found.channels == 1 else 'colour images'}"
    numbers = found.counts["training"]
    fewest, most = min(numbers), max(numbers)
    if fewest < most:
        names = [found.classes[numbers.index(number)] for number in (most, fewest)]
        times = f"{most / fewest:.1f} times as many as" if fewest else "and there is none of"
        yield f"imbalance: {names[0]} has the most training pictures, {times} {names[1]}"
    yield from found.notes
    yield from found.unreadable
    if found.unreadable:
        yield f"left out of a training: {_pictures(found.unreadable)} that cannot be read"
    where = "in both parts" if len(found.counts) > 1 else "twice"
    for pairs, same in ((found.same_bytes, "the same bytes"), (found.same_pixels, "the same pixels")):
        yield from (f"{where}: {other} is {one}, {same}" for one, other in pairs)
    yield f"{where}: {_pictures(found.same_bytes + found.same_pixels)}"


def _pictures(found):
    return f"{len(found):,} picture{'' if len(found) == 1 else 's'}"


_KINDS = {"folder": "a folder of pictures", "records": "pictures in records", "idx": "IDX files"}


def _print_lines(lines):
    for line in lines:
        print(one_line(line))


def _fashion_mnist(args):
    from gluon_cnn.data import SAMPLE, find_fashion_mnist
    from gluon_cnn.data.places import incomplete_here, releases_here

    find_fashion_mnist(args.data_dir, args.release)  # downloads what is asked for and is nowhere
    for release, directory in releases_here(args.data_dir).items():
        if args.release in (None, release):
            print(f"Fashion-MNIST, {release} release, verified: {_numbers(directory)} in {directory}")
    for release, (directory, name) in incomplete_here().items() if args.data_dir is None else ():
        print(f"Fashion-MNIST, {release} release, not whole: {directory} has no {name}")
    print(f"A sample of 2,000 and 500 images of the second release is in {SAMPLE}")


def _numbers(directory):
    from gluon_cnn.data import read_fashion_mnist

    dataset = read_fashion_mnist(directory)
    return f"{len(dataset.train.labels):,} training and {len(dataset.test.labels):,} test images"

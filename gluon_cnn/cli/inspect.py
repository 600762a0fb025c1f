"""``gluon-cnn inspect``."""

from gluon_cnn.checks import brief, whole_number
from gluon_cnn.cli import parser as shared
from gluon_cnn.cli.failures import print_error
from gluon_cnn.cli.pictures import add_reading, read_for
from gluon_cnn.cli.values import path, typed
from gluon_cnn.errors import SettingError

__all__ = ["add"]


def add(commands):
    """Add the command to argparse's collection of them."""
    command = shared.add_command(
        commands,
        "inspect",
        _inspect,
        "Write a page that shows what a run's network has learned. It has where the network errs, its filters, what "
        "excites its channels, a picture's way through it, and what its answer hangs on; the figures are beside it as "
        "PNG.",
        "inspect runs/nin-zh-v1-seed0",
        "inspect runs/nin-zh-v1-seed0 shoe.png coat.jpg --classes 'sneaker,ankle boot'",
        "inspect runs/nin-zh-v1-seed0 --layers 0,2.0,7 --channels 3,5 --images 1000 --out nin",
    )
    shared.add_run(command)
    command.add_argument(
        "pictures", nargs="*", metavar="PICTURE", help="a picture to look at closely (default: three test images)"
    )
    add_reading(command)
    command.add_argument(
        "--layers",
        type=_words("layers"),
        metavar="PATHS",
        help="the layers to show, such as 0,1.2 for the first and the third inside the second (default: a few from the "
        "first to the last)",
    )
    command.add_argument(
        "--channels",
        type=_numbers,
        metavar="NUMBERS",
        help="the channels of each layer to show, such as 3,5 (default: the three that answer most strongly, each to "
        "other images)",
    )
    command.add_argument(
        "--classes",
        type=_words("classes"),
        metavar="NAMES",
        help="show what speaks for these classes too, by name or number, such as 'shirt,coat' (default: the second "
        "one, or of a mistake the right one)",
    )
    command.add_argument(
        "--images", type=typed("images", int), metavar="N", help="look at the first N test images (default: all)"
    )
    shared.add_device(command)
    shared.add_data(command, "the directory with the data set's files (default: the run's)", "the run's")
    command.add_argument("--out", type=path("out"), metavar="DIR", help="where to write (default: RUN/inspection)")
    command.add_argument("--quiet", action="store_true", help="print errors only")


def _words(name):
    """A function for argparse's ``type`` that takes words with commas in between."""

    def split(text):
        words = [word.strip() for word in text.split(",")]
        if not all(words):
            raise SettingError(f"{name} is {brief(text)}; write them with commas in between, such as 0,2.", name)
        return words

    return split


def _numbers(text):
    found = []
    for word in _words("channels")(text):
        if not (word.isascii() and word.isdecimal() and len(word) < 10):
            raise SettingError(f"channels is {brief(text)}; write numbers from 0 on, such as 3,5.", "channels")
        found.append(int(word))
    return found


def _inspect(args):
    from gluon_cnn.training.run import load_run

    if args.images is not None:
        whole_number("images", args.images)
    run = load_run(args.directory)
    state = run.state(args.which)  # before anything is read
    # All of them before the network, because one can take as much memory as a network while it is decoded.
    pictures = _readable(args, run.dataset)
    if pictures or not args.pictures:
        _write(args, run, state, pictures)
    return 0 if len(pictures) == len(args.pictures) else 1


def _readable(args, dataset):
    """The paths that are pictures, each with its image. The others are named on standard error."""
    from gluon_cnn.errors import ImageError

    pictures = []
    for name in args.pictures:
        try:
            pictures.append((name, read_for(args, dataset, name, name).image))
        except ImageError as error:  # the other pictures do not suffer from it
            print_error(error)
    return pictures


def _write(args, run, state, pictures):
    from gluon_cnn.inspection.page import write_page
    from gluon_cnn.inspection.untrained import untrained_network
    from gluon_cnn.runtime.devices import parse_context

    device = parse_context(args.ctx or "auto")[0]
    data = run.data(device, args.data_dir, args.release)
    net = run.network(device, args.which)
    pages = write_page(
        net,
        run.inputs,
        data.test,
        args.out or run.directory / "inspection",
        title=run.recipe.name,
        about=_about(args, run, data.info, state),
        # Of weights that a run was begun from, the run has only the hash.
        untrained=None if run.recipe.weights else untrained_network(run.recipe, run.dataset),
        answered=_keeper(args, run, state, data),
        layers=args.layers,
        channels=args.channels,
        classes=args.classes,
        images=args.images,
        pictures=pictures,
        quiet=args.quiet,
    )
    if not args.quiet:
        print(pages[0])


def _keeper(args, run, state, data):
    """A function that keeps the answers for the report, if they are those of the run's last epoch for its test part;
    else None."""
    from gluon_cnn.training.answers import kept_answers, write_answers

    whole = args.images is None and data.info.sha256 == run.dataset.sha256
    # A network of the package has no directory to keep them in.
    if not (whole and run.config) or args.which != "last" or state.step or state.epoch != run.epochs_done:
        return None

    def keep(found):
        classes = found.logits.shape[1]
        answers = found.labels, found.predicted, found.confidence
        write_answers(run, kept_answers(state.epoch, classes, *answers, data.test.images))

    return keep


def _about(args, run, dataset, state):
    """What a run is, for the head of its page."""
    recipe, release = run.recipe, args.release or run.recipe.release
    edition = f"{recipe.edition}: " if recipe.edition else ""
    begun = "other weights" if recipe.weights else f"{recipe.init} initial weights"
    recipe_in_words = (
        f"{edition}batches of {recipe.batch_size}, learning rate {recipe.lr:g}, {recipe.side}×{recipe.side} pixels, "
        f"{begun}, seed {recipe.seed}"
    )
    if run.reasons_not_compared:
        recipe_in_words += f"; not the book's: {'; '.join(run.reasons_not_compared)}"
    release = f", {release} release" if release else ""
    step = f" and {state.step} steps" if state.step else ""
    return [
        ("run", args.directory),
        ("network", recipe.name),
        ("recipe", recipe_in_words),
        ("data", f"{dataset.name}{release}, {len(run.dataset.classes)} classes"),
        ("checkpoint", f"the {args.which} one, after epoch {state.epoch} of {recipe.epochs}{step}"),
    ]

"""``gluon-cnn predict``."""

import contextlib
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple, Optional, Tuple

from gluon_cnn.cli import parser as shared
from gluon_cnn.cli.failures import one_line, print_error
from gluon_cnn.cli.onnx import RUN_OR_ONNX, open_onnx
from gluon_cnn.cli.pictures import add_reading, read_for
from gluon_cnn.errors import ImageError, SettingError
from gluon_cnn.files import as_unicode, printable

__all__ = ["add"]

_STDIN = "-"
_SHOWN = 4  # classes
_WIDEST = 40  # letters of a class's name


class _Answer(NamedTuple):
    """What is said of a picture: by its path or, where it cannot be read, why not."""

    path: str
    picture: Any = None
    classes: Tuple[Tuple[str, float], ...] = ()  # each with its probability, the most probable one first
    unlikeness: Optional[float] = None
    warning: Optional[str] = None
    error: Optional[str] = None


def add(commands):
    """Add the command to argparse's collection of them."""
    command = shared.add_command(
        commands,
        "predict",
        _predict,
        "Tell what is in pictures, and warn where the answer cannot be trusted. For a network of Fashion-MNIST a "
        "picture is inverted unless it is light on dark, cropped to the object on its ground, and made 28×28; a "
        "network of your own pictures sees them as in training.",
        "predict pretrained:lenet shoe.jpg",
        "predict runs/nin-zh-v1-seed0 photos --show seen.png",
        "predict runs/nin-zh-v1-seed0 --json - < shoe.jpg",
    )
    shared.add_run(command, RUN_OR_ONNX)
    command.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="PNG, JPEG, WebP or BMP of any size and colour; a folder of them; or - for standard input",
    )
    add_reading(command)
    command.add_argument("--show", metavar="FILE", help="write a PNG of each picture beside what the network saw")
    command.add_argument("--json", action="store_true", help="as one JSON document")
    shared.add_device(command)


def _predict(args):
    _check_show(args)
    inputs, probabilities_of = _network(args)
    answers, failed = [], False
    pictures_left = _most_seen() if args.show else 0  # all of a large folder's pictures do not fit in memory
    for answer in _answers(args, inputs, probabilities_of):
        if answer.error is not None:
            failed = True
            print_error(answer.error)
        elif not args.json:
            print("\n".join(_as_lines(answer, inputs.dataset.classes)), flush=True)
        if args.json or args.show:
            answers.append(answer if pictures_left > 0 else _without_pixels(answer))
            pictures_left -= answer.error is None
    if args.json:
        print(json.dumps([_as_dict(answer) for answer in answers], indent=1))
    if args.show:
        _show(args.show, [answer for answer in answers if answer.error is None])
    return 1 if failed else 0


def _check_show(args):
    """SettingError, before any work, if the figure cannot be written, or would replace one of the pictures."""
    if args.show is None:
        return
    path = Path(args.show)
    if path.suffix.lower() != ".png":
        raise SettingError(f"show is {args.show}, but it is a PNG: name a file that ends with .png.", "show")
    if not path.parent.is_dir():
        raise SettingError(f"There is no directory {path.parent} for {path.name}: make it, or name another.", "show")
    if path.exists() and not path.is_file():
        raise SettingError(f"{args.show} is not a regular file: name another one.", "show")
    if path.exists() and any(_would_lose(image, path) for image in args.images):
        raise SettingError(f"{args.show} would replace one of the pictures: name another file.", "show")


def _would_lose(image, figure):
    """Whether the figure would replace what an argument names, or a picture of that folder which we did not draw."""
    from gluon_cnn.data.image_formats import pictures_in
    from gluon_cnn.data.seen import is_seen

    if _is_same(figure, image):
        return True
    with contextlib.suppress(ImageError):  # which is said when its turn comes
        if _is_folder(image) and not is_seen(figure):
            return any(_is_same(figure, path) for path in pictures_in(image)[0])
    return False


def _is_same(path, other):
    """Whether two paths lead to the same file."""
    with contextlib.suppress(OSError):  # there is none, or none of such a name
        return Path(path).samefile(other)
    return False


def _is_folder(path):
    with contextlib.suppress(OSError):
        return Path(path).is_dir()
    return False


def _network(args):
    """What the network takes, Inputs, and a function that gives the probabilities for a batch."""
    from scipy.special import softmax

    from gluon_cnn.data import FASHION_MNIST
    from gluon_cnn.data.inputs import Inputs
    from gluon_cnn.interop.onnx_network import is_onnx
    from gluon_cnn.runtime.devices import parse_context
    from gluon_cnn.training.run import load_run

    if is_onnx(args.directory):
        net, (device,) = open_onnx(args), parse_context("cpu")
        inputs, probabilities_of = net.inputs, net.probabilities
    else:
        run, device = load_run(args.directory), parse_context(args.ctx or "auto")[0]
        net, inputs = run.network(device, args.which), Inputs(run.dataset or FASHION_MNIST, run.recipe.side)

        def probabilities_of(X):
            return softmax(net(X).asnumpy(), axis=1)

    return inputs, lambda images: probabilities_of(inputs.batch(images, device))


def _answers(args, inputs, probabilities_of):
    """An answer for each picture, in the order of the arguments, and one for a folder without any."""
    for image in args.images:
        try:
            paths = _paths(image, args.show)
        except ImageError as error:
            yield _Answer(image, error=str(error))
            continue
        for path in paths:
            yield _answer(args, inputs, probabilities_of, path)


def _paths(image, figure):
    """The pictures that an argument names: those of a folder without the figure, which an earlier command drew."""
    from gluon_cnn.data.image_formats import pictures_in

    if image == _STDIN or not _is_folder(image):
        return [image]
    paths, folders = pictures_in(image)
    if folders:
        number = f"{folders:,} folder{'' if folders == 1 else 's'}"
        print_error(f"{image}: {number} in it passed over; name each to see its pictures.")
    return [path for path in paths if not (figure and _is_same(figure, path))]


def _answer(args, inputs, probabilities_of, path):
    """The answer for one picture; the others do not suffer from it if it cannot be read."""
    from gluon_cnn.data.as_fashion_mnist import is_fashion_mnist
    from gluon_cnn.data.unlikeness import unlikeness

    name = "standard input" if path == _STDIN else path
    try:
        source = _standard_input() if path == _STDIN else path
        picture = read_for(args, inputs.dataset, source, name)
    except ImageError as error:
        return _Answer(path, error=str(error))
    probabilities = probabilities_of(picture.image[None])[0]
    order = probabilities.argsort()[::-1]
    names = inputs.dataset.names_of(order)
    far = unlikeness(picture.image) if is_fashion_mnist(inputs.dataset) else None
    warning = picture.problem
    if warning is None and far is not None and far > 1:
        warning = f"it is unlike the images of Fashion-MNIST ({far:.2f} times the distance that 98 % of them keep)"
    return _Answer(path, picture, tuple(zip(names, map(float, probabilities[order]))), far, warning)


def _standard_input():
    """The bytes that come in; ImageError if there are none, or too many."""
    from gluon_cnn.data.image_formats import LARGEST, unreadable

    try:
        content = sys.stdin.buffer.read(LARGEST + 1)
    except (OSError, ValueError) as error:  # a directory, or closed
        raise unreadable("standard input", getattr(error, "strerror", None) or error) from None
    if not content:
        raise unreadable("standard input", "it is empty")
    return content


def _without_pixels(answer):
    """An answer that keeps of its picture what is said of it."""
    if answer.picture is None:
        return answer
    return answer._replace(picture=answer.picture._replace(image=None, original=None))


def _as_lines(answer, classes):
    """An answer as it is printed."""
    width = min(max(map(len, classes)), _WIDEST)
    lines = [one_line(printable(answer.path)), f"  {'; '.join(answer.picture.done)}"]
    if answer.warning:
        lines.append(f"  warning: {answer.warning}, so do not trust this:")
    for name, probability in answer.classes[:_SHOWN]:
        lines.append(f"  {one_line(name, _WIDEST - 3):<{width}}  {100 * probability:5.1f} %")
    return lines


def _as_dict(answer):
    """An answer as it is in a JSON document."""
    path = as_unicode(answer.path)
    if answer.error is not None:
        return {"path": path, "error": as_unicode(answer.error)}
    return {
        "path": path,
        "done": list(answer.picture.done),
        "classes": [{"class": name, "probability": probability} for name, probability in answer.classes],
        "unlikeness": answer.unlikeness,
        "warning": answer.warning,
    }


def _most_seen():
    from gluon_cnn.data.seen import MOST_SEEN

    return MOST_SEEN


def _show(path, answers):
    """Write the figure."""
    from gluon_cnn.data.seen import MOST_SEEN, Seen, save_seen

    if not answers:
        return
    rows = []
    for answer in answers[:MOST_SEEN]:
        best = tuple(f"{100 * probability:.1f} %  {one_line(name)}" for name, probability in answer.classes[:_SHOWN])
        warning = (f"Warning: {answer.warning}",) if answer.warning else ()
        words = one_line(printable(answer.path)), "; ".join(answer.picture.done), *warning, *best
        rows.append(Seen(answer.picture.original, answer.picture.image, words))
    save_seen(rows, path)
    if len(answers) > MOST_SEEN:
        print(f"{one_line(path)} shows the first {MOST_SEEN} of {len(answers):,} pictures", file=sys.stderr)

"""``gluon-cnn predict``."""

from gluon_cnn.cli import parser as shared
from gluon_cnn.cli.failures import print_error
from gluon_cnn.cli.onnx import RUN_OR_ONNX, open_onnx

__all__ = ["add"]


def add(commands):
    """Add the command to argparse's collection of them."""
    command = shared.add_command(
        commands,
        "predict",
        _predict,
        "Tell what is in pictures.",
        "predict runs/nin-zh-v1-seed0 shoe.png",
        "predict runs/nin-zh-v1-seed0 --invert photo.jpg",
    )
    shared.add_run(command, RUN_OR_ONNX)
    command.add_argument("images", nargs="+", metavar="IMAGE", help="PNG or JPEG of any size and colour")
    command.add_argument("--invert", action="store_true", help="for dark garments on a light ground")
    shared.add_device(command)


def _predict(args):
    # All of them before the network, because one can take as much memory as a network while it is decoded.
    pictures = _readable(args)
    if pictures:
        _answer(args, pictures)
    return 0 if len(pictures) == len(args.images) else 1


def _readable(args):
    """The paths that are pictures, each with its image. The others are named on standard error."""
    from gluon_cnn.data.picture import read_picture
    from gluon_cnn.errors import ImageError

    pictures = []
    for path in args.images:
        try:
            pictures.append((path, read_picture(path, invert=args.invert)))
        except ImageError as error:  # the other pictures do not suffer from it
            print_error(error)
    return pictures


def _answer(args, pictures):
    """Print each picture's classes."""
    from scipy.special import softmax

    from gluon_cnn.data.batches import to_batch
    from gluon_cnn.interop.inputs import Inputs
    from gluon_cnn.interop.onnx_network import is_onnx
    from gluon_cnn.runtime.devices import parse_context
    from gluon_cnn.training.run import load_run

    if is_onnx(args.directory):
        net, (device,) = open_onnx(args), parse_context("cpu")
        inputs, probabilities_of = net.inputs, net.probabilities
    else:
        run, device = load_run(args.directory), parse_context(args.ctx or "auto")[0]
        net, inputs = run.network(device, args.which), Inputs(run.dataset, run.recipe.side)

        def probabilities_of(X):
            return softmax(net(X).asnumpy(), axis=1)

    for path, picture in pictures:
        probabilities = probabilities_of(to_batch(picture[None], inputs.resize, device))[0]
        print(path)
        for index in probabilities.argsort()[::-1]:
            print(f"  {inputs.dataset.names_of([index])[0]:<12}{probabilities[index]:7.4f}")

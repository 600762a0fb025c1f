"""``gluon-cnn export``."""

from gluon_cnn.cli import parser as shared
from gluon_cnn.interop.formats import FORMATS

__all__ = ["add"]


def add(commands):
    """Add the command to argparse's collection of them."""
    command = shared.add_command(
        commands,
        "export",
        _export,
        "Write a run's network for other software, after checking that it gives the same logits.",
        "export runs/nin-zh-v1-seed0",
        "export runs/nin-zh-v1-seed0 --preprocess --out nin.onnx",
        "export runs/nin-zh-v1-seed0 --format symbol",
    )
    shared.add_run(command)
    command.add_argument(
        "--format",
        default="onnx",
        metavar="NAME",
        help="; ".join(f"{name}: {kind.words}" for name, kind in FORMATS.items()) + " (default onnx)",
    )
    command.add_argument(
        "--out",
        metavar="FILE",
        help="the file, which is replaced if it exists; for a format of several files, what their names begin with "
        "(default: the network's name, in the run's directory)",
    )
    command.add_argument(
        "--preprocess",
        action="store_true",
        help="take images as they are stored, uint8 28×28, and resize and scale them inside",
    )
    shared.add_data(command, "the directory with the data set's files, to check with (default: the run's)")


def _export(args):
    from gluon_cnn.interop.export import export_run
    from gluon_cnn.training.run import load_run

    options = {"which": args.which, "preprocess": args.preprocess, "data_dir": args.data_dir}
    options["release"] = args.release
    paths, difference = export_run(load_run(args.directory), args.format, args.out, **options)
    print(", ".join(map(str, paths)))
    if difference is not None:
        on = f"on {difference.images} test images, where they go up to {difference.largest_logit:.2g}"
        print(f"logits differ from MXNet's by at most {difference.largest:.2g}, {on}")

"""``gluon-cnn export``."""

from gluon_cnn.checks import choice
from gluon_cnn.cli import parser as shared
from gluon_cnn.errors import SettingError
from gluon_cnn.interop.formats import FORMATS
from gluon_cnn.recipe import PUBLISHED_EDITIONS

__all__ = ["add"]


def add(commands):
    """Add the command to argparse's collection of them."""
    command = shared.add_command(
        commands,
        "export",
        _export,
        "Write a run's network for other software, after checking that it gives the same logits. Or write the weights "
        "that the published runs of a network began from.",
        "export runs/nin-zh-v1-seed0",
        "export runs/nin-zh-v1-seed0 --preprocess --out nin.onnx",
        "export runs/nin-zh-v1-seed0 --format symbol",
        "export lenet --initial published --edition en",
    )
    shared.add_run(command, "a run's directory; with --initial a network's name")
    command.add_argument(
        "--format",
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
        help="take images as they are stored, uint8, such as 28×28, and resize and scale them inside",
    )
    command.add_argument(
        "--initial",
        metavar="NAME",
        help="published: the initial weights of a network's published runs, in a safetensors file, by PyTorch's names "
        "(default file: such as lenet-zh-v1-published.safetensors)",
    )
    command.add_argument(
        "--edition",
        metavar="NAME",
        help=f"with --initial, of which edition: {', '.join(PUBLISHED_EDITIONS)} (default {PUBLISHED_EDITIONS[0]})",
    )
    shared.add_data(command, "the directory with the data set's files, to check with (default: the run's)", "the run's")


def _export(args):
    if args.initial is not None:
        _export_initial(args)
        return
    if args.edition is not None:
        raise SettingError("A run has its own edition: leave it out, or ask for initial weights.", "edition", "initial")
    from gluon_cnn.interop.export import export_run
    from gluon_cnn.training.run import load_run

    options = {"which": args.which, "preprocess": args.preprocess, "data_dir": args.data_dir}
    options["release"] = args.release
    paths, difference = export_run(load_run(args.directory), args.format or "onnx", args.out, **options)
    print(", ".join(map(str, paths)))
    if difference is not None:
        on = f"on {difference.images} test images, where they go up to {difference.largest_logit:.2g}"
        print(f"logits differ from MXNet's by at most {difference.largest:.2g}, {on}")


def _export_initial(args):
    from gluon_cnn.interop.initial import export_published

    choice("initial", args.initial, ("published",))
    usual = {"format": (None, "safetensors"), "preprocess": (False,), "which": ("last",)}
    usual.update(data_dir=(None,), release=(None,))
    others = [name for name, values in usual.items() if getattr(args, name) not in values]
    if others:
        raise SettingError("Initial weights are those of no run, in a safetensors file: leave the others out.", *others)
    print(export_published(args.directory, args.edition, args.out))

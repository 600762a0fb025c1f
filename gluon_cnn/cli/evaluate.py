"""``gluon-cnn evaluate``."""

from gluon_cnn.cli import parser as shared
from gluon_cnn.cli.onnx import RUN_OR_ONNX, open_onnx
from gluon_cnn.data import DATA_SETS

__all__ = ["add"]


def add(commands):
    """Add the command to argparse's collection of them."""
    command = shared.add_command(
        commands,
        "evaluate",
        _evaluate,
        "Measure the test accuracy of a run, or of an ONNX file.",
        "evaluate runs/nin-zh-v1-seed0",
        "evaluate runs/nin-zh-v1-seed0 --checkpoint best",
        "evaluate runs/nin-zh-v1-seed0/nin.onnx",
        "evaluate --ten-crop runs/alexnet2012-photos-seed0",
    )
    shared.add_run(command, RUN_OR_ONNX)
    shared.add_device(command)
    shared.add_data(command, "the directory with the data set's files (default: the run's)", "the run's")
    command.add_argument(
        "--ten-crop",
        action="store_true",
        help="average over the corners and the middle of each image and their mirror images, as AlexNet's paper does",
    )
    shared.add_threads(command, auto=False)


def _evaluate(args):
    from gluon_cnn.interop.onnx_network import is_onnx
    from gluon_cnn.runtime import set_threads
    from gluon_cnn.runtime.devices import parse_context
    from gluon_cnn.training.run import load_run
    from gluon_cnn.training.settings import check_threads

    onnx = is_onnx(args.directory)
    devices = parse_context("cpu" if onnx else args.ctx or "auto")
    if args.threads is not None:
        check_threads(args.threads)
        set_threads(args.threads, devices)
    if onnx:
        _evaluate_onnx(args, devices)
    else:
        run = load_run(args.directory)
        found = run.evaluate(devices, args.which, data_dir=args.data_dir, release=args.release, ten_crop=args.ten_crop)
        whose = _whose(run.recipe.data, args.release or run.recipe.release, run.dataset)
        _print(found.accuracy, found.images, whose, run.state(args.which), args.ten_crop)


def _evaluate_onnx(args, devices):
    from gluon_cnn.training.loop import count_correct
    from gluon_cnn.training.ten_crop import refuse_one_view, ten_crop_accuracy

    net = open_onnx(args)
    images = net.test_images(args.data_dir, args.release)
    whose = _whose(net.data, args.release or net.release, net.inputs.dataset)
    if args.ten_crop:
        refuse_one_view(net.inputs.dataset, net.inputs.side)
        accuracy = ten_crop_accuracy(net.probabilities, images)
    else:
        accuracy = count_correct(net, images, devices).accuracy
    _print(accuracy, len(images.labels), whose, net.state, args.ten_crop)


def _whose(data, release, dataset):
    if data == "sample":
        return " of the sample"
    if DATA_SETS[data].info is None:
        return f" of {dataset.name}"
    return f" of the {release} release" if release else ""


def _print(accuracy, images, whose, state, ten_crop):
    after = f", after epoch {state.epoch}" if state else ""
    after += f" and {state.step} steps" if state and state.step else ""
    views = ", over ten views of each" if ten_crop else ""
    print(f"test accuracy {accuracy:.4f} on {images:,} test images{whose}{views}{after}")

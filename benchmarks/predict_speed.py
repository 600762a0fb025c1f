"""Prediction: how long one image takes, and how many a second in batches, compiled, optimised, and in ONNX Runtime.

    python benchmarks/predict_speed.py --models lenet nin --rounds 5 --json predict.json

``compiled`` is the hybridized network as it is trained, ``onednn`` the same after ``optimize_for`` with MXNet's oneDNN
back end, as in a test pass, ``onnxruntime`` what ``gluon-cnn export`` writes. All have the same weights, drawn from
seed 0; how far their logits differ is printed. Each round measures all of them one after the other, each in a process
of its own, since the threads of one library would wait for work on the cores of the next; medians are reported. The
images are in memory at the network's size. ``first`` is one image with what goes before it: to compile the network, or
to read the ONNX file.
"""

import json
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path

import arguments
import numpy as np

from gluon_cnn import get_recipe
from gluon_cnn.data import FASHION_MNIST, SAMPLE, read_fashion_mnist
from gluon_cnn.data.inputs import Inputs
from gluon_cnn.interop import onnx
from gluon_cnn.interop.onnx_network import OnnxNetwork
from gluon_cnn.models import list_models
from gluon_cnn.training.initial_weights import initialize_from_seed
from gluon_cnn.training.setup import build_network

# isort: split
import mxnet as mx

NAMES = ("compiled", "onednn", "onnxruntime")
BATCHES = (1, 8, 64, 256)
SECONDS = 1.0  # of each measurement, at least


def network(model):
    """With weights, not yet compiled."""
    recipe = get_recipe(model)
    net = build_network(recipe, FASHION_MNIST, hybrid=True)
    initialize_from_seed(net, 0, (1, 1, recipe.side, recipe.side))
    return net


def ready(name, net, path, X):
    """One of :data:`NAMES`, as a function of a batch such as X."""
    options = {"static_alloc": True, "static_shape": True}
    if name == "onnxruntime":
        return OnnxNetwork(path)
    if name == "onednn":
        net.optimize_for(X, backend="MKLDNN", **options)
    else:
        net.hybridize(**options)
    return net


def measure(name, model, path):
    """Milliseconds of the first image and of one batch by its size, and the logits of the largest."""
    X = Inputs(FASHION_MNIST, get_recipe(model).side).batch(read_fashion_mnist(SAMPLE).test.images[: max(BATCHES)])
    net = network(model)
    mx.nd.waitall()
    start = time.perf_counter()
    net = ready(name, net, path, X[:1])
    net(X[:1]).asnumpy()
    first = 1000 * (time.perf_counter() - start)
    return {"first": first, **{size: milliseconds(net, X[:size]) for size in BATCHES}}, net(X).asnumpy()


def milliseconds(net, X):
    """Of one batch."""
    net(X).asnumpy()
    times, end = [], time.perf_counter() + SECONDS
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        net(X).asnumpy()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def main():
    parser = arguments.parser(__doc__)
    parser.add_argument("--models", nargs="+", choices=list_models(), default=list_models())
    parser.add_argument("--rounds", type=arguments.count, default=5)
    parser.add_argument("--json", type=Path, help="write every measurement to this file")
    args = parser.parse_args()
    measured, processes = {}, multiprocessing.get_context("spawn")
    for model in args.models:
        found = measured[model] = {name: {size: [] for size in ("first", *BATCHES)} for name in NAMES}
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / f"{model}.onnx"
            images = read_fashion_mnist(SAMPLE).test.images[:8]
            onnx.write(network(model), path, Inputs(FASHION_MNIST, get_recipe(model).side), images)
            for number in range(args.rounds):
                logits = {}
                for name in NAMES:
                    with processes.Pool(1) as pool:
                        times, logits[name] = pool.apply(measure, (name, model, path))
                    for size, ms in times.items():
                        found[name][size].append(ms)
                if number == 0:
                    largest = np.abs(logits["compiled"]).max()
                    for name in NAMES[1:]:
                        difference = np.abs(logits[name] - logits["compiled"]).max() / largest
                        print(f"{model}, {name}: logits differ by at most {difference:.1e} of the largest", flush=True)
    print("\n| network | batch | " + " | ".join(NAMES) + " |\n" + "| --- " * (len(NAMES) + 2) + "|")
    for model, found in measured.items():
        for size in ("first", *BATCHES):
            medians = [statistics.median(rounds[size]) for rounds in found.values()]
            speeds = ["" if size == "first" else f", {1000 * size / ms:,.0f}/s" for ms in medians]
            cells = " | ".join(f"{ms:.1f} ms{speed}" for ms, speed in zip(medians, speeds))
            print(f"| {model} | {size} | {cells} |")
    if args.json:
        args.json.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()

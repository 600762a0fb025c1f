"""Prediction: how long one image takes, and how many a second in batches, compiled, optimised, and in ONNX Runtime.

    python benchmarks/predict_speed.py --models lenet nin --rounds 5 --json predict.json

``compiled`` is the hybridized network as the command line evaluates it, ``onednn`` the same after ``optimize_for``
with MXNet's oneDNN back end, ``onnxruntime`` what ``gluon-cnn export`` writes. All have the same weights, drawn from
seed 0; their logits' largest difference is printed. Each round measures all of them one after the other; reported are
medians.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

# isort: split
import mxnet as mx
import numpy as np

from gluon_cnn.data import SAMPLE, read_fashion_mnist, to_batch
from gluon_cnn.interop import onnx
from gluon_cnn.interop.onnx_network import OnnxNetwork
from gluon_cnn.models import list_models
from gluon_cnn.training import get_recipe, initialize_from_seed

BATCHES = (1, 8, 64, 256)
SECONDS = 1.0  # of each measurement, at least


def networks(model, directory):
    """name: a function of a batch."""
    recipe = get_recipe(model)
    side = recipe.resize or 28
    nets = {}
    for name in ("compiled", "onednn"):
        net = recipe.network(hybrid=True)
        initialize_from_seed(net, 0, (1, 1, side, side))
        nets[name] = net
    path = Path(directory) / f"{model}.onnx"
    onnx.export(nets["compiled"], path, read_fashion_mnist(SAMPLE)[1].images[:8], recipe.resize)
    nets["compiled"].hybridize(static_alloc=True, static_shape=True)
    nets["onednn"].optimize_for(mx.nd.zeros((1, 1, side, side)), backend="MKLDNN", static_alloc=True, static_shape=True)
    return {**nets, "onnxruntime": OnnxNetwork(path)}, recipe.resize


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=list_models(), default=list_models())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write every measurement to this file")
    args = parser.parse_args()
    images = read_fashion_mnist(SAMPLE)[1].images
    measured = {}
    for model in args.models:
        with tempfile.TemporaryDirectory() as directory:
            nets, resize = networks(model, directory)
            X = to_batch(images[:256], resize)
            logits = {name: net(X).asnumpy() for name, net in nets.items()}
            for name in ("onednn", "onnxruntime"):
                print(
                    f"{model}, {name}: logits differ by at most {np.abs(logits[name] - logits['compiled']).max():.1e}"
                )
            found = measured[model] = {name: {size: [] for size in BATCHES} for name in nets}
            for _ in range(args.rounds):
                for size in BATCHES:
                    for name, net in nets.items():
                        found[name][size].append(milliseconds(net, X[:size]))
    print("\n| network | batch | " + " | ".join(found) + " |\n" + "| --- " * (len(found) + 2) + "|")
    for model, found in measured.items():
        for size in BATCHES:
            medians = [statistics.median(rounds[size]) for rounds in found.values()]
            cells = " | ".join(f"{ms:.1f} ms, {1000 * size / ms:,.0f}/s" for ms in medians)
            print(f"| {model} | {size} | {cells} |")
    if args.json:
        args.json.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()

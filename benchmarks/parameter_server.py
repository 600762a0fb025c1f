"""How long MXNet's parameter servers take for the gradients of one step, without a training.

    gluon-cnn launch -n 2 -s 1 -- benchmarks/parameter_server.py

Each worker has the servers add up arrays of the networks' shapes, a number of times in a row. It prints the median of
the rounds: parameters, arrays, bytes that a worker sends (and gets back), seconds a step.
"""

import statistics
import time

import arguments

from gluon_cnn import get_recipe
from gluon_cnn.data import FASHION_MNIST
from gluon_cnn.runtime.devices import parse_context
from gluon_cnn.training.initial_weights import initialize_from_seed
from gluon_cnn.training.job import Job
from gluon_cnn.training.setup import build_network

# isort: split
import mxnet as mx


def main():
    parser = arguments.parser(__doc__)
    parser.add_argument("--models", default="lenet,nin,vgg11,alexnet", help="(default lenet,nin,vgg11,alexnet)")
    parser.add_argument("--steps", type=arguments.count, default=5, help="steps of one measurement (default 5)")
    parser.add_argument("--rounds", type=arguments.count, default=5, help="(default 5)")
    args = parser.parse_args()
    with Job("dist_sync") as job:
        key = 0
        for model in args.models.split(","):
            recipe = get_recipe(model)
            net = build_network(recipe, FASHION_MNIST)
            initialize_from_seed(net, 0, (1, 1, recipe.side, recipe.side), ctx=parse_context("cpu"))
            arrays = [mx.nd.zeros(parameter.shape) for parameter in net.collect_params().values()]
            keys = range(key, key + len(arrays))
            key += len(arrays)
            for number, array in zip(keys, arrays):
                job.store.broadcast(number, array, array)
            mx.nd.waitall()
            measured = []
            for _ in range(args.rounds + 1):
                job.vote(False)  # all begin together
                began = time.perf_counter()
                for _ in range(args.steps):
                    for number, array in zip(keys, arrays):
                        job.store.pushpull(number, array, priority=-number)
                    mx.nd.waitall()
                measured.append((time.perf_counter() - began) / args.steps)
            size = sum(array.size for array in arrays)
            if job.first:
                print(
                    f"{model}: {size:,} parameters in {len(arrays)} arrays, {4 * size / 1e6:.1f} MB each way, "
                    f"{statistics.median(measured[1:]) * 1000:.1f} ms a step with {job.workers} workers",
                    flush=True,
                )


if __name__ == "__main__":
    main()

"""The share of a training step that is not the network: data, metrics, and Python; prints JSON.

    python benchmarks/step_share.py nin 3

Steps as the command line takes them (batches from the loader, each made while the step before computes, and sums of
loss and correct answers, read at the end) alternate with the bare network's: forward, loss, backward and update of one
batch that is on the device already.
"""

import itertools
import json
import statistics
import sys
import time

from gluon_cnn import _runtime, get_recipe
from gluon_cnn.training.initial_weights import initialize_from_seed
from gluon_cnn.training.loop import train_steps
from gluon_cnn.training.metrics import Sums
from gluon_cnn.training.train import load_data

# isort: split
import mxnet as mx
from mxnet import autograd, gluon


def main(model, rounds):
    recipe = get_recipe(model, init="seed")
    side, number = recipe.resize or 28, 100 if model == "lenet" else 2
    net = recipe.network(hybrid=True)
    initialize_from_seed(net, 0, (1, 1, side, side))
    _runtime.set_threads(_runtime.threads())
    net.hybridize(static_alloc=True, static_shape=True)
    trainer = recipe.trainer(list(net.collect_params().values()))
    train_iter, _ = load_data(recipe, None, mx.cpu())
    forever = itertools.chain.from_iterable(train_iter for _ in itertools.count())
    sums = Sums()
    steps = train_steps(net, forever, trainer, [mx.cpu()], sums)
    X, y = next(forever)
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    loss.hybridize()

    def whole():
        for _ in range(number):
            next(steps)
        sums.read()

    def bare():
        for _ in range(number):
            with autograd.record():
                batch_loss = loss(net(X), y)
            batch_loss.backward()
            trainer.step(recipe.batch_size)
        mx.nd.waitall()

    measured = {"whole": [], "network": []}
    for count in range(rounds + 1):
        for name, take in (("whole", whole), ("network", bare)):
            start = time.perf_counter()
            take()
            if count:  # the first round compiles
                measured[name].append((time.perf_counter() - start) / number)
    whole_step, network = (statistics.median(measured[name]) for name in ("whole", "network"))
    print(json.dumps({"step_ms": 1000 * whole_step, "network_ms": 1000 * network, "share": 1 - network / whole_step}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

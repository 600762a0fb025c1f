"""The share of a training step that is not the network: data, metrics, and Python; prints JSON.

    python benchmarks/step_share.py nin 3

Steps as the command line takes them (batches from the loader, each made while the step before computes, and sums of
loss and correct answers, read at the end) alternate with the bare network's: forward, loss, backward and update of one
batch that is on the device already.
"""

import json
import statistics
import time

import arguments
from recipe_steps import recipe_steps

from gluon_cnn.models import list_models

# isort: split
import mxnet as mx
from mxnet import autograd, gluon


def main(model, rounds):
    recipe, steps = recipe_steps(model)
    net, trainer = steps.setup.training_net, steps.setup.trainer
    number = 30 if model == "lenet" else 1  # about as many as a run takes between two waits for the device
    X, y = next(steps.batches)
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    loss.hybridize()

    def whole():
        steps.take(number)

    def network():
        for _ in range(number):
            with autograd.record():
                batch_loss = loss(net(X), y)
            batch_loss.backward()
            trainer.step(recipe.batch_size)
        mx.nd.waitall()

    measured = {"whole": [], "network": []}
    for count in range(rounds + 1):
        for name, measure in (("whole", whole), ("network", network)):
            start = time.perf_counter()
            measure()
            if count:  # the first round compiles
                measured[name].append((time.perf_counter() - start) / number)
    step, network_step = (statistics.median(measured[name]) for name in ("whole", "network"))
    print(json.dumps({"step_ms": 1000 * step, "network_ms": 1000 * network_step, "share": 1 - network_step / step}))


if __name__ == "__main__":
    parser = arguments.parser(__doc__)
    parser.add_argument("model", choices=list_models())
    parser.add_argument("rounds", type=arguments.count)
    main(**vars(parser.parse_args()))

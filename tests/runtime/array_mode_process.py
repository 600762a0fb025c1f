"""What test_array_modes.py does in each array mode: in its own process, or in one that it starts as

    python array_mode_process.py nd|np work DIRECTORY      uses the package, and leaves parameters in DIRECTORY
    python array_mode_process.py nd|np read FILE ...       prints the logits of a LeNet with each file's parameters

MXNet 2 has the mode np only. The last line printed is JSON.
"""

import json
import sys
from hashlib import sha256

import gluon_cnn as d2l  # before mxnet, which it makes ready

# isort: split
import mxnet as mx
import numpy as np

from gluon_cnn.data import SAMPLE
from gluon_cnn.training.initial_weights import initialize_from_seed


def work(directory):
    net = published_lenet()
    d2l.save_parameters(net, f"{directory}/ours.params")
    net.save_parameters(f"{directory}/gluons.params")
    return {
        "mxnet": mx.__version__,
        "logits": {name: found for model in d2l.list_models() for name, found in network_logits(model)},
        "published": logits(net),
        "batch": batch(),
        "train_ch5": trained_by_chapter_5(net),
        "train_ch6": trained_by_chapter_6(),
    }


def network_logits(model):
    """The name and the logits of a network, not hybrid and hybrid, with the same parameters."""
    side = 28 if model.startswith("lenet") else 96
    options = {"ratio": 8} if model == "vgg11" else {}
    drawn = 0.05 * np.random.RandomState(0).randn(100_003)  # repeated, because to draw AlexNet's takes seconds
    for hybrid in (False, True):
        net = d2l.get_model(model, hybrid=hybrid, **options)
        initialize_from_seed(net, 0, (1, 1, side, side))  # drawn by other operators in each mode
        for parameter in net.collect_params().values():
            values = np.resize(drawn, parameter.shape)
            parameter.set_data(array(1 + abs(values) if parameter.name.endswith("running_var") else values))
        if hybrid:
            net.hybridize()
        yield f"{model} {hybrid}", logits(net, side)


def batch():
    """The kind of arrays in a batch, their types, and what they hold."""
    X, y = next(iter(sample()[1]))
    types = [type(X).__module__, np.dtype(X.dtype).name, np.dtype(y.dtype).name]
    return [*types, sha256(X.asnumpy().tobytes()).hexdigest(), y.asnumpy().tolist()]


def trained_by_chapter_5(net):
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.9})
    return measures(d2l.train_ch5(net, *sample(), 256, trainer, mx.cpu(), 2))


def trained_by_chapter_6():
    mx.random.seed(0)
    return measures(d2l.train_ch6(d2l.lenet(edition="en", hybrid=True), *sample(), 1, 0.9, mx.cpu()))


def measures(history):
    return [(result.train_loss, result.train_acc, result.test_acc) for result in history]


def read(*paths):
    found = []
    for path in paths:
        net = d2l.lenet(hybrid=True)
        d2l.load_parameters(net, path)
        found.append(logits(net))
    return found


def published_lenet():
    net = d2l.lenet()
    d2l.initialize_as_published(net)
    return net


def logits(net, side=28):
    X, _ = next(iter(d2l.load_data_fashion_mnist(4, None if side == 28 else side, root=SAMPLE)[1]))
    return net(X).asnumpy().tolist()


def sample():
    return d2l.load_data_fashion_mnist(256, root=SAMPLE, seed=0)


def array(values):
    return mx.np.array(values) if mx.util.is_np_array() else mx.nd.array(values)


if __name__ == "__main__":
    mode, what, *arguments = sys.argv[1:]
    if mode == "np":
        mx.npx.set_np()
    print(json.dumps({"work": work, "read": read}[what](*arguments)))

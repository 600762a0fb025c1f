"""A process in one array mode, for test_array_modes.py, which runs it as

    python array_mode_process.py nd|np work DIRECTORY      uses the package, and leaves its parameters in DIRECTORY
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


def logits(net, resize=None):
    X, _ = next(iter(d2l.load_data_fashion_mnist(4, resize, root=SAMPLE)[1]))
    return net(X).asnumpy().tolist()


def array(values):
    return mx.np.array(values) if mx.util.is_np_array() else mx.nd.array(values)


def lenet(hybrid=False):
    net = d2l.lenet(hybrid=hybrid)
    d2l.initialize_as_published(net)
    return net


def work(directory):
    found = {"mxnet": mx.__version__, "logits": {}}
    for model in d2l.list_models():
        resize = None if model == "lenet" else 96
        for hybrid in (False, True):
            net = d2l.get_model(model, hybrid=hybrid, **({"ratio": 8} if model == "vgg11" else {}))
            initialize_from_seed(net, 0, (1, 1, resize or 28, resize or 28))  # drawn by other operators in each mode
            stream = np.random.RandomState(0)
            for parameter in net.collect_params().values():
                parameter.set_data(array(0.05 * stream.randn(*parameter.shape)))
            if hybrid:
                net.hybridize()
            found["logits"][f"{model} {hybrid}"] = logits(net, resize)
    net = lenet()
    d2l.save_parameters(net, f"{directory}/ours.params")
    net.save_parameters(f"{directory}/gluons.params")
    found["published"] = logits(net)

    train_iter, test_iter = d2l.load_data_fashion_mnist(256, root=SAMPLE, seed=0)
    X, y = next(iter(test_iter))
    found["batch"] = [
        type(X).__module__,
        np.dtype(X.dtype).name,
        np.dtype(y.dtype).name,
        sha256(X.asnumpy().tobytes()).hexdigest(),
        y.asnumpy().tolist(),
    ]
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.9})
    found["train_ch5"] = [r[1:4] for r in d2l.train_ch5(net, train_iter, test_iter, 256, trainer, mx.cpu(), 2)]
    net = d2l.lenet(edition="en", hybrid=True)
    mx.random.seed(0)
    found["train_ch6"] = [r[1:4] for r in d2l.train_ch6(net, train_iter, test_iter, 1, 0.9, mx.cpu())]
    return found


def read(*paths):
    found = []
    for path in paths:
        net = d2l.lenet(hybrid=True)
        d2l.load_parameters(net, path)
        found.append(logits(net))
    return found


if __name__ == "__main__":
    mode, what, *arguments = sys.argv[1:]
    if mode == "np":
        mx.npx.set_np()
    print(json.dumps({"work": work, "read": read}[what](*arguments)))

"""The networks of PyTorch notes on the book, written by hand, beside ours with the same weights."""

import gluon_cnn  # before mxnet, which it makes ready

# isort: split
import pytest
from mxnet.gluon import nn

from gluon_cnn.data import SAMPLE
from gluon_cnn.interop.torch import to_torch
from gluon_cnn.models.sequential import layers_of
from gluon_cnn.training.initial_weights import initialize_from_seed

torch = pytest.importorskip("torch")  # skips every test module that imports this one
tnn = torch.nn


def lenet(padding=0, pool=tnn.MaxPool2d):
    layers = [
        tnn.Conv2d(1, 6, 5, padding=padding),
        tnn.Sigmoid(),
        pool(2),
        tnn.Conv2d(6, 16, 5),
        tnn.Sigmoid(),
        pool(2),
    ]
    inputs = 400 if padding else 256
    dense = [tnn.Linear(inputs, 120), tnn.Sigmoid(), tnn.Linear(120, 84), tnn.Sigmoid(), tnn.Linear(84, 10)]
    return tnn.Sequential(*layers, tnn.Flatten(), *dense)


def alexnet_parts(padding, side):
    sizes = [(1, 96, 11, 4, padding), (96, 256, 5, 1, 2), (256, 384, 3, 1, 1), (384, 384, 3, 1, 1), (384, 256, 3, 1, 1)]
    conv = []
    for number, size in enumerate(sizes):
        conv += [tnn.Conv2d(*size), tnn.ReLU()] + ([tnn.MaxPool2d(3, 2)] if number in (0, 1, 4) else [])
    wide = {224: 5, 96: 1}[side] ** 2 * 256
    fc = [tnn.Linear(wide, 4096), tnn.ReLU(), tnn.Dropout(0.5), tnn.Linear(4096, 4096), tnn.ReLU(), tnn.Dropout(0.5)]
    return tnn.Sequential(*conv), tnn.Sequential(*fc, tnn.Linear(4096, 10))


def alexnet(padding, side):
    conv, fc = alexnet_parts(padding, side)
    return tnn.Sequential(*conv, tnn.Flatten(), *fc)


class ConvFc(tnn.Module):
    """The other layout of the notes: the convolutions in one Sequential, the dense layers in another."""

    def __init__(self, padding, side):
        super().__init__()
        self.conv, self.fc = alexnet_parts(padding, side)

    def forward(self, x):
        return self.fc(self.conv(x).view(len(x), -1))


def vgg11(side):
    blocks, channels = [], 1
    for number, out in ((1, 16), (1, 32), (2, 64), (2, 128), (2, 128)):
        block = []
        for _ in range(number):
            block += [tnn.Conv2d(channels, out, 3, padding=1), tnn.ReLU()]
            channels = out
        blocks.append(tnn.Sequential(*block, tnn.MaxPool2d(2, 2)))
    dense = [tnn.Linear(128 * (side // 32) ** 2, 4096), tnn.ReLU(), tnn.Dropout(0.5)]
    dense += [tnn.Linear(4096, 4096), tnn.ReLU(), tnn.Dropout(0.5), tnn.Linear(4096, 10)]
    return tnn.Sequential(*blocks, tnn.Flatten(), *dense)


def nin():
    def block(channels, out, *window):
        rest = [tnn.ReLU(), tnn.Conv2d(out, out, 1), tnn.ReLU(), tnn.Conv2d(out, out, 1), tnn.ReLU()]
        return tnn.Sequential(tnn.Conv2d(channels, out, *window), *rest)

    layers = []
    for size in ((1, 96, 11, 4, 0), (96, 256, 5, 1, 2), (256, 384, 3, 1, 1)):
        layers += [block(*size), tnn.MaxPool2d(3, 2)]
    return tnn.Sequential(*layers, tnn.Dropout(0.5), block(384, 10, 3, 1, 1), tnn.AdaptiveAvgPool2d(1), tnn.Flatten())


# name: functions that build ours, and the one from the notes for images of a size
NETWORKS = {
    "lenet zh-v1": (lambda: gluon_cnn.lenet(hybrid=True), lambda side: lenet()),
    "lenet en": (lambda: gluon_cnn.lenet(edition="en", hybrid=True), lambda side: lenet(2, tnn.AvgPool2d)),
    "alexnet": (lambda: gluon_cnn.alexnet(hybrid=True), lambda side: alexnet(0, side)),
    "alexnet padding 1": (lambda: gluon_cnn.alexnet(padding=1, hybrid=True), lambda side: alexnet(1, side)),
    "vgg11": (lambda: gluon_cnn.vgg11(ratio=4, hybrid=True), vgg11),
    "nin": (lambda: gluon_cnn.nin(hybrid=True), lambda side: nin()),
}


def pair(name, side, dtype="float32"):
    """Our network with the recipe's Xavier weights, the notes' with the same, and no dropout, which is random."""
    build, build_torch = NETWORKS[name]
    net, other = build(), build_torch(side)
    for layer in layers_of(net):
        if isinstance(layer, nn.Dropout):
            layer._rate = 0.0
    initialize_from_seed(net, 0, (1, 1, side, side))
    other.load_state_dict(to_torch(net))  # it refuses other names
    net.cast(dtype)
    net.hybridize(static_alloc=True, static_shape=True)
    return net, other.to(getattr(torch, dtype)).eval()


def real_batches(number, size, side, dtype="float32"):
    """Batches of real images for both networks: (X, y, X for PyTorch, y for PyTorch)."""
    resize = None if side == 28 else side
    train_iter, _ = gluon_cnn.load_data_fashion_mnist(size, resize, root=SAMPLE, train_size=number * size, seed=0)
    for X, y in train_iter:
        X, y = X.astype(dtype), y.astype(dtype)
        yield X, y, torch.from_numpy(X.asnumpy()), torch.from_numpy(y.asnumpy()).long()


def parameters(net):
    return list(net.collect_params().values())

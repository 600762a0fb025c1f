"""The networks of PyTorch notes on the book, written by hand, beside ours with the same weights."""

import re

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


def lenet_bn():
    def normalised(*layers):
        size = layers[-1].weight.shape[0]
        kind = tnn.BatchNorm2d if isinstance(layers[-1], tnn.Conv2d) else tnn.BatchNorm1d
        return [*layers, kind(size), tnn.Sigmoid()]

    layers = [*normalised(tnn.Conv2d(1, 6, 5)), tnn.MaxPool2d(2, 2), *normalised(tnn.Conv2d(6, 16, 5))]
    layers += [tnn.MaxPool2d(2, 2), tnn.Flatten(), *normalised(tnn.Linear(256, 120)), *normalised(tnn.Linear(120, 84))]
    return tnn.Sequential(*layers, tnn.Linear(84, 10))


class Inception(tnn.Module):
    def __init__(self, channels, c1, c2, c3, c4, letter="p"):
        super().__init__()
        self.letter = letter
        for name, layer in {
            "1_1": tnn.Conv2d(channels, c1, 1),
            "2_1": tnn.Conv2d(channels, c2[0], 1),
            "2_2": tnn.Conv2d(c2[0], c2[1], 3, padding=1),
            "3_1": tnn.Conv2d(channels, c3[0], 1),
            "3_2": tnn.Conv2d(c3[0], c3[1], 5, padding=2),
            "4_1": tnn.MaxPool2d(3, 1, 1),
            "4_2": tnn.Conv2d(channels, c4, 1),
        }.items():
            self.add_module(letter + name, layer)

    def forward(self, x):
        p = {name[1:]: layer for name, layer in self.named_children()}
        paths = [p["1_1"](x), p["2_2"](p["2_1"](x).relu()), p["3_2"](p["3_1"](x).relu()), p["4_2"](p["4_1"](x))]
        return torch.cat([path.relu() for path in paths], 1)


INCEPTIONS = [
    [(192, 64, (96, 128), (16, 32), 32), (256, 128, (128, 192), (32, 96), 64)],
    [
        (480, 192, (96, 208), (16, 48), 64),
        (512, 160, (112, 224), (24, 64), 64),
        (512, 128, (128, 256), (24, 64), 64),
        (512, 112, (144, 288), (32, 64), 64),
        (528, 256, (160, 320), (32, 128), 128),
    ],
    [(832, 256, (160, 320), (32, 128), 128), (832, 384, (192, 384), (48, 128), 128)],
]


def googlenet(letter="p"):
    pool = [lambda: tnn.MaxPool2d(3, 2, 1)] * 4 + [lambda: tnn.Sequential(tnn.AdaptiveAvgPool2d(1), tnn.Flatten())]
    first = [tnn.Conv2d(1, 64, 7, 2, 3), tnn.ReLU()]
    second = [tnn.Conv2d(64, 64, 1), tnn.ReLU(), tnn.Conv2d(64, 192, 3, padding=1), tnn.ReLU()]
    others = [[Inception(*channels, letter=letter) for channels in module] for module in INCEPTIONS]
    modules = [tnn.Sequential(*layers, end()) for layers, end in zip([first, second, *others], pool)]
    return tnn.Sequential(*modules, tnn.Linear(1024, 10))


class Residual(tnn.Module):
    def __init__(self, channels, out, stride=1):
        super().__init__()
        self.conv1 = tnn.Conv2d(channels, out, 3, stride, 1)
        self.conv2 = tnn.Conv2d(out, out, 3, 1, 1)
        self.conv3 = tnn.Conv2d(channels, out, 1, stride) if stride > 1 else None
        self.bn1, self.bn2 = tnn.BatchNorm2d(out), tnn.BatchNorm2d(out)

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (self.conv3(x) if self.conv3 else x))


def before_the_blocks():
    return tnn.Sequential(tnn.Conv2d(1, 64, 7, 2, 3), tnn.BatchNorm2d(64), tnn.ReLU(), tnn.MaxPool2d(3, 2, 1))


def resnet(first=before_the_blocks):
    layers, channels = [first()], 64
    for out in (64, 128, 256, 512):
        layers.append(tnn.Sequential(Residual(channels, out, 1 + (out > channels)), Residual(out, out)))
        channels = out
    return tnn.Sequential(*layers, tnn.AdaptiveAvgPool2d(1), tnn.Flatten(), tnn.Linear(512, 10))


class DenseBlock(tnn.Module):
    def __init__(self, channels):
        super().__init__()
        self.net = tnn.Sequential(
            *(before(channels + 32 * i, tnn.Conv2d(channels + 32 * i, 32, 3, 1, 1)) for i in range(4))
        )

    def forward(self, x):
        for layer in self.net:
            x = torch.cat((x, layer(x)), 1)
        return x


def before(channels, *layers):
    return tnn.Sequential(tnn.BatchNorm2d(channels), tnn.ReLU(), *layers)


def densenet(transitions):
    layers, channels = [before_the_blocks()], 64
    for out in (*transitions, None):
        layers.append(DenseBlock(channels))
        channels += 128
        if out:
            layers.append(before(channels, tnn.Conv2d(channels, out, 1), tnn.AvgPool2d(2, 2)))
            channels = out
    end = [tnn.BatchNorm2d(channels), tnn.ReLU(), tnn.AdaptiveAvgPool2d(1), tnn.Flatten(), tnn.Linear(channels, 10)]
    return tnn.Sequential(*layers, *end)


# name: functions that build ours, and the one from the notes for images of a size
NETWORKS = {
    "lenet zh-v1": (lambda: gluon_cnn.lenet(hybrid=True), lambda side: lenet()),
    "lenet en": (lambda: gluon_cnn.lenet(edition="en", hybrid=True), lambda side: lenet(2, tnn.AvgPool2d)),
    "alexnet": (lambda: gluon_cnn.alexnet(hybrid=True), lambda side: alexnet(0, side)),
    "alexnet padding 1": (lambda: gluon_cnn.alexnet(padding=1, hybrid=True), lambda side: alexnet(1, side)),
    "vgg11": (lambda: gluon_cnn.vgg11(ratio=4, hybrid=True), vgg11),
    "nin": (lambda: gluon_cnn.nin(hybrid=True), lambda side: nin()),
    "lenet_bn": (lambda: gluon_cnn.lenet_bn(hybrid=True), lambda side: lenet_bn()),
    "googlenet": (lambda: gluon_cnn.googlenet(edition="en", hybrid=True), lambda side: googlenet()),
    "resnet18": (lambda: gluon_cnn.resnet(hybrid=True), lambda side: resnet()),
    "densenet zh-v1": (lambda: gluon_cnn.densenet(hybrid=True), lambda side: densenet((96, 160, 224))),
    "densenet en": (lambda: gluon_cnn.densenet(edition="en", hybrid=True), lambda side: densenet((96, 112, 120))),
}


def side_of(name, large=96):
    """Pixels for a test: as few as do, for the networks of many layers."""
    return 28 if name.startswith("lenet") else 48 if name in OTHER_NAMES else large


def normalises(name):
    """Whether a network has batch normalisation, which enlarges float32's rounding, as do a block's last few pixels."""
    return name.startswith(("lenet_bn", "resnet", "densenet"))


#: Where a layer of ours has another name than in the book, because it has a Flatten, or the first layers, elsewhere.
OTHER_NAMES = {
    "googlenet": lambda name: name.replace("6.", "5.") if name.startswith("6.") else name,
    **dict.fromkeys(
        ("resnet18", "densenet zh-v1", "densenet en"),
        lambda name: f"0.{name}" if name[:2] in ("0.", "1.") else re.sub("^[0-9]+", lambda n: str(int(n[0]) - 3), name),
    ),
}


def pair(name, side, dtype="float32"):
    """Our network with the recipe's Xavier weights, the notes' with the same, and no dropout, which is random."""
    build, build_torch = NETWORKS[name]
    net, other = build(), build_torch(side)
    for layer in layers_of(net):
        if isinstance(layer, nn.Dropout):
            layer._rate = 0.0
    initialize_from_seed(net, 0, (1, 1, side, side))
    rename = OTHER_NAMES.get(name, str)
    other.load_state_dict({rename(ours): tensor for ours, tensor in to_torch(net).items()})  # it refuses other names
    net.cast(dtype)
    net.hybridize(static_alloc=True, static_shape=True)
    other = other.to(getattr(torch, dtype))
    return net, other.train("dropout" not in str(other).lower())


def real_batches(number, size, side, dtype="float32"):
    """Batches of real images for both networks: (X, y, X for PyTorch, y for PyTorch)."""
    resize = None if side == 28 else side
    train_iter, _ = gluon_cnn.load_data_fashion_mnist(size, resize, root=SAMPLE, train_size=number * size, seed=0)
    for X, y in train_iter:
        X, y = X.astype(dtype), y.astype(dtype)
        yield X, y, torch.from_numpy(X.asnumpy()), torch.from_numpy(y.asnumpy()).long()


def parameters(net):
    """Those that are trained."""
    return [parameter for parameter in net.collect_params().values() if parameter.grad_req != "null"]

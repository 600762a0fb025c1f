"""One epoch after another in plain PyTorch, for comparison; prints JSON.

    python benchmarks/torch_code.py nin channels-last DIRECTORY 512 128 2

Eager, the number of threads that PyTorch chooses by itself, and either memory layout. DIRECTORY holds Fashion-MNIST's
files. The images stay in memory as bytes and a batch of them is resized at a time, as this package does it, without
worker processes.
"""

import gzip
import json
import time
from pathlib import Path

import arguments
import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, interpolate

#: Batch size, side of the images, learning rate: the first edition's recipes.
RECIPES = {"lenet": (256, 28, 0.9), "alexnet": (128, 224, 0.01), "vgg11": (128, 224, 0.05), "nin": (128, 224, 0.1)}


def convolution(channels, kernel_size, stride=1, padding=0, activation=nn.ReLU):
    return nn.LazyConv2d(channels, kernel_size, stride, padding), activation()


def classifier():
    hidden = (nn.LazyLinear(4096), nn.ReLU(), nn.Dropout(0.5))
    return nn.Flatten(), *hidden, nn.LazyLinear(4096), nn.ReLU(), nn.Dropout(0.5), nn.LazyLinear(10)


def lenet():
    return (
        *convolution(6, 5, activation=nn.Sigmoid), nn.MaxPool2d(2, 2),
        *convolution(16, 5, activation=nn.Sigmoid), nn.MaxPool2d(2, 2),
        nn.Flatten(), nn.LazyLinear(120), nn.Sigmoid(), nn.LazyLinear(84), nn.Sigmoid(), nn.LazyLinear(10),
    )  # fmt: skip


def alexnet():
    return (
        *convolution(96, 11, 4), nn.MaxPool2d(3, 2), *convolution(256, 5, padding=2), nn.MaxPool2d(3, 2),
        *convolution(384, 3, padding=1), *convolution(384, 3, padding=1), *convolution(256, 3, padding=1),
        nn.MaxPool2d(3, 2), *classifier(),
    )  # fmt: skip


def vgg11():
    layers = []
    for number, channels in ((1, 16), (1, 32), (2, 64), (2, 128), (2, 128)):
        for _ in range(number):
            layers += convolution(channels, 3, padding=1)
        layers.append(nn.MaxPool2d(2, 2))
    return (*layers, *classifier())


def nin():
    def block(channels, kernel_size, stride, padding):
        first = convolution(channels, kernel_size, stride, padding)
        return *first, *convolution(channels, 1), *convolution(channels, 1)

    return (
        *block(96, 11, 4, 0), nn.MaxPool2d(3, 2), *block(256, 5, 1, 2), nn.MaxPool2d(3, 2), *block(384, 3, 1, 1),
        nn.MaxPool2d(3, 2), nn.Dropout(0.5), *block(10, 3, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


def initialized(net, side):
    net(torch.zeros(1, 1, side, side))  # which gives the layers their shapes
    for layer in net:
        if hasattr(layer, "weight"):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return net


def read(directory, part, size):
    """The first images of a part, uint8 N×1×28×28, and their labels."""
    content = {}
    for kind, header in (("images-idx3", 16), ("labels-idx1", 8)):
        path = Path(directory) / f"{part}-{kind}-ubyte"
        raw = path.read_bytes() if path.exists() else gzip.decompress(Path(f"{path}.gz").read_bytes())
        content[kind] = np.frombuffer(raw, np.uint8, offset=header)
    images = content["images-idx3"].reshape(-1, 1, 28, 28)[:size].copy()
    return torch.from_numpy(images), torch.from_numpy(content["labels-idx1"][:size].astype(np.int64))


def batches(images, labels, size, side, layout, shuffle):
    for chosen in (torch.randperm(len(labels)) if shuffle else torch.arange(len(labels))).split(size):
        X = images[chosen]
        if side != 28:
            X = interpolate(X, size=(side, side), mode="bilinear")
        yield X.to(torch.float32, memory_format=layout).div_(255), labels[chosen]


def train_epoch(net, optimizer, data):
    net.train()
    loss_sum, correct, images = torch.zeros(()), torch.zeros((), dtype=torch.int64), 0
    for X, y in data:
        optimizer.zero_grad()
        y_hat = net(X)
        loss = cross_entropy(y_hat, y)
        loss.backward()
        optimizer.step()
        loss_sum += loss.detach() * len(y)
        correct += (y_hat.argmax(1) == y).sum()
        images += len(y)
    return loss_sum.item() / images, correct.item() / images


@torch.no_grad()
def evaluate(net, data):
    net.eval()
    correct = images = 0
    for X, y in data:
        correct += (net(X).argmax(1) == y).sum().item()
        images += len(y)
    return correct / images


def main(model, layout, directory, train_size, test_size, epochs):
    batch_size, side, lr = RECIPES[model]
    layout = torch.channels_last if layout == "channels-last" else torch.contiguous_format
    train, test = read(directory, "train", train_size), read(directory, "t10k", test_size)
    torch.manual_seed(0)
    net = initialized(nn.Sequential(*globals()[model]()), side).to(memory_format=layout)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    for _ in range(epochs):
        start = time.time()
        train_loss, train_acc = train_epoch(net, optimizer, batches(*train, batch_size, side, layout, True))
        trained = time.time() - start
        test_acc = evaluate(net, batches(*test, batch_size, side, layout, False))
        result = {"seconds": time.time() - start, "images_per_sec": train_size / trained}
        result.update(train_loss=train_loss, train_acc=train_acc, test_acc=test_acc)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    parser = arguments.parser(__doc__)
    parser.add_argument("model", choices=RECIPES)
    parser.add_argument("layout", choices=("contiguous", "channels-last"))
    parser.add_argument("directory", metavar="DIRECTORY")
    for name in ("train_size", "test_size", "epochs"):
        parser.add_argument(name, type=arguments.count)
    main(**vars(parser.parse_args()))

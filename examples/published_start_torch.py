"""The book's networks in PyTorch, from the weights that its published runs began from, on a CPU or a GPU.

    python examples/published_start_torch.py --models lenet --seeds 0-14 --data-dir /usr/share/datasets/fashion-mnist
    python examples/published_start_torch.py --models all --device cuda --data-dir ~/.mxnet/datasets/fashion-mnist
    gluon-cnn compare runs/torch/lenet-zh-v1-seed*

Each run is trained by the book's recipe, in float32 without TF32, and gets a directory that gluon-cnn compare and
report read; it says that PyTorch trained it. A seed decides the order of the images, as it does in this package, and
dropout. Finished runs are passed over, so that you can stop this and start it again.

It needs PyTorch, NumPy and gluon_cnn/published_weights.py, and neither MXNet nor the rest of the package, so that it
runs where those do not. Therefore it reads the data itself, and writes the files of a run itself.
"""

import argparse
import contextlib
import gzip
import hashlib
import itertools
import json
import multiprocessing
import platform
import re
import shlex
import sys
import tempfile
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

# The file by itself, because the package around it has requirements of its own.
sys.path.append(str(Path(__file__).resolve().parent.parent / "gluon_cnn"))

from published_weights import EDITIONS, MODELS, published_weights

# Batch size, height and width of the images in pixels, learning rate
RECIPES = {
    "lenet": (256, 28, 0.9),
    "alexnet": (128, 224, 0.01),
    "vgg11": (128, 224, 0.05),
    "nin": (128, 224, 0.1),
    "googlenet": (128, 96, 0.1),
    "resnet18": (256, 96, 0.05),
    "densenet": (256, 96, 0.1),
}
EPOCHS = {"zh-v1": 5, "en": 10}
PUBLISHED_AS = {"vgg11": "vgg", "resnet18": "resnet"}  # where the name is another one
CLASSES = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]
FILES = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
# The SHA-256 of each release's training labels
RELEASES = {
    "c7673bb30764062aa9ddeaf6184d7043075ded6a31aee7d16f38402434ad395d": "first",
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9": "second",
}


class Layers:
    """Makes layers, of which each takes the next of the published weights and the shape that goes with it."""

    def __init__(self, weights):
        self._arrays = iter(weights.values())

    def conv(self, stride=1, padding=0):
        weight = next(self._arrays)
        outputs, inputs, size, _ = weight.shape
        return self._filled(nn.Conv2d(inputs, outputs, size, stride, padding), weight=weight)

    def dense(self):
        weight = next(self._arrays)
        return self._filled(nn.Linear(*weight.shape[::-1]), weight=weight)

    def norm(self):
        gamma = next(self._arrays)
        return self._filled(BatchNorm(len(gamma)), weight=gamma)

    def _filled(self, layer, weight):
        others = [name for name, _ in (*layer.named_parameters(), *layer.named_buffers()) if name != "weight"]
        arrays = {"weight": weight, **{name: next(self._arrays) for name in others if name != "num_batches_tracked"}}
        layer.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()}, strict=False)
        return layer


class BatchNorm(nn.BatchNorm2d):
    """Keeps the batches' variances as they are, as Gluon's does; PyTorch's own makes them larger by n / (n - 1)."""

    def forward(self, x):
        before = self.running_var.clone()
        y = super().forward(x)
        if self.training:
            n = x.numel() // x.shape[1]
            # Not in place, because the backward pass wants it as it is.
            self.running_var = torch.lerp(self.running_var, (1 - self.momentum) * before, 1 / n)
        return y


def lenet(layers, edition):
    padding, pool = {"zh-v1": (0, nn.MaxPool2d), "en": (2, nn.AvgPool2d)}[edition]
    features = [layers.conv(padding=padding), nn.Sigmoid(), pool(2), layers.conv(), nn.Sigmoid(), pool(2)]
    return [*features, nn.Flatten(), layers.dense(), nn.Sigmoid(), layers.dense(), nn.Sigmoid(), layers.dense()]


def classifier(layers):
    hidden = [[layers.dense(), nn.ReLU(), nn.Dropout(0.5)] for _ in range(2)]
    return [nn.Flatten(), *hidden[0], *hidden[1], layers.dense()]


def alexnet(layers, edition):
    net = [layers.conv(4), nn.ReLU(), nn.MaxPool2d(3, 2), layers.conv(padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    for _ in range(3):
        net += [layers.conv(padding=1), nn.ReLU()]
    return [*net, nn.MaxPool2d(3, 2), *classifier(layers)]


def vgg11(layers, edition):
    net = []
    for convolutions in (1, 1, 2, 2, 2):
        for _ in range(convolutions):
            net += [layers.conv(padding=1), nn.ReLU()]
        net.append(nn.MaxPool2d(2))
    return [*net, *classifier(layers)]


def nin(layers, edition):
    def block(stride, padding):
        return [layers.conv(stride, padding), nn.ReLU(), layers.conv(), nn.ReLU(), layers.conv(), nn.ReLU()]

    net = [*block(4, 0), nn.MaxPool2d(3, 2), *block(1, 2), nn.MaxPool2d(3, 2), *block(1, 1), nn.MaxPool2d(3, 2)]
    return [*net, nn.Dropout(0.5), *block(1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]


class Inception(nn.Module):
    def __init__(self, layers):
        super().__init__()
        first = nn.Sequential(layers.conv(), nn.ReLU())
        others = [nn.Sequential(layers.conv(), nn.ReLU(), layers.conv(padding=p), nn.ReLU()) for p in (1, 2)]
        last = nn.Sequential(nn.MaxPool2d(3, 1, 1), layers.conv(), nn.ReLU())
        self.paths = nn.ModuleList([first, *others, last])

    def forward(self, x):
        return torch.cat([path(x) for path in self.paths], 1)


def googlenet(layers, edition):
    activation = {"zh-v1": nn.Identity, "en": nn.ReLU}[edition]
    net = [layers.conv(2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    net += [layers.conv(), activation(), layers.conv(padding=1), activation(), nn.MaxPool2d(3, 2, 1)]
    for blocks in (2, 5):
        net += [*(Inception(layers) for _ in range(blocks)), nn.MaxPool2d(3, 2, 1)]
    return [*net, Inception(layers), Inception(layers), nn.AdaptiveAvgPool2d(1), nn.Flatten(), layers.dense()]


class Residual(nn.Module):
    def __init__(self, layers, halves):
        super().__init__()
        self.conv1, self.conv2 = layers.conv(2 if halves else 1, 1), layers.conv(1, 1)
        self.conv3 = layers.conv(2) if halves else nn.Identity()
        self.bn1, self.bn2 = layers.norm(), layers.norm()

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.conv3(x))


def first_layers(layers):
    return [layers.conv(2, 3), layers.norm(), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]


def resnet18(layers, edition):
    net = first_layers(layers)
    net += [Residual(layers, halves=block > 0 and number == 0) for block in range(4) for number in range(2)]
    return [*net, nn.AdaptiveAvgPool2d(1), nn.Flatten(), layers.dense()]


class DenseBlock(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.parts = nn.ModuleList(nn.Sequential(layers.norm(), nn.ReLU(), layers.conv(padding=1)) for _ in range(4))

    def forward(self, x):
        for part in self.parts:
            x = torch.cat([x, part(x)], 1)
        return x


def densenet(layers, edition):
    net = first_layers(layers)
    for _ in range(3):
        net += [DenseBlock(layers), layers.norm(), nn.ReLU(), layers.conv(), nn.AvgPool2d(2)]
    return [*net, DenseBlock(layers), layers.norm(), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), layers.dense()]


def build(model, edition):
    """A network with the published weights."""
    return nn.Sequential(*globals()[model](Layers(published_weights(model, edition)), edition))


def resize(images, side):
    """Resize images, uint8 N×height×width, as OpenCV's INTER_LINEAR does: bilinearly, in whole numbers, rounded."""
    if images.shape[1] == side:
        return images
    at = ((np.arange(side) + 0.5) * (images.shape[1] / side) - 0.5).astype(np.float32)
    low = np.floor(at)
    share = torch.from_numpy(np.rint((at - low) * np.float32(2048)).astype(np.int32)).to(images.device)
    shares = 2048 - share, share
    low = torch.from_numpy(low.astype(np.int64)).to(images.device)
    places = [place.clamp(0, images.shape[1] - 1) for place in (low, low + 1)]
    wide = sum(images[:, :, place].int() * part for place, part in zip(places, shares)) >> 4
    high = sum((wide[:, place] * part[:, None]) >> 16 for place, part in zip(places, shares))
    return ((high + 2) >> 2).to(torch.uint8)


def batches(data, order, batch_size, side):
    """Yield the batches of an epoch: images as floats in [0, 1], and labels."""
    images, labels = data
    for start in range(0, len(order), batch_size):
        chosen = torch.from_numpy(order[start : start + batch_size]).to(labels.device)
        yield resize(images[chosen], side).float().div(255).unsqueeze(1), labels[chosen]


def order_of(images, seed, epoch):
    """The order of an epoch's images, the same as that of gluon-cnn train with this seed."""
    order = np.arange(images)
    np.random.RandomState(np.random.MT19937(np.random.SeedSequence([seed, 0, epoch]))).shuffle(order)
    return order


def train(net, train_data, test_data, seed, recipe, epochs, nominal_step):
    """Train, and yield the columns of the history after each epoch.

    ``nominal_step`` is whether the gradient of the last, shorter batch is divided by the usual size of a batch.
    """
    batch_size, side, lr = recipe
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    images, device = len(train_data[1]), train_data[1].device
    torch.manual_seed(seed)  # dropout
    for epoch in range(epochs):
        began, net = time.perf_counter(), net.train()
        loss, right = (torch.zeros((), dtype=torch.float64, device=device) for _ in range(2))
        for X, y in batches(train_data, order_of(images, seed, epoch), batch_size, side):
            logits = net(X)
            total = cross_entropy(logits, y, reduction="sum")
            optimizer.zero_grad()
            (total / (batch_size if nominal_step else len(y))).backward()
            optimizer.step()
            loss += total.detach()
            right += (logits.argmax(1) == y).sum()
        loss, accuracy = float(loss) / images, float(right) / images  # which waits for the device
        trained, net = time.perf_counter(), net.eval()
        with torch.no_grad():
            tests = batches(test_data, np.arange(len(test_data[1])), batch_size, side)
            right = sum((net(X).argmax(1) == y).sum() for X, y in tests)
        accuracies, seconds = (accuracy, float(right) / len(test_data[1])), time.perf_counter() - began
        yield (epoch + 1, loss, *accuracies, seconds, images / (trained - began))


def read_data(directory, train_size, test_size, device):
    """Fashion-MNIST's training and test part on a device, images and labels; the release; and the files' SHA-256."""
    contents = {}
    for name in FILES:
        path = directory / name
        try:
            path = next((path for path in (path, directory / f"{name}.gz") if path.exists()), None)
            if path is None:
                sys.exit(f"{directory} has no {name}.gz: name the directory with Fashion-MNIST's files by --data-dir.")
            contents[name] = gzip.decompress(path.read_bytes()) if path.suffix else path.read_bytes()
        except (OSError, EOFError, zlib.error) as error:
            sys.exit(f"{path} cannot be read ({error}): download it again.")
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    parts = []
    for part, size in (("train", train_size), ("t10k", test_size)):
        images, labels = (contents[name] for name in FILES if name.startswith(part))
        number = len(labels) - 8
        if number < 1 or len(images) != 16 + 28 * 28 * number or max(labels[8:]) >= len(CLASSES):
            sys.exit(f"{directory} has files {part}-* that are not Fashion-MNIST's: download them again.")
        images = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28)[:size]
        labels = np.frombuffer(labels, np.uint8, offset=8)[:size].astype(np.int64)
        parts.append((torch.from_numpy(images.copy()).to(device), torch.from_numpy(labels).to(device)))
    whole = hashlib.sha256("".join(hashes[name] for name in sorted(FILES)).encode()).hexdigest()
    return (*parts, RELEASES.get(hashes["train-labels-idx1-ubyte"]), whole)


def write_run(directory, args, model, seed, started, history, data):
    """Write what gluon-cnn reads of a run: config.json, and last, because it says that the run is finished, its
    history. Epochs from the first on whose loss is not finite are left out, and noted."""
    finite = [row for row in history if np.isfinite(row[1])]
    diverged = f"The loss is no longer finite in epoch {len(finite) + 1}" if len(finite) < len(history) else ""
    (batch_size, side, lr), (release, sha256) = RECIPES[model], data
    book = {"epochs": EPOCHS[args.edition], "train_size": None, "test_size": None}
    own = own_settings(args)
    recipe = {"model": model, "edition": args.edition, "batch_size": batch_size, "lr": lr, "side": side, "seed": seed}
    uname, cuda = platform.uname(), args.device.startswith("cuda")
    config = {
        "framework": "PyTorch",
        "command": f"python {shlex.join(sys.argv)}",
        "started": started,
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__},
        "machine": {
            "system": f"{uname.system} {uname.release} {uname.machine}",
            "processor": torch.cuda.get_device_name(args.device) if cuda else processor(),
            "cores": multiprocessing.cpu_count(),
            "threads": torch.get_num_threads(),
        },
        "recipe": {**recipe, **own, "release": release},
        "settings": {"ctx": "gpu" if cuda else "cpu", "hybrid": False},
        "book": {
            "published_as": PUBLISHED_AS.get(model, model),
            "differences": {name: [value, book[name]] for name, value in own.items() if value != book[name]},
        },
        "dataset": {"name": "Fashion-MNIST", "classes": CLASSES, "channels": 1, "side": 28, "sha256": sha256},
        "diverged": diverged,
    }
    write(directory / "config.json", json.dumps(config, indent=1) + "\n")
    columns = ["epoch", "train_loss", "train_acc", "test_acc", "seconds", "examples_per_sec"]
    rows = [
        [epoch, *(f"{v:.6f}" for v in values), f"{sec:.2f}", f"{speed:.1f}"] for epoch, *values, sec, speed in finite
    ]
    write(directory / "history.csv", "".join(f"{','.join(map(str, row))}\n" for row in [columns, *rows]))


def write(path, text):
    """Write a file that is whole or not there."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        sys.exit(f"{path} cannot be written ({error.strerror}): make room, or name another directory by --out.")


def own_settings(args):
    """What the command can change in the book's recipe, by the names in config.json."""
    epochs = args.epochs or EPOCHS[args.edition]
    return {"epochs": epochs, "train_size": args.train_size, "test_size": args.test_size}


def refuse_other_run(directory, wanted):
    """Exit if the run that a directory holds has other settings."""
    try:
        recipe = json.loads((directory / "config.json").read_text(encoding="utf-8"))["recipe"]
        found = {name: recipe[name] for name in wanted}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        sys.exit(f"{directory} has no config.json that can be read: name another directory by --out.")
    if found != wanted:
        sys.exit(f"{directory} holds a run of other epochs or images: name another directory by --out.")


def is_finished(directory, wanted):
    """Whether a directory holds the run with these settings; exits if it holds another one, or cannot be written."""
    try:
        if (directory / "history.csv").exists():
            refuse_other_run(directory, wanted)
            return True
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
        if not {path.name for path in directory.iterdir()} <= {"config.json", ".config.json.tmp", ".history.csv.tmp"}:
            sys.exit(f"{directory} holds something else than a run of PyTorch's: name another directory by --out.")
    except OSError as error:
        sys.exit(f"{directory} cannot be written ({error.strerror}): name another directory by --out.")
    return False


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine())


def seeds(text):
    """``0-14`` or ``0,3`` as a list of ranges."""
    ranges = []
    for part in text.split(","):
        match = re.fullmatch("([0-9]{1,19})(?:-([0-9]{1,19}))?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if not first <= last < 2**63:
            raise argparse.ArgumentTypeError(f"{text[:80]!r} is not such as 0-14 or 0,3, with seeds below 2^63")
        ranges.append(range(first, last + 1))
    return ranges


def count(text):
    """A whole number from 1 to a million."""
    if not re.fullmatch("[0-9]{1,7}", text) or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a whole number from 1 to 1000000")
    return int(text)


def models(text):
    """``all`` or some names with commas in between."""
    names = list(MODELS) if text == "all" else text.split(",")
    if not set(names) <= set(MODELS):
        raise ValueError
    return names


def refuse_device(device):
    """Exit if nothing can be computed on a device."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of devices that are no more
            float(torch.ones(1, dtype=torch.float64, device=device) + 1)
    except Exception as error:  # of many kinds, by what PyTorch was built with
        why = next(iter(str(error).splitlines()), type(error).__name__)
        sys.exit(f"There is no device {' '.join(device.split())} ({why}) that computes: name another one by --device.")


def main():
    """Train the runs that are missing, one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=models, default="lenet", help=f"all, or some of {', '.join(MODELS)}")
    parser.add_argument("--edition", choices=EDITIONS, default="zh-v1", help="whose recipe, default %(default)s")
    parser.add_argument("--seeds", type=seeds, default="0", help="such as 0-14 or 0,3; default %(default)s")
    parser.add_argument("--device", default="cpu", help="such as cuda or cuda:1; default %(default)s")
    parser.add_argument("--epochs", type=count, help="default: the book's")
    parser.add_argument("--train-size", type=count, help="take only the first training images")
    parser.add_argument("--test-size", type=count, help="take only the first test images")
    parser.add_argument("--data-dir", type=Path, required=True, help="the directory with Fashion-MNIST's four files")
    parser.add_argument("--out", type=Path, default=Path("runs/torch"), help="default %(default)s")
    args = parser.parse_args()
    refuse_device(args.device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    train_data, test_data, *data = read_data(args.data_dir, args.train_size, args.test_size, args.device)
    for model in args.models:
        for seed in itertools.chain(*args.seeds):
            directory = args.out / f"{model}-{args.edition}-seed{seed}"
            if is_finished(directory, own_settings(args)):
                continue
            started, history = time.strftime("%Y-%m-%dT%H:%M:%S%z"), []
            net = build(model, args.edition).to(args.device)
            epochs, nominal_step = own_settings(args)["epochs"], args.edition == "zh-v1"
            for row in train(net, train_data, test_data, seed, RECIPES[model], epochs, nominal_step):
                history.append(row)
                words = "epoch {}, loss {:.4f}, train acc {:.3f}, test acc {:.3f}, time {:.1f} sec".format(*row)
                print(f"{directory.name}: {words}", flush=True)
                if not np.isfinite(row[1]):
                    break
            write_run(directory, args, model, seed, started, history, data)


if __name__ == "__main__":
    main()

"""The same training in PyTorch: recipe, initial weights, batches and their order are this package's.

    python benchmarks/torch_reference.py lenet --epochs 1 --data sample
    python benchmarks/torch_reference.py lenet --out runs/lenet-torch
    gluon-cnn compare runs/lenet-torch              # its curve among the published ones
    gluon-cnn compare runs/lenet-zh-v1-seed0        # ours, of gluon-cnn train lenet

It writes a run's config.json, history.csv and curves.png, so that what reads a run reads it too; it saves no weights.
Dropout draws from PyTorch's generator, so that AlexNet, VGG-11 and NiN see other noise than in MXNet.
"""

import argparse
import shlex
import sys
import time

import torch
from torch.nn.functional import cross_entropy

import gluon_cnn  # before mxnet, which it makes ready

# isort: split
import mxnet as mx

from gluon_cnn.comparison.results import write_curves
from gluon_cnn.errors import GluonCNNError, SettingError
from gluon_cnn.interop.torch import torch_network
from gluon_cnn.models import list_models
from gluon_cnn.recipe import EDITIONS, INITS
from gluon_cnn.training.directory import RunDirectory
from gluon_cnn.training.history import EpochResult
from gluon_cnn.training.recipes import book_recipe
from gluon_cnn.training.settings import Settings
from gluon_cnn.training.setup import load_data, set_up

CHANGES = ("epochs", "lr", "batch_size", "side", "init", "seed", "data", "train_size", "test_size")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL", help=", ".join(list_models()))
    parser.add_argument("--edition", choices=EDITIONS, default="zh-v1", help="whose recipe (default zh-v1)")
    parser.add_argument("--data", choices=("full", "sample"))
    parser.add_argument("--init", choices=INITS, help="initial weights: the published ones, or own ones from --seed")
    parser.add_argument("--lr", type=float)
    parser.add_argument("--resize", dest="side", type=int, metavar="N")
    for name in ("epochs", "batch-size", "seed", "train-size", "test-size"):
        parser.add_argument(f"--{name}", type=int, metavar="N")
    parser.add_argument("--data-dir", metavar="DIR", help="the directory with Fashion-MNIST's files")
    parser.add_argument("--out", metavar="DIR", help="(default runs/MODEL-EDITION-torch-seedN)")
    args = parser.parse_args()
    try:
        train(args)
    except GluonCNNError as error:
        sys.exit(f"torch_reference: {error}")


def train(args):
    changes = {name: getattr(args, name) for name in CHANGES if getattr(args, name) is not None}
    recipe = gluon_cnn.get_recipe(args.model, args.edition, **changes)
    out = args.out or f"runs/{recipe.model}-{recipe.edition}-torch-seed{recipe.seed}"
    settings = Settings(ctx="cpu", hybrid=False, data_dir=args.data_dir)
    run = RunDirectory(out, recipe, settings, book=book_recipe(recipe))
    run.refuse_taken()
    data = load_data(recipe, args.data_dir, mx.cpu())
    run.dataset, train_iter, test_iter = data
    net = torch_network(set_up(recipe, [mx.cpu()], data, hybrid=False).net)
    torch.manual_seed(recipe.seed)  # for dropout
    optimizer = make_optimizer(recipe, net.parameters())
    with run.locked():
        run.write_config(shlex.join(["python", *sys.argv]), torch.get_num_threads())
        print(f"training {recipe.model} in PyTorch {torch.__version__} on {torch.get_num_threads()} threads; in {out}")
        history = []
        for epoch in range(1, recipe.epochs + 1):
            began = time.perf_counter()
            loss, correct = train_epoch(net, optimizer, train_iter, recipe)
            trained = time.perf_counter() - began
            images = len(train_iter.labels)
            test_acc, dead = evaluate(net, test_iter)
            seconds = time.perf_counter() - began
            r = EpochResult(epoch, loss / images, correct / images, test_acc, seconds, images / trained, dead)
            print(r, flush=True)
            history.append(r)
            run.write_history(history)
        write_curves(run)


def make_optimizer(recipe, parameters):
    optimizers = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
    if recipe.optimizer not in optimizers:
        raise SettingError(f"The optimizer {recipe.optimizer} is not one of {', '.join(optimizers)}.")
    return optimizers[recipe.optimizer](parameters, lr=recipe.lr)


def train_epoch(net, optimizer, batches, recipe):
    """One pass over the training images; the sum of their losses, and how many were right."""
    net.train()
    loss_sum = correct = 0
    for X, y in in_torch(batches):
        logits = net(X)
        loss = cross_entropy(logits, y, reduction="sum")
        optimizer.zero_grad()
        (loss / (recipe.batch_size if recipe.nominal_step else len(y))).backward()
        optimizer.step()
        loss_sum += loss.item()
        correct += (logits.argmax(1) == y).sum().item()
    return loss_sum, correct


@torch.no_grad()
def evaluate(net, batches):
    """Test accuracy, and how many classes have a logit of 0 for every image."""
    net.eval()
    correct, largest = 0, 0
    for X, y in in_torch(batches):
        logits = net(X)
        correct += (logits.argmax(1) == y).sum().item()
        largest = torch.clamp(logits.abs().amax(0), min=largest)
    return correct / len(batches.labels), int((largest == 0).sum())


def in_torch(batches):
    for X, y in batches:
        yield torch.from_numpy(X.asnumpy()), torch.from_numpy(y.asnumpy()).long()


if __name__ == "__main__":
    main()

"""What the split into training and test images does to LeNet's loss: the 70,000 images split anew, at random.

    python examples/random_splits.py --figure random-splits.png
    python examples/random_splits.py --splits 2 --orders 1

Both releases of Fashion-MNIST hold nearly the same images, split differently (docs/two-releases.md). Here those of the
second release are split by the seeds 0, 1, ..., and LeNet is trained by the book's recipe from the published weights on
each split, with several orders of the images. It takes about half an hour on two cores; what is finished is kept in
--out, so that you can stop it and start it again.
"""

import argparse
import csv
import math
import sys
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from gluon_cnn import GluonCNNError, get_recipe
from gluon_cnn.comparison.published import published_runs
from gluon_cnn.comparison.statistics import mann_whitney
from gluon_cnn.data import Dataset, Part, read_fashion_mnist
from gluon_cnn.data.batches import make_batches
from gluon_cnn.files import write_atomically
from gluon_cnn.runtime.devices import parse_context
from gluon_cnn.training.loop import count_correct, train_epoch
from gluon_cnn.training.metrics import Pace, Sums
from gluon_cnn.training.setup import Data, set_up

#: The name of the second release's own split.
AS_RELEASED = "as released"


def split_anew(dataset, seed):
    """The images of a data set in a random order, the first as many of them as before for training."""
    images, labels = (
        np.concatenate([getattr(part, name) for part in (dataset.train, dataset.test)]) for name in Part._fields
    )
    order = np.random.default_rng(seed).permutation(len(labels))
    train, test = np.split(order, [len(dataset.train.labels)])
    return Dataset(dataset.info, Part(images[train], labels[train]), Part(images[test], labels[test]))


def train(recipe, dataset):
    """Train by a recipe; returns the last epoch's mean train loss and the test accuracy."""
    devices = parse_context("cpu")
    data = Data(dataset.info, *make_batches(dataset, recipe.batch_size, seed=recipe.seed))
    setup = set_up(recipe, devices, data)
    for epoch in range(recipe.epochs):
        sums = Sums()
        train_epoch(
            setup.training_net,
            data.train.epoch(epoch),
            setup.trainer,
            devices,
            sums,
            after_step=Pace().reader(sums),
            batch_size=recipe.batch_size,  # as the first Chinese edition steps the last, shorter batch
        )
        sums.read()
    return sums.loss / sums.images, count_correct(setup.net, data.test, devices).accuracy


def finished(path):
    """``{(split, order): (train loss, test accuracy)}`` of the runs that a file has."""
    if not path.exists():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        return {(row[0], int(row[1])): (float(row[2]), float(row[3])) for row in csv.reader(file)}


def print_table(results):
    """Print the mean loss of each split, in Markdown, and what of it is the split's."""
    losses = {}
    for (split, _), (loss, accuracy) in results.items():
        losses.setdefault(split, []).append((loss, accuracy))
    print("| split | orders | train loss after epoch 5: mean | min | max | test accuracy: mean |")
    print("| --- | --- | --- | --- | --- | --- |")
    for split, values in losses.items():
        loss, accuracy = zip(*values)
        print(
            f"| {split} | {len(loss)} | {mean(loss):.4f} | {min(loss):.4f} | {max(loss):.4f} | {mean(accuracy):.3f} |"
        )
    published = [run.history[-1].train_loss for run in published_runs("lenet", "zh-v1")]
    print(f"\n- published runs, on the first release: mean {mean(published):.4f}, {_range(published)}")
    released, others = losses.pop(AS_RELEASED), list(losses.values())
    if len(others) < 2 or len(others[0]) < 2:
        return
    means = [mean(loss for loss, _ in values) for values in others]
    # What the orders alone would make of it: the scatter within a split, over the root of the number of orders.
    within = mean(stdev(loss for loss, _ in values) for values in others) / math.sqrt(len(others[0]))
    print(f"- means of the random splits: {_range(means)}, standard deviation {stdev(means) / mean(means):.2%}")
    print(f"- standard deviation that the orders alone give such means: {within / mean(means):.2%}")
    random_losses, random_accuracies = zip(*(run for values in others for run in values))
    losses, accuracies = zip(*released)
    _compare("published runs against all random splits, train loss", published, random_losses)
    _compare("as released against all random splits, train loss", losses, random_losses)
    _compare("as released against all random splits, test accuracy", accuracies, random_accuracies)


def _compare(what, ours, others):
    print(f"- {what}: {mean(ours) / mean(others) - 1:+.2%}, Mann–Whitney p = {mann_whitney(ours, others)[1]:.2g}")


def _range(values):
    return f"{min(values):.4f} to {max(values):.4f}"


def draw(results, path):
    """Draw the losses to a PNG: each run as a point, and the mean of each split as a line."""
    splits = {}
    for (split, _), (loss, _) in results.items():
        splits.setdefault(split, []).append(loss)
    published = [run.history[-1].train_loss for run in published_runs("lenet", "zh-v1")]
    rows = [
        ("the first release\n(published runs)", published, "#7d8794"),
        ("the second release", splits.pop(AS_RELEASED), "#d9601a"),
        *((f"random split {split}", losses, "#2f7fd6") for split, losses in splits.items()),
    ]
    figure = Figure(figsize=(7, 1.2 + 0.27 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for y, (_, losses, color) in enumerate(rows):
        axes.plot(losses, [y] * len(losses), "o", color=color, ms=4, alpha=0.5)
        axes.plot([mean(losses)] * 2, [y - 0.35, y + 0.35], color=color, lw=3)
    axes.set_yticks(range(len(rows)), [words for words, *_ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("LeNet's train loss after epoch 5 (nats); the line is the mean")
    axes.grid(axis="x", alpha=0.3)
    figure.suptitle("Random splits agree; the second release's own lies below them")
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


def main():
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=10, help="random splits, default 10")
    parser.add_argument("--orders", type=int, default=8, help="orders of the images for each split, default 8")
    parser.add_argument("--data-dir", help="the directory with Fashion-MNIST's files (default: find or get it)")
    parser.add_argument("--out", type=Path, default=Path("runs/random-splits.csv"), help="default %(default)s")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="also draw the losses to this PNG")
    args = parser.parse_args()
    try:
        whole = read_fashion_mnist(args.data_dir, "second")
        results = finished(args.out)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        wanted = [
            (split, order) for split in [AS_RELEASED, *map(str, range(args.splits))] for order in range(args.orders)
        ]
        for split, order in tqdm([run for run in wanted if run not in results], unit="run", disable=None):
            dataset = whole if split == AS_RELEASED else split_anew(whole, int(split))
            results[split, order] = train(get_recipe("lenet", seed=order), dataset)
            with open(args.out, "a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow([split, order, *results[split, order]])
        if args.figure:
            draw({run: results[run] for run in wanted}, args.figure)
    except GluonCNNError as error:
        sys.exit(f"{parser.prog}: {error}")
    except OSError as error:
        sys.exit(f"{parser.prog}: {error.filename} cannot be written ({error.strerror}): name another place.")
    print_table({run: results[run] for run in wanted})


if __name__ == "__main__":
    main()

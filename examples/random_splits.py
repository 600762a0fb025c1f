"""What the split into training and test images does to LeNet's loss: the 70,000 images split anew, at random.

    python examples/random_splits.py
    python examples/random_splits.py --splits 2 --orders 1
    python examples/random_splits.py --figure random-splits.png

Both releases of Fashion-MNIST hold nearly the same images, split differently (docs/two-releases.md). Here those of the
second release are split by the seeds 0, 1, ..., and LeNet is trained by the book's recipe from the published
weights on each split, with several orders of the images. It takes about ten minutes on two cores that have nothing else
to do; what is finished is kept in --out, so that you can stop it and start it again.
"""

import argparse
import csv
import sys
from pathlib import Path
from statistics import mean, median, stdev

import mxnet as mx
import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from gluon_cnn import GluonCNNError, get_recipe
from gluon_cnn.comparison.published import published_runs
from gluon_cnn.data import Dataset, Part, read_fashion_mnist
from gluon_cnn.data.batches import make_batches
from gluon_cnn.files import write_atomically
from gluon_cnn.training.loop import count_correct, train_epoch
from gluon_cnn.training.metrics import Pace, Sums
from gluon_cnn.training.setup import Data, set_up


def split_anew(dataset, seed):
    """The images of a data set in a random order, the first as many of them as before for training."""
    images, labels = (np.concatenate([getattr(part, name) for part in dataset[1:]]) for name in Part._fields)
    order = np.random.default_rng(seed).permutation(len(labels))
    train, test = np.split(order, [len(dataset.train.labels)])
    return Dataset(dataset.info, Part(images[train], labels[train]), Part(images[test], labels[test]))


def train(recipe, dataset):
    """Train by a recipe; returns the last epoch's mean train loss and the test accuracy."""
    devices = [mx.cpu()]
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
    """Print the mean loss of each split, in Markdown, how far the splits scatter, and the published runs."""
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
    means = [mean(loss for loss, _ in values) for split, values in losses.items() if split != "as released"]
    published = [run.history[-1].train_loss for run in published_runs("lenet", "zh-v1")]
    print(f"\npublished runs: median {median(published):.4f} ({min(published):.4f} to {max(published):.4f})")
    if len(means) > 1:
        print(
            f"random splits: mean {mean(means):.4f}, {min(means):.4f} to {max(means):.4f}, "
            f"standard deviation {stdev(means) / mean(means):.2%} of it"
        )


def draw(results, path):
    """Draw every run's loss to a PNG: the published runs, and each split's orders joined by a line."""
    splits = {}
    for (split, _), (loss, _) in results.items():
        splits.setdefault(split, []).append(loss)
    published = [run.history[-1].train_loss for run in published_runs("lenet", "zh-v1")]
    rows = [
        (f"the first release's split\n({len(published)} published runs)", [published], "#7d8794"),
        ("the second release's split", [splits.pop("as released")], "#d9601a"),
        (f"{len(splits)} random splits", list(splits.values()), "#2f7fd6"),
    ]
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    for y, (_, groups, color) in enumerate(rows):
        for number, losses in enumerate(groups):
            height = y + (number - (len(groups) - 1) / 2) * 0.06
            axes.plot(losses, [height] * len(losses), "o-", color=color, ms=5, lw=1, alpha=0.8)
    axes.set_yticks(range(len(rows)), [words for words, *_ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("LeNet's train loss after epoch 5 (nats)")
    axes.grid(axis="x", alpha=0.3)
    figure.suptitle("Which images are for training decides the loss by two per cent")
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


def main():
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=10, help="random splits, default 10")
    parser.add_argument("--orders", type=int, default=2, help="orders of the images for each split, default 2")
    parser.add_argument("--data-dir", help="the directory with Fashion-MNIST's files (default: find or get it)")
    parser.add_argument("--out", type=Path, default=Path("runs/random-splits.csv"), help="default %(default)s")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="also draw the losses to this PNG")
    args = parser.parse_args()
    try:
        whole = read_fashion_mnist(args.data_dir, "second")
        results = finished(args.out)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        wanted = [
            (split, order) for split in ["as released", *map(str, range(args.splits))] for order in range(args.orders)
        ]
        for split, order in tqdm([run for run in wanted if run not in results], unit="run", disable=None):
            dataset = whole if split == "as released" else split_anew(whole, int(split))
            results[split, order] = train(get_recipe("lenet", seed=order), dataset)
            with open(args.out, "a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow([split, order, *results[split, order]])
    except GluonCNNError as error:
        sys.exit(f"{parser.prog}: {error}")
    print_table({run: results[run] for run in wanted})
    if args.figure:
        draw({run: results[run] for run in wanted}, args.figure)


if __name__ == "__main__":
    main()

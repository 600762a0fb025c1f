"""How much of a published result is the luck of one draw of the initial weights: clouds of runs, epoch by epoch.

    gluon-cnn reproduce --models lenet --seeds 0-14 --out runs/lenet
    gluon-cnn reproduce --models lenet --seeds 0-14 --init own --out runs/lenet
    python examples/initial_weights.py runs/lenet initial-weights.png

docs/initial-weights.md shows the figure and says what follows from it.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from gluon_cnn import GluonCNNError
from gluon_cnn.comparison.figures import sample_label, save_clouds
from gluon_cnn.comparison.published import published_runs
from gluon_cnn.comparison.results import histories_of
from gluon_cnn.comparison.statistics import mann_whitney, rounded_as
from gluon_cnn.training.directory import RunDirectory
from gluon_cnn.training.history import EpochResult


def print_clouds(published, samples):
    """Print each cloud's train loss by epoch, and how well two clouds can be told apart, in Markdown."""
    clouds = {"published runs": published, **{sample_label(name): cloud for name, cloud in samples.items()}}
    losses = {name: np.array([[r.train_loss for r in history] for history in runs]) for name, runs in clouds.items()}
    printed = losses["published runs"].T.tolist()
    epochs = range(len(printed))
    print(f"| train loss: median (standard deviation) | runs | {' | '.join(f'epoch {e + 1}' for e in epochs)} |")
    print(f"| --- | --- |{' --- |' * len(epochs)}")
    for name, values in losses.items():
        cells = [f"{np.median(column):.4f} ({np.std(column, ddof=1):.4f})" for column in values.T]
        print(f"| {name} | {len(values)} | {' | '.join(cells)} |")
    names = list(clouds)
    for first, second in [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]:
        cells = []
        for epoch in epochs:
            a, b = ([rounded_as(printed[epoch], value) for value in losses[name][:, epoch]] for name in (first, second))
            cells.append(f"{mann_whitney(a, b)[1]:.2g}")
        print(f"| Mann–Whitney p: {first}; {second} | | {' | '.join(cells)} |")


def book_loop_runs(path, epochs):
    """The runs that benchmarks/book_code.py printed one after another, as histories."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    results = [
        EpochResult(i % epochs + 1, r["train_loss"], r["train_acc"], r["test_acc"], r["seconds"], r["images_per_sec"])
        for i, r in enumerate(lines)
    ]
    return [results[i : i + epochs] for i in range(0, len(results) - epochs + 1, epochs)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="where the runs are")
    parser.add_argument("figure", type=Path, help="the PNG to draw")
    parser.add_argument("--book-loop", type=Path, metavar="FILE", help="what benchmarks/book_code.py printed")
    args = parser.parse_args()
    try:
        runs = [RunDirectory.open(path.parent) for path in sorted(args.directory.rglob("config.json"))]
        runs = [run for run in runs if (run.recipe.model, run.recipe.edition) == ("lenet", "zh-v1")]
        runs = [run for run in runs if not run.reasons_not_compared and run.epochs_done == run.recipe.epochs]
        samples = histories_of(runs)
        if args.book_loop:
            samples["the book's loop"] = book_loop_runs(args.book_loop, epochs=5)
        if not samples or min(map(len, samples.values())) < 2:
            sys.exit(f"{parser.prog}: {args.directory} holds fewer than two finished runs of a kind: train more.")
        published = [run.history for run in published_runs("lenet", "zh-v1")]
        save_clouds(published, samples, args.figure, "LeNet, zh-v1: every run, epoch by epoch")
    except GluonCNNError as error:
        sys.exit(f"{parser.prog}: {error}")
    except OSError as error:
        sys.exit(f"{parser.prog}: {error.filename} cannot be read ({error.strerror}): name another file.")
    print_clouds(published, samples)


if __name__ == "__main__":
    main()

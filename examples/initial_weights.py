"""What part of a published result is the luck of one draw of the initial weights: three clouds of runs, epoch by epoch.

    gluon-cnn reproduce --models lenet --seeds 0-14 --out runs/lenet
    gluon-cnn reproduce --models lenet --seeds 0-14 --init seed --out runs/lenet
    python examples/initial_weights.py runs/lenet initial-weights.png

docs/initial-weights.md shows the figure and says what follows from it.
"""

import argparse
from pathlib import Path

import numpy as np

from gluon_cnn import plot, published_runs
from gluon_cnn.results import SAMPLE_NAMES, kinds
from gluon_cnn.training import Run, read_history

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("directory", type=Path, help="where the runs are")
parser.add_argument("figure", type=Path, help="the PNG to draw")
parser.add_argument("--model", default="lenet")
parser.add_argument("--edition", default="zh-v1")


def print_clouds(clouds):
    """Each cloud's median and standard deviation of the train loss, by epoch, in Markdown."""
    epochs = range(1, len(clouds["published"][0]) + 1)
    print(f"| train loss: median (standard deviation) | runs | {' | '.join(f'epoch {epoch}' for epoch in epochs)} |")
    print(f"| --- | --- |{' --- |' * len(epochs)}")
    for name, histories in clouds.items():
        losses = np.array([[result.train_loss for result in history] for history in histories])
        cells = [f"{np.median(column):.4f} ({np.std(column, ddof=1):.4f})" for column in losses.T]
        print(f"| {name} | {len(histories)} | {' | '.join(cells)} |")


if __name__ == "__main__":
    args = parser.parse_args()
    runs = kinds(Run.open(path.parent) for path in args.directory.rglob("config.json"))[args.model, args.edition]
    histories = [(run.recipe, read_history(run.directory)) for run in runs]
    samples = {
        name: [h for recipe, h in histories if recipe.init == init and len(h) == recipe.epochs]
        for init, name in SAMPLE_NAMES.items()
    }
    published = [run.history for run in published_runs(args.model, args.edition)]
    plot.save_clouds(published, samples, args.figure, f"{args.model}, {args.edition}: every run, epoch by epoch")
    print_clouds({"published": published, **samples})

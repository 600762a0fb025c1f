"""Why NiN collapses, and what prevents it: the book's network and three changes to it, with several seeds each.

    python examples/nin_collapse.py
    python examples/nin_collapse.py --seeds 0-2 --epochs 2 --out runs/nin-short

It trains on images of 96×96 in batches of 64, which takes about an hour on two cores. You can stop it and start it
again at any time. docs/nin.md has the table that it prints at the end.
"""

import argparse
import logging
import math
import sys
from pathlib import Path
from statistics import median

from gluon_cnn import GluonCNNError, get_recipe
from gluon_cnn.cli.command import train_command
from gluon_cnn.cli.values import seeds
from gluon_cnn.comparison.reproduce import train_missing
from gluon_cnn.comparison.statistics import mann_whitney
from gluon_cnn.training.run import Run
from gluon_cnn.training.settings import Settings

VARIANTS = {
    "faithful": {},
    "no-last-relu": {"final_relu": False},
    "clip-gradient-0.01": {"clip_gradient": 0.01},
    "lr-0.05": {"lr": 0.05},
}


def study(variants, description):
    """Train NiN in several variants, each a name and its changes to the protocol, and print a table of the results."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=seeds, default=list(range(6)), help="such as 0-5, which is the default")
    parser.add_argument("--epochs", type=int, default=4, help="default 4")
    parser.add_argument("--train-size", type=int, default=8000, help="training images, default 8000")
    parser.add_argument("--test-size", type=int, default=2000, help="test images, default 2000")
    parser.add_argument("--data", choices=("full", "sample"), default="full", help="default full")
    parser.add_argument("--data-dir", help="the directory with Fashion-MNIST's files (default: find or get it)")
    parser.add_argument("--ctx", default="auto", help="auto, cpu or gpu (default auto)")
    parser.add_argument("--out", type=Path, default=Path("runs/nin-study"), help="default runs/nin-study")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        args = parser.parse_args()
        sizes = {name: getattr(args, name) for name in ("epochs", "train_size", "test_size", "data")}
        runs = {name: [] for name in variants}
        for seed in args.seeds:
            for name, changes in variants.items():
                recipe = get_recipe("nin", seed=seed, side=96, batch_size=64, **sizes, **changes)
                settings = Settings(ctx=args.ctx, data_dir=args.data_dir)
                runs[name].append(Run(args.out / name / f"seed{seed}", recipe, settings))
        # Seed by seed, so that a study that is interrupted has some runs of each variant.
        train_missing([run for of_seed in zip(*runs.values()) for run in of_seed], command=train_command)
        histories = {
            name: [run.history if run.epochs_done else [] for run in of_variant] for name, of_variant in runs.items()
        }
    except GluonCNNError as error:
        sys.exit(f"{parser.prog}: {error}")
    print_table(histories, args.epochs)


def print_table(histories, epochs):
    """Print each variant's runs after their last epoch, in Markdown; a run that diverged has no last epoch.

    p is Mann–Whitney's, exact and two-sided, of the test accuracies against the first variant's.
    """
    first, *_ = accuracies = {
        name: [history[-1].test_acc for history in of_variant if len(history) == epochs]
        for name, of_variant in histories.items()
    }
    print("| variant | runs | all classes dead | dead classes, by seed | test accuracy: median | min | max | p |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, of_variant in histories.items():
        dead = [history[-1].dead_classes if len(history) == epochs else "diverged" for history in of_variant]
        accuracy = accuracies[name] or [math.nan]
        p = "" if name == first else f"{mann_whitney(accuracies[first], accuracies[name])[1]:.2g}"
        print(
            f"| {name} | {len(dead)} | {dead.count(10)} | {', '.join(map(str, dead))} "
            f"| {median(accuracy):.3f} | {min(accuracy):.3f} | {max(accuracy):.3f} | {p} |"
        )


if __name__ == "__main__":
    study(VARIANTS, __doc__)

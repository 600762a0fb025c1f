"""What another framework makes of the published start: its runs beside ours and the published ones.

    python examples/published_start_torch.py --models lenet --seeds 0-14 --data-dir /usr/share/datasets/fashion-mnist
    gluon-cnn reproduce --models lenet --seeds 0-14 --out runs/lenet
    python examples/other_frameworks.py runs/torch runs/lenet

For each network and edition of which the first directory has finished runs, it prints a table of the train loss, and
how far two runs of one seed are apart: they begin from the same weights and see the images in the same order.
docs/other-frameworks.md has the tables.
"""

import argparse
import sys
from pathlib import Path

from initial_weights import print_clouds

from gluon_cnn import GluonCNNError
from gluon_cnn.comparison.published import comparable_runs
from gluon_cnn.comparison.results import histories_of, kinds
from gluon_cnn.errors import RunError
from gluon_cnn.training.directory import RunDirectory


def finished_runs(directory):
    """The finished runs below a directory that follow the book's recipe from the published weights."""
    if not directory.is_dir():
        raise RunError(f"{directory} is not a directory: name one that holds runs.")
    runs = [RunDirectory.open(path.parent) for path in sorted(directory.rglob("config.json"))]
    runs = [run for run in runs if run.recipe.init == "published" and not run.reasons_not_compared]
    return [run for run in runs if run.epochs_done == run.recipe.epochs]


def print_pairs(theirs, ours):
    """Print by how much the train losses of runs of one seed differ at most, epoch by epoch."""
    histories = {run.recipe.seed: run.history for run in ours}
    pairs = [(run.history, histories[run.recipe.seed]) for run in theirs if run.recipe.seed in histories]
    if pairs:
        by_epoch = zip(*([abs(a.train_loss / b.train_loss - 1) for a, b in zip(*pair)] for pair in pairs))
        largest = ", ".join(f"{100 * max(differences):.1g}" for differences in by_epoch)
        print(f"\nThe train losses of {len(pairs)} pairs with one seed differ, epoch by epoch, by at most {largest} %.")


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("theirs", type=Path, help="where the other framework's runs are")
    parser.add_argument("ours", type=Path, help="where ours are")
    args = parser.parse_args()
    try:
        theirs, ours = kinds(finished_runs(args.theirs)), kinds(finished_runs(args.ours))
        if not theirs:
            sys.exit(f"{parser.prog}: {args.theirs} holds no finished run by the book's recipe: train one.")
        for (model, edition), runs in theirs.items():
            beside = ours.get((model, edition), [])
            histories = [run.history for run in comparable_runs(runs[0].book.published_as, edition)]
            print(f"{model}, {edition}\n")
            print_clouds(histories, histories_of(beside + runs))
            print_pairs(runs, beside)
    except GluonCNNError as error:
        sys.exit(f"{parser.prog}: {error}")


if __name__ == "__main__":
    main()

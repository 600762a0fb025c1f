"""``gluon-cnn compare``, which works without MXNet."""

import os
from pathlib import Path

from gluon_cnn.cli import parser as shared

__all__ = ["add"]


def add(commands):
    """Add the command to argparse's collection of them."""
    command = shared.add_command(
        commands,
        "compare",
        _compare,
        "Compare runs with the book's published ones.",
        "compare runs/lenet-zh-v1-seed0",
        "compare runs/lenet-zh-v1-seed* runs/lenet-zh-v1-own-seed*",
    )
    command.add_argument("directories", nargs="+", metavar="RUN", help="a run's directory; several are a sample")
    command.add_argument(
        "--out", metavar="DIR", help="where the comparison of several runs goes (default: the directory they are in)"
    )


def _compare(args):
    from gluon_cnn.comparison.results import write_comparison
    from gluon_cnn.comparison.words import run_in_words
    from gluon_cnn.training.directory import RunDirectory

    directories = {Path(path).resolve(): path for path in args.directories}.values()
    runs = [RunDirectory.open(directory) for directory in directories]
    for run in runs:
        if run.reasons_not_compared:
            print(f"{run.directory}: not compared: {'; '.join(run.reasons_not_compared)}")
    comparable = [run for run in runs if not run.reasons_not_compared]
    comparisons = [write_comparison(run) for run in comparable]
    if len(comparable) == 1:
        print(run_in_words(comparisons[0]))
    elif comparable:
        for run, comparison in zip(comparable, comparisons):
            print(f"{run.directory}: {comparison['verdict']}")
        _compare_together(comparable, args.out)


def _compare_together(runs, out):
    from gluon_cnn.comparison.results import kinds, write_sample_comparisons
    from gluon_cnn.comparison.words import runs_in_words

    out = Path(out or os.path.commonpath([run.directory.resolve().parent for run in runs]))
    for of_kind in kinds(runs).values():
        for comparison in write_sample_comparisons(of_kind, out):
            print(f"\n{runs_in_words(comparison)}")
    print(f"\nthe comparison is in {out}")

"""``gluon-cnn compare``, which works without MXNet."""

import os
from pathlib import Path

from gluon_cnn.cli import parser as shared
from gluon_cnn.cli.failures import print_error
from gluon_cnn.errors import GluonCNNError

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
        "--out",
        metavar="DIR",
        help="where the comparison goes, and nothing into the runs (default: each run's directory, and the one that "
        "several are in)",
    )


def _compare(args):
    from gluon_cnn.comparison.results import write_comparison
    from gluon_cnn.comparison.words import run_in_words

    directories = {os.path.realpath(path): path for path in args.directories}.values()
    runs, all_read = _comparable(directories)
    if len(runs) == 1:
        print(run_in_words(write_comparison(runs[0], args.out)))
    elif runs:
        _compare_together(runs, args.out)
    return 0 if all_read else 1


def _comparable(directories):
    """The runs that can be compared, and whether the others can too, or are of a recipe that is not the book's; a line
    is printed about each that is not compared."""
    from gluon_cnn.comparison.results import compared
    from gluon_cnn.training.directory import RunDirectory

    runs, all_read = [], True
    for directory in directories:
        try:
            run = RunDirectory.open(directory)
            if run.reasons_not_compared:
                print(f"{run.directory}: not compared: {'; '.join(run.reasons_not_compared)}")
                continue
            compared(run)
            runs.append(run)
        except GluonCNNError as error:
            print_error(error)
            all_read = False
    return runs, all_read


def _compare_together(runs, out):
    """Compare several runs, each by itself and as samples. What is written goes into ``out`` alone, if it is given."""
    from gluon_cnn.comparison.results import compared, kinds, write_comparison, write_sample_comparisons
    from gluon_cnn.comparison.words import runs_in_words

    for run in runs:
        comparison = compared(run) if out else write_comparison(run)
        print(f"{run.directory}: {comparison['verdict']}")
    out = Path(out or os.path.commonpath([run.directory.resolve().parent for run in runs]))
    for of_kind in kinds(runs).values():
        for comparison in write_sample_comparisons(of_kind, out):
            print(f"\n{runs_in_words(comparison)}")
    print(f"\nthe comparison is in {out}")

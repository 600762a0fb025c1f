"""``gluon-cnn compare``, which works without MXNet."""

import os
from pathlib import Path

from gluon_cnn.cli import parser as shared
from gluon_cnn.cli.failures import print_error

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
    from gluon_cnn.comparison.results import read_runs, write_comparison
    from gluon_cnn.comparison.words import run_in_words

    runs, errors = read_runs({os.path.realpath(path): path for path in args.directories}.values())
    for error in errors:
        print_error(error)
    for run, comparison in runs.items():
        if comparison is None:
            print(f"{run.directory}: not compared: {'; '.join(run.reasons_not_compared)}")
    comparisons = {run: comparison for run, comparison in runs.items() if comparison}
    if len(comparisons) == 1:
        ((run, comparison),) = comparisons.items()
        write_comparison(run, comparison, args.out)
        print(run_in_words(comparison))
    elif comparisons:
        _compare_together(comparisons, args.out)
    return 1 if errors else 0


def _compare_together(runs, out):
    """Compare several runs, ``{run: comparison}``, as samples too. What is written goes into ``out`` alone, if it is
    given."""
    from gluon_cnn.comparison.results import kinds, write_comparison, write_sample_comparisons
    from gluon_cnn.comparison.words import runs_in_words

    for run, comparison in runs.items():
        if not out:
            write_comparison(run, comparison)
        print(f"{run.directory}: {comparison['verdict']}")
    out = Path(out or os.path.commonpath([run.directory.resolve().parent for run in runs]))
    for of_kind in kinds(runs).values():
        for comparison in write_sample_comparisons(of_kind, out):
            print(f"\n{runs_in_words(comparison)}")
    print(f"\nthe comparison is in {out}")

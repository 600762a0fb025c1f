"""``gluon-cnn compare-runs``."""

import os
from pathlib import Path

from gluon_cnn.cli import parser as shared
from gluon_cnn.cli.values import path, typed

__all__ = ["add"]


def add(commands):
    """Add the command to argparse's collection of them."""
    command = shared.add_command(
        commands,
        "compare-runs",
        _compare_runs,
        "Compare two runs of one's own, whatever their recipes: what differs, and on which test images they disagree.",
        "compare-runs runs/lenet-zh-v1-seed0 runs/nin-zh-v1-seed0",
        "compare-runs runs/nin-zh-v1-seed0 runs/nin-zh-v1-seed1 --checkpoint best --out nin-0-and-1",
    )
    command.add_argument("first", metavar="A", help="a run's directory")
    command.add_argument("second", metavar="B", help="another one's")
    command.add_argument(
        "--checkpoint", dest="which", choices=("last", "best"), default="last", help="last (default) or best, of each"
    )
    command.add_argument("--out", metavar="DIR", help="where the page and its figures go (default: A-and-B, beside A)")
    command.add_argument("--quiet", action="store_true", help="print errors only")
    command.add_argument(
        "--images", type=typed("images", int), metavar="N", help="take only the first test images (default: all)"
    )
    shared.add_device(command)
    command.add_argument(
        "--data-dir",
        type=path("data_dir"),
        metavar="DIR",
        help="the directory with the data set's files (default: each run's)",
    )


def _compare_runs(args):
    from gluon_cnn.inspection.page import refuse_no_directory
    from gluon_cnn.inspection.two_runs import compare_two
    from gluon_cnn.inspection.two_runs_page import two_runs_in_words, write_two_runs
    from gluon_cnn.training.run import load_run

    first, second = load_run(args.first), load_run(args.second)
    out = Path(args.out) if args.out else _beside(first, second)
    refuse_no_directory(out)
    options = {"ctx": args.ctx, "data_dir": args.data_dir, "images": args.images, "quiet": args.quiet}
    found = compare_two(first, second, which=args.which, **options)
    if not args.quiet:
        print(two_runs_in_words(found))
    page, *_ = write_two_runs(found, out)
    if not args.quiet:
        print(f"\nthe page is {page}")


def _beside(first, second):
    names = f"{first.name}-and-{second.name}".replace(":", "-")
    # A network of the package has no directory to be beside.
    place = Path(os.path.relpath(first.directory.resolve().parent)) if first.config else Path()
    # A long name is cut, or there could be no such directory.
    return place / os.fsdecode(os.fsencode(names)[:200])

"""``gluon-cnn report``, which works without MXNet."""

from gluon_cnn.cli import parser as shared
from gluon_cnn.cli.failures import print_error

__all__ = ["add"]


def add(commands):
    """Add the command to argparse's collection of them."""
    command = shared.add_command(
        commands, "report", _report, "Write report.html and report.md about the runs in a directory.", "report runs"
    )
    command.add_argument("directory", metavar="DIR", help="a directory with runs")


def _report(args):
    from gluon_cnn.comparison.report import write_report

    report = write_report(args.directory)
    for path in report.paths:
        print(path)
    for error in report.errors:
        print_error(error)
    return 1 if report.errors else 0

"""``gluon-cnn selftest``."""

import contextlib
import signal
import sys
import threading
import time

from gluon_cnn.cli import parser as shared
from gluon_cnn.cli.terminal import log_to_terminal, stop_printing
from gluon_cnn.errors import DeviceError

__all__ = ["add"]


def add(commands):
    """Add the command to argparse's collection of them."""
    command = shared.add_command(
        commands,
        "selftest",
        _selftest,
        "Check that a device computes correctly, on the images in this package: layers against NumPy, batches and "
        "networks against the CPU, dropout against its seed, a resumed run against one that was not stopped. Then five "
        "steps of each network show speed and memory. It takes a few minutes on two processor cores. The exit code is "
        "1 if a check fails or cannot be made.",
        "selftest --ctx gpu",
        "selftest --ctx gpu --json > selftest.json",
    )
    command.add_argument("--json", action="store_true", help="as one JSON document, with all that a bug report needs")
    command.add_argument("--ctx", metavar="DEVICE", help="one device: auto, cpu, gpu or gpu:1 (default auto)")


def _selftest(args):
    from gluon_cnn.runtime.devices import parse_context
    from gluon_cnn.selftest import run_checks
    from gluon_cnn.selftest.report import as_json, as_table, line_of

    log_to_terminal(quiet=args.json)
    devices = parse_context(args.ctx or "auto")
    if len(devices) > 1:
        raise DeviceError(f"A self-test is of one device, not of {', '.join(map(str, devices))}: name one.", "ctx")
    log_to_terminal(quiet=True)  # what the runs of the test would say
    (device,), out = devices, sys.stderr if args.json else sys.stdout
    _say(f"testing {device}", out)
    checks, start = [], time.monotonic()
    with _signals_as_ctrl_c(), contextlib.closing(run_checks(device)) as ended:  # which removes the runs
        for check in ended:
            checks.append(check)
            _say(line_of(check), out)
    report = as_json if args.json else as_table
    _say(report(checks, device, time.monotonic() - start), sys.stdout)
    return 0 if all(check.ok for check in checks) else 1


def _say(text, stream):
    """Print to a stream, or to nobody once its reader has gone: the verdict is still the exit code."""
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        stop_printing(stream)


@contextlib.contextmanager
def _signals_as_ctrl_c():
    """A block that SIGTERM, and SIGHUP unless it is ignored, as after nohup, end as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():  # Python allows handlers nowhere else
        yield
        return
    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

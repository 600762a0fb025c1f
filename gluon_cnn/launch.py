"""Start a job: several workers that train together, the servers that add up their gradients, and a scheduler.

    python -m gluon_cnn.launch -n 2 -- examples/train_lenet.py --kvstore dist_sync

On this machine the processes are started here. For clusters it is a thin way to the launcher that ships with MXNet
(``dmlc_tracker``, which MXNet's ``tools/launch.py`` calls). Either way the job ends as soon as one of its processes
fails, and that one is named: MXNet itself would wait for it for ever.
"""

import argparse
import contextlib
import importlib
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from gluon_cnn import _runtime
from gluon_cnn.checks import whole_number
from gluon_cnn.errors import GluonCNNError, JobFailed, SettingError

__all__ = ["LAUNCHERS", "main"]

LAUNCHERS = ("local", "ssh", "slurm", "mpi", "sge", "kubernetes", "mesos", "yarn")
GRACE = 5.0  # seconds that processes have to end by themselves, before they are killed
STOPPING = 60.0  # and that the other workers have once one has stopped
STOPPED = (0, 128 + signal.SIGINT, 128 + signal.SIGTERM)  # exit codes of a worker that is done, or was told to stop


def main(argv=None):
    """Run the launcher with the arguments in ``argv`` (the process's own by default); returns the exit code."""
    try:
        args, others = _parse(sys.argv[1:] if argv is None else argv)
        if args.launcher == "local":
            return _run_here(args)
        return _run_on_cluster(args, others)
    except GluonCNNError as error:
        print(f"gluon-cnn.launch: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise SettingError(f"{message}; see {self.prog} --help.")


def _parse(argv):
    """The launcher's arguments, and those it does not know, which are for MXNet's."""
    parser = _Parser(
        prog="python -m gluon_cnn.launch",
        usage="%(prog)s -n WORKERS [-s SERVERS] [options] -- COMMAND ...",
        description="Start a job of several workers. Options that are not listed here go to MXNet's launcher.",
        epilog="examples:\n"
        "  python -m gluon_cnn.launch -n 2 -- examples/train_lenet.py --kvstore dist_sync\n"
        "  python -m gluon_cnn.launch -n 4 -s 4 --launcher ssh -H hosts -- gluon-cnn train nin --kvstore dist_sync\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-n", "--num-workers", type=int, required=True, metavar="WORKERS")
    parser.add_argument("-s", "--num-servers", type=int, metavar="SERVERS", help="default: as many as workers")
    parser.add_argument("--launcher", choices=LAUNCHERS, default="local", metavar="NAME", help=", ".join(LAUNCHERS))
    parser.add_argument("-H", "--host-file", metavar="FILE", help="a host a line, for ssh and mpi")
    split = argv.index("--") if "--" in argv else len(argv)
    args, others = parser.parse_known_args(argv[:split])
    args.command = argv[split + 1 :]
    if not args.command:
        parser.error("a command is missing after --")
    whole_number("num_workers", args.num_workers)
    args.num_servers = whole_number("num_servers", args.num_workers if args.num_servers is None else args.num_servers)
    if args.launcher == "local" and others:
        parser.error(f"unknown arguments: {' '.join(others)}")
    if args.command[0].endswith(".py"):
        args.command = [sys.executable, *args.command]
    return args, others


def _run_here(args):
    """Start all processes on this machine; returns 0 once the workers are done, or a signal's code."""
    beside = str(Path(sys.executable).parent)  # where gluon-cnn is, whether that directory is in PATH or not
    program = shutil.which(args.command[0], path=os.pathsep.join([beside, os.environ.get("PATH", os.defpath)]))
    if program is None:
        raise SettingError(f"there is no program {args.command[0]}: give one that exists after --.")
    environment = {
        **os.environ,
        "DMLC_PS_ROOT_URI": "127.0.0.1",
        "DMLC_PS_ROOT_PORT": str(_free_port()),
        "DMLC_NUM_WORKER": str(args.num_workers),
        "DMLC_NUM_SERVER": str(args.num_servers),
        "DMLC_NODE_HOST": "127.0.0.1",
    }
    if not _runtime.threads_chosen_by_user:
        environment["OMP_NUM_THREADS"] = str(max(1, _runtime.usable_cores() // args.num_workers))
    roles = [("scheduler", 1), ("server", args.num_servers), ("worker", args.num_workers)]
    processes = {}
    signals = []
    with _noted_signals(signals):
        for role, number in roles:
            for i in range(number):
                # In a session of its own, so that Ctrl-C reaches the workers once, from here, and nobody else.
                process = subprocess.Popen(
                    [program, *args.command[1:]], env={**environment, "DMLC_ROLE": role}, start_new_session=True
                )
                processes[process] = role if role == "scheduler" else f"{role} {i}"
        try:
            return _wait(processes, signals)
        finally:
            _end(processes)


def _wait(processes, signals):
    """Wait for the workers; a JobFailed names the first process that fails."""
    workers = [process for process, name in processes.items() if name.startswith("worker")]
    forwarded, deadline = False, math.inf
    while any(process.poll() is None for process in workers):
        if signals and not forwarded:
            forwarded = True
            for process in workers:
                # A closed terminal as well is a wish to stop.
                process.send_signal(signal.SIGINT if signals[0] == signal.SIGINT else signal.SIGTERM)
        _refuse_failed(processes, forwarded)
        stopped = [process.returncode for process in workers if process.returncode]
        if stopped:  # with the others soon, or the job is ended
            deadline = min(deadline, time.monotonic() + STOPPING)
        if len(signals) > 1 or time.monotonic() > deadline:
            return 128 + signals[0] if signals else max(stopped)
        time.sleep(0.1)
    _refuse_failed(processes, forwarded)
    return 128 + signals[0] if signals else max(process.returncode for process in workers)


def _refuse_failed(processes, told_to_stop):
    for process, name in processes.items():
        code = process.poll()
        good = STOPPED if name.startswith("worker") else (0,)
        if told_to_stop and name.startswith("worker"):  # it may have had no time to set its handlers
            good = (*good, -signal.SIGINT, -signal.SIGTERM)
        if code is not None and code not in good:
            raise JobFailed(f"{name} (process {process.pid}) {_ended(code)}, so the job was ended.")


def _ended(code):
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _end(processes):
    """End what still runs: by SIGTERM, then for good."""
    deadline = time.monotonic() + GRACE
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(number)
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        deadline = time.monotonic() + GRACE


@contextlib.contextmanager
def _noted_signals(received):
    before = {
        number: signal.signal(number, lambda number, _: received.append(number))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _run_on_cluster(args, others):
    """Let MXNet's launcher start the processes; returns 0 once they are done."""
    if args.launcher in ("ssh", "mpi") and not args.host_file:
        raise SettingError(f"--launcher {args.launcher} needs --host-file with a host a line.")
    if args.host_file and not Path(args.host_file).is_file():
        raise SettingError(f"there is no host file {args.host_file}.")
    try:
        options = importlib.import_module("dmlc_tracker.opts")
        tracker = importlib.import_module(f"dmlc_tracker.{args.launcher}")
    except ModuleNotFoundError as error:
        raise SettingError(f"--launcher {args.launcher} needs the Python package {error.name}: install it.") from None
    if not hasattr(threading.Thread, "isAlive"):  # its name until Python 3.8, which MXNet's launcher uses
        threading.Thread.isAlive = threading.Thread.is_alive
    numbers = ["--num-workers", str(args.num_workers), "--num-servers", str(args.num_servers)]
    hosts = ["--host-file", args.host_file] if args.host_file else []
    # It puts the words together with spaces, for a shell, and for ssh within quotes.
    if any("'" in word for word in args.command):
        raise SettingError("MXNet's launcher cannot pass on a command with a ' in it: leave it out.")
    command = [re.sub(r"([^\w@%+=:,./-])", r"\\\1", word) for word in args.command]
    parsed = options.get_opts(["--cluster", args.launcher, *numbers, *hosts, *others, "--", *command])
    failed = []
    threading.excepthook = lambda hook: failed.append(hook.exc_value)  # its threads wait for a process each
    submission = threading.Thread(target=tracker.submit, args=(parsed,), daemon=True)
    signals = []
    before = threading.active_count()
    with _noted_signals(signals):
        submission.start()
        try:
            while submission.is_alive() and not failed and not signals:
                submission.join(0.2)
            # It returns with the scheduler, which ends a moment before the workers that told it they are done.
            deadline = time.monotonic() + STOPPING
            while threading.active_count() > before and not failed and not signals and time.monotonic() < deadline:
                time.sleep(0.1)
        finally:
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.terminate()
    if signals:
        return 128 + signals[0]
    if failed:
        code = getattr(failed[0], "returncode", None)
        if code in STOPPED:
            return code
        raise JobFailed(f"{_which(failed[0])}, so the job was ended.")
    return 0


def _which(error):
    """Which process of a cluster's job failed, as far as its launcher says."""
    if not isinstance(error, subprocess.CalledProcessError):
        return f"The launcher failed ({error})"
    command = error.cmd if isinstance(error.cmd, str) else " ".join(error.cmd)
    role = re.search(r"DMLC_ROLE=(\w+)", command)
    host = re.search(r"DMLC_NODE_HOST=([^;\s]+)", command)
    name = (role[1] if role else "the scheduler") + (f" on {host[1]}" if host else "")
    return f"{name} {_ended(error.returncode)}"


if __name__ == "__main__":
    sys.exit(main())

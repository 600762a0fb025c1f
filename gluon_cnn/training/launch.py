"""Start a job: several workers that train together, the servers that add up their gradients, and a scheduler.

On this machine the processes are started here. On clusters the launcher that ships with MXNet starts them
(``dmlc_tracker``, which MXNet's ``tools/launch.py`` calls). Either way the job ends as soon as one of its processes
fails, and the error names that process: MXNet itself would wait for it forever.

Nothing here needs MXNet: servers and scheduler do all their work while they import it.
"""

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

from gluon_cnn.checks import choice, whole_number
from gluon_cnn.errors import JobFailed, SettingError
from gluon_cnn.runtime import threads_chosen_by_user, usable_cores

__all__ = ["LAUNCHERS", "launch"]

LAUNCHERS = ("local", "ssh", "slurm", "mpi", "sge", "kubernetes", "mesos", "yarn")
GRACE = 5.0  # seconds that processes have to end by themselves, before they are killed
STOPPING = 60.0  # and that the other workers have once one has stopped
STOPPED = (0, 128 + signal.SIGINT, 128 + signal.SIGTERM)  # exit codes of a worker that is done, or was told to stop


def launch(program, num_workers, num_servers=None, *, launcher="local", host_file=None, others=()):
    """Run a program in several processes that train together, and wait for its workers.

    Parameters
    ----------
    program : list of str
        A program and its arguments. Every process runs it, and its variables ``DMLC_*`` say as what.
    num_workers, num_servers : int
        As many servers as workers by default.
    launcher : str
        One of :data:`LAUNCHERS`; all but ``local`` are MXNet's.
    host_file : path, optional
        A file with a host a line, for ``ssh`` and ``mpi``.
    others : list of str
        Further arguments for MXNet's launcher.

    Returns
    -------
    int
        0 once the workers are done, or 128 plus the signal's number if they were told to stop.

    Raises
    ------
    SettingError
        If the job cannot be started like that.
    JobFailed
        If one of its processes failed.
    """
    whole_number("num_workers", num_workers)
    num_servers = whole_number("num_servers", num_workers if num_servers is None else num_servers)
    if choice("launcher", launcher, LAUNCHERS) != "local":
        return _run_on_cluster(program, num_workers, num_servers, launcher, host_file, others)
    if others:
        raise SettingError(f"The launcher on this machine has no arguments {' '.join(others)}: leave them out.")
    return _run_here(program, num_workers, num_servers)


def _run_here(program, num_workers, num_servers):
    """Start all processes on this machine; returns 0 once the workers are done, or a signal's code."""
    beside = str(Path(sys.executable).parent)  # where gluon-cnn is, whether that directory is in PATH or not
    path = shutil.which(program[0], path=os.pathsep.join([beside, os.environ.get("PATH", os.defpath)]))
    if path is None:
        raise SettingError(f"There is no program {program[0]}: name one that exists.")
    environment = {
        **os.environ,
        "DMLC_PS_ROOT_URI": "127.0.0.1",
        "DMLC_PS_ROOT_PORT": str(_free_port()),
        "DMLC_NUM_WORKER": str(num_workers),
        "DMLC_NUM_SERVER": str(num_servers),
        "DMLC_NODE_HOST": "127.0.0.1",
    }
    if not threads_chosen_by_user():
        environment["OMP_NUM_THREADS"] = str(max(1, usable_cores() // num_workers))
    roles = [("scheduler", 1), ("server", num_servers), ("worker", num_workers)]
    processes = {}
    signals = []
    with _noted_signals(signals):
        for role, number in roles:
            for i in range(number):
                # In a process group of its own, so that Ctrl-C reaches the workers once, from here, and nobody else.
                process = subprocess.Popen(
                    [path, *program[1:]], env={**environment, "DMLC_ROLE": role}, start_new_session=True
                )
                processes[process] = role if role == "scheduler" else f"{role} {i}"
        try:
            return _wait(processes, signals)
        finally:
            _end(processes)


def _wait(processes, signals):
    """Wait for the workers and return the exit code; a JobFailed names the first process that fails."""
    workers = [process for process, name in processes.items() if name.startswith("worker")]
    forwarded, deadline = False, math.inf
    while any(process.poll() is None for process in workers):
        if signals and not forwarded:
            forwarded = True
            for process in workers:
                # A closed terminal asks them to stop as well.
                process.send_signal(signal.SIGINT if signals[0] == signal.SIGINT else signal.SIGTERM)
        _refuse_failed(processes, forwarded)
        stopped = [process.returncode for process in workers if process.returncode]
        if stopped:  # the others do soon as well, or the job is ended
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
    """End what still runs, first by SIGTERM, then by SIGKILL."""
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


def _run_on_cluster(program, num_workers, num_servers, launcher, host_file, others):
    """Let MXNet's launcher start the processes; returns 0 once they are done, or a signal's code."""
    if launcher in ("ssh", "mpi") and not host_file:
        raise SettingError(f"The launcher {launcher} needs a file with a host a line.", "host_file")
    if host_file and not Path(host_file).is_file():
        raise SettingError(f"There is no host file {host_file}: name one that exists.", "host_file")
    try:
        options = importlib.import_module("dmlc_tracker.opts")
        tracker = importlib.import_module(f"dmlc_tracker.{launcher}")
    except ModuleNotFoundError as error:
        raise SettingError(f"The launcher {launcher} needs the Python package {error.name}: install it.") from None
    if not hasattr(threading.Thread, "isAlive"):  # its name until Python 3.8, which MXNet's launcher uses
        threading.Thread.isAlive = threading.Thread.is_alive
    numbers = ["--num-workers", str(num_workers), "--num-servers", str(num_servers)]
    hosts = ["--host-file", str(host_file)] if host_file else []
    # It puts the words together with spaces, for a shell, and for ssh within quotes.
    if any("'" in word for word in program):
        raise SettingError("MXNet's launcher cannot pass on a command with a ' in it: leave it out.")
    quoted = [re.sub(r"([^\w@%+=:,./-])", r"\\\1", word) for word in program]
    parsed = options.get_opts(["--cluster", launcher, *numbers, *hosts, *others, "--", *quoted])
    return _wait_for_submission(lambda: tracker.submit(parsed))


def _wait_for_submission(submit):
    """Wait for what MXNet's launcher started, and end what is left of it; returns 0 or a signal's code."""
    import psutil  # here, so that the command line can say what is missing where it is not installed

    failed = []
    threading.excepthook = lambda hook: failed.append(hook.exc_value)  # its threads wait for a process each
    submission = threading.Thread(target=submit, daemon=True)
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

"""The launcher of jobs: what it refuses, what it starts here and by MXNet's launchers, and that it leaves nothing."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from jobs import LENET
from runs import CLI, history_of

from gluon_cnn.runtime import usable_cores

LAUNCH = [*CLI, "launch"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-n", "2"], "A command is missing after --"),
        (["-n", "1", "--", "no-such-program"], "There is no program no-such-program"),
        (["-n", "0", "--", "true"], "num_workers is 0"),
        (["-n", "1", "--jobname", "x", "--", "true"], "no arguments --jobname x"),
        (["-n", "1", "--launcher", "ssh", "--", "true"], "needs a file with a host a line (--host-file)"),
        (["-n", "1", "--launcher", "slurm", "--", "true", "it's"], "a command with a ' in it"),
        (["-n", "1", "--launcher", "ssh", "-H", "/no/hosts", "--", "true"], "There is no host file /no/hosts"),
    ],
)
def test_arguments_that_are_refused(fails, arguments, message):
    assert message in fails("launch", *arguments)


@pytest.fixture
def hosts(tmp_path, monkeypatch):
    """A host file, and an ssh that reaches every host in it without leaving this one, and hangs up a moment late."""
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(
        '#!/bin/bash\n[ "$1 $2 $4" = "-o StrictHostKeyChecking=no -p" ] || exit 9\n'
        'bash -c "$6"; code=$?; sleep 1; exit $code\n'
    )
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1\n")
    return path


def test_mxnets_launcher_starts_a_job_by_ssh(tmp_path, hosts):
    """And a worker that fails is named."""
    out = tmp_path / "a directory"

    def launched(*numbers):
        command = [*LAUNCH, *numbers, "--launcher", "ssh", "-H", str(hosts), "--", *CLI, *LENET]
        command += ["--kvstore", "dist_sync", "--epochs", "1", "--out", str(out)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    done = launched("-n", "2", "-s", "1")
    assert done.returncode == 0, done.stderr
    assert [result.epoch for result in history_of(out)] == [1]
    done = launched("-n", "1")
    assert done.returncode == 1
    assert "holds another run" in done.stderr
    assert "worker on 127.0.0.1 ended with exit code 1, so the job was ended" in done.stderr


def test_cores_are_shared_out():
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    code = r"import os; os.write(1, os.environb[b'OMP_NUM_THREADS'] + b'\n')"  # in one piece
    command = [*LAUNCH, "-n", "2", "-s", "1", "--", sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert set(done.stdout.split()) == {str(max(1, usable_cores() // 2))}


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_launcher_that_is_ended_leaves_no_process(hosts, number):
    for launcher in (["--launcher", "local"], ["--launcher", "ssh", "-H", str(hosts)]):
        command = [*LAUNCH, "-n", "2", "-s", "1", *launcher, "--", "sleep", "100"]
        launch = subprocess.Popen(command)
        while len(psutil.Process(launch.pid).children(recursive=True)) < 4:
            time.sleep(0.05)
        children = psutil.Process(launch.pid).children(recursive=True)
        launch.send_signal(number)
        assert launch.wait(60) == 128 + number
        _, alive = psutil.wait_procs(children, 60)
        assert not alive

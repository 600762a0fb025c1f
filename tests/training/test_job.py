"""Jobs of several workers on MXNet's parameter server, on this machine: what they compute, and how they end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import mxnet as mx
import psutil
import pytest
from test_train import result_of, train

from gluon_cnn import GluonCNNError, get_recipe
from gluon_cnn._runtime import usable_cores
from gluon_cnn.training import read_history
from gluon_cnn.training.checkpoint import last_checkpoint

LENET = ["train", "lenet", "--data", "sample", "--test-size", "99", "--quiet"]
#: What one process with batches of 64 and two workers with 32 each compute; the last batch has 1 image.
HALVES = ["--train-size", "1985", "--momentum", "0.5", "--lr", "0.5", "--augment"]
#: One thread a worker: with another number the last bits differ.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
CLI = [sys.executable, "-m", "gluon_cnn.cli"]
LAUNCH = [sys.executable, "-m", "gluon_cnn.launch"]


def start_job(*arguments, workers=2, servers=1):
    command = [*LAUNCH, "-n", workers, "-s", servers, "--", *CLI, *LENET, "--kvstore", "dist_sync", *arguments]
    return subprocess.Popen(
        list(map(str, command)), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run_job(*arguments, **options):
    process = start_job(*arguments, **options)
    _, error = process.communicate(timeout=100)
    return process.returncode, error


def parameters_of(directory):
    return mx.nd.load(str(last_checkpoint(directory / "checkpoint") / "net.params"))


def largest_difference(one, other):
    one, other = parameters_of(one), parameters_of(other)
    assert one.keys() == other.keys()
    return max(abs(one[name] - other[name]).max().asscalar() for name in one)


@pytest.mark.parametrize(("edition", "init"), [("zh-v1", "book"), ("en", "seed")])
def test_two_workers_compute_what_one_process_computes(tmp_path, edition, init):
    """Whether a short batch's step is divided by the nominal number of images, or by the real one."""
    run = [*HALVES, "--edition", edition, "--init", init, "--epochs", "2"]
    train(*LENET, *run, "--batch-size", "64", "--out", tmp_path / "one")
    assert run_job(*run, "--batch-size", "32", "--out", tmp_path / "two", servers=2) == (0, "")
    assert largest_difference(tmp_path / "one", tmp_path / "two") < 1e-5
    one, two = read_history(tmp_path / "one"), read_history(tmp_path / "two")
    assert [r.epoch for r in two] == [1, 2]
    for ours, theirs in zip(two, one):
        assert ours[1:4] == pytest.approx(theirs[1:4], abs=2e-5)
        assert ours.dead_classes == theirs.dead_classes
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == sorted(
        path.name for path in (tmp_path / "one").iterdir()
    )


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    """A job that nothing happened to: its arguments and its end."""
    arguments = ["--batch-size", "32", "--epochs", "5", "--momentum", "0.5", "--checkpoint-every", "3"]
    directory = tmp_path_factory.mktemp("jobs") / "steady"
    assert run_job(*arguments, "--out", directory)[0] == 0
    return arguments, result_of(directory)


def wait_for_checkpoint(process, directory, after=()):
    """Wait until a job has written a checkpoint within an epoch."""
    while process.poll() is None and not set(directory.glob("checkpoint/*-step-*")) - set(after):
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()


def test_a_worker_may_go_on_where_its_part_of_the_last_batch_is_empty(tmp_path):
    """1985 images in batches of 64 are 31 whole ones and one image."""
    run = ["--train-size", "1985", "--batch-size", "32", "--epochs", "1", "--checkpoint-every", "31"]
    out = tmp_path / "run"
    job = start_job(*run, "--out", out)
    wait_for_checkpoint(job, out)
    processes_of(job, "worker")[0].kill()
    job.communicate(timeout=30)
    assert run_job("--out", out, "--resume")[0] == 0
    assert [r.epoch for r in read_history(out)] == [1]


def processes_of(job, role):
    children = psutil.Process(job.pid).children(recursive=True)
    return [child for child in children if child.environ().get("DMLC_ROLE") == role]


@pytest.mark.parametrize(("role", "number"), [("worker", 0), ("worker", 1), ("server", 0), ("scheduler", 0)])
def test_a_job_ends_when_a_process_is_killed_and_goes_on_to_the_same_bits(tmp_path, steady, role, number):
    arguments, end = steady
    out = tmp_path / "run"
    job = start_job(*arguments, "--out", out)
    wait_for_checkpoint(job, out)
    children = psutil.Process(job.pid).children(recursive=True)
    processes_of(job, role)[number].kill()
    killed = time.monotonic()
    _, error = job.communicate(timeout=30)
    assert time.monotonic() - killed < 15
    assert job.returncode == 1
    name = role if role == "scheduler" else f"{role} {number}"
    assert f"{name} (process " in error
    assert "was ended by SIGKILL, so the job was ended" in error
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert run_job("--out", out, "--resume")[0] == 0
    assert result_of(out) == end


def test_ctrl_c_stops_a_job_after_a_step_of_all_and_it_goes_on_to_the_same_bits(tmp_path, steady):
    arguments, end = steady
    out = tmp_path / "run"
    job = start_job(*arguments, "--out", out)
    wait_for_checkpoint(job, out)
    job.send_signal(signal.SIGINT)
    _, error = job.communicate(timeout=30)
    assert job.returncode == 130, error
    assert "stopped by SIGINT in epoch" in error
    again = error.split("go on with: ")[1].splitlines()[0]
    assert "gluon_cnn.launch -n 2 -s 1 -- " in again
    assert again.endswith(f"train lenet --kvstore dist_sync --out {out} --resume")
    assert run_job("--out", out, "--resume")[0] == 0
    assert result_of(out) == end


def start_by_another_launcher(*arguments, workers=2):
    """The processes of a job, as a batch system would start them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    told = {"URI": "127.0.0.1", "PORT": str(port)}
    environment = {
        **ENVIRONMENT,
        **{f"DMLC_PS_ROOT_{name}": value for name, value in told.items()},
        "DMLC_NUM_WORKER": str(workers),
        "DMLC_NUM_SERVER": "1",
    }
    return {
        name: subprocess.Popen(
            [*CLI, *LENET, "--kvstore", "dist_sync", *map(str, arguments)],
            env={**environment, "DMLC_ROLE": name.split()[0]},
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("scheduler", "server", *(f"worker {i}" for i in range(workers)))
    }


def test_workers_of_another_launcher_give_up_when_the_server_is_gone(tmp_path, steady):
    arguments, end = steady
    out = tmp_path / "run"
    processes = start_by_another_launcher(*arguments, "--out", out, "--dist-timeout", 2)
    try:
        workers = [process for name, process in processes.items() if name.startswith("worker")]
        wait_for_checkpoint(workers[0], out)
        processes["server"].kill()
        for worker in workers:
            _, error = worker.communicate(timeout=20)
            assert worker.returncode == 1
            assert "no step was finished for 2 s, so a worker or a server is gone" in error
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()
    assert run_job("--out", out, "--resume")[0] == 0
    assert result_of(out) == end


def test_workers_that_update_whenever_they_have_a_gradient(tmp_path):
    arguments = ["--kvstore", "dist_async", "--batch-size", "32", "--lr", "0.02"]  # with 0.1 the loss goes up and down
    assert run_job(*arguments, "--epochs", 1, "--out", tmp_path)[0] == 0
    assert run_job(*arguments[:2], "--epochs", 2, "--out", tmp_path, "--resume")[0] == 0
    history = read_history(tmp_path)
    assert [r.epoch for r in history] == [1, 2]
    assert history[1].train_loss < history[0].train_loss


def test_one_worker_is_asked_to_stop_and_all_do(tmp_path, steady):
    arguments, end = steady
    out = tmp_path / "run"
    job = start_job(*arguments, "--out", out)
    wait_for_checkpoint(job, out)
    processes_of(job, "worker")[1].terminate()
    _, error = job.communicate(timeout=30)
    assert job.returncode == 143, error
    assert run_job("--out", out, "--resume")[0] == 0
    assert result_of(out) == end


def test_what_the_first_worker_refuses_ends_the_job(tmp_path, steady):
    out = tmp_path / "run"
    train(*LENET, "--epochs", "1", "--out", out)
    code, error = run_job("--out", out, "--resume")
    assert code == 1
    assert f"{out} was begun with workers 1, not 2" in error
    code, error = run_job("--out", out)
    assert code == 1
    assert f"{out} holds another run" in error


def test_kvstore_that_needs_a_job_or_a_job_that_needs_a_kvstore(fails, tmp_path, monkeypatch):
    assert "start it by python -m gluon_cnn.launch" in fails(*LENET, "--kvstore", "dist_sync", "--out", tmp_path)
    monkeypatch.setenv("DMLC_ROLE", "worker")
    assert "add --kvstore dist_sync" in fails(*LENET, "--out", tmp_path)
    assert "DMLC_PS_ROOT_URI, " in fails(*LENET, "--kvstore", "dist_sync", "--out", tmp_path)
    assert "dist_timeout is -1.0" in fails(*LENET, "--dist-timeout", "-1", "--out", tmp_path)


@pytest.mark.parametrize("kvstore", ["local", "device"])
def test_kvstore_of_one_process_changes_nothing(tmp_path, lenet_run, kvstore):
    train("train", "lenet", "--data", "sample", "--epochs", 1, "--kvstore", kvstore, "--out", tmp_path, "--quiet")
    assert json.loads((tmp_path / "config.json").read_text())["settings"]["kvstore"] == kvstore


def launch_fails(*arguments):
    done = subprocess.run([*LAUNCH, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_launcher_says_what_is_wrong_with_its_arguments(tmp_path):
    assert "a command is missing after --" in launch_fails("-n", "2")
    assert "there is no program no-such-program" in launch_fails("-n", "1", "--", "no-such-program")
    assert "num_workers is 0" in launch_fails("-n", "0", "--", "true")
    assert "unknown arguments: --jobname x" in launch_fails("-n", "1", "--jobname", "x", "--", "true")
    assert "needs --host-file" in launch_fails("-n", "1", "--launcher", "ssh", "--", "true")
    assert "with a ' in it" in launch_fails("-n", "1", "--launcher", "slurm", "--", "true", "it's")
    assert "no host file" in launch_fails("-n", "1", "--launcher", "ssh", "-H", str(tmp_path / "none"), "--", "true")


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


def test_mxnets_launcher_starts_a_job_by_ssh_and_a_failure_is_named(tmp_path, hosts):
    out = tmp_path / "a directory"
    launch = [*LAUNCH, "-n", "2", "-s", "1", "--launcher", "ssh", "-H", str(hosts), "--"]
    command = [*launch, *CLI, *LENET, "--kvstore", "dist_sync", "--epochs", "1", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert [r.epoch for r in read_history(out)] == [1]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert "holds another run" in done.stderr
    assert "worker on 127.0.0.1 ended with exit code 1, so the job was ended" in done.stderr


def test_noise_of_the_optimizer_is_refused_on_several_workers():
    with pytest.raises(GluonCNNError, match="sgld adds noise"):
        get_recipe("lenet", optimizer="sgld", workers=2)


def test_the_launcher_shares_the_cores_out():
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    code = r"import os; os.write(1, os.environb[b'OMP_NUM_THREADS'] + b'\n')"  # in one piece
    command = [*LAUNCH, "-n", "2", "-s", "1", "--", sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert set(done.stdout.split()) == {str(max(1, usable_cores() // 2))}


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_launcher_that_is_ended_leaves_no_process(tmp_path, hosts, number):
    for launcher in (["--launcher", "local"], ["--launcher", "ssh", "-H", str(hosts)]):
        command = [*LAUNCH, "-n", "2", "-s", "1", *launcher, "--", "sleep", "100"]
        launch = subprocess.Popen(command)
        while len(psutil.Process(launch.pid).children(recursive=True)) < 4:
            time.sleep(0.05)
        children = psutil.Process(launch.pid).children(recursive=True)
        launch.send_signal(number)
        assert launch.wait(20) == 128 + number
        _, alive = psutil.wait_procs(children, 5)
        assert not alive

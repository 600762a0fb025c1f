"""Jobs of several workers on MXNet's parameter server, on this machine: what they compute, and how they end."""

import contextlib
import json
import signal
import socket
import subprocess

import psutil
import pytest
from jobs import (
    ENVIRONMENT,
    LENET,
    largest_difference,
    processes_of,
    run_job,
    start_job,
    wait_for_checkpoint,
)
from runs import CLI, SMALL, command, flags, history_of, measures_of, result_of, train

from gluon_cnn import GluonCNNError, get_recipe
from gluon_cnn.training.directory import RunDirectory
from gluon_cnn.training.job import Job

#: What one process with batches of 64 and two workers with 32 each compute. The last batch has 1 image, so that one
#: worker has none of it.
HALVES = [*flags(train_size=1985, momentum=0.5, augment="on"), "--lr", "0.5"]
EPOCHS = ["--epochs", "5"]


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    """The directory of a job that nothing happened to."""
    directory = tmp_path_factory.mktemp("jobs") / "steady"
    assert run_job(*HALVES, *EPOCHS, "--batch-size", "32", "--out", directory, servers=2) == (0, "")
    return directory


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """The directory of such a job that one test after another begins or resumes, and interrupts."""
    return tmp_path_factory.mktemp("jobs") / "interrupted"


def begin_or_resume(out):
    """The arguments for it. Of a new job only the step is saved after which a worker has no images in its epoch."""
    if (out / "config.json").exists():
        return ["--out", out, "--resume", "--checkpoint-every", "3"]
    return [*HALVES, *EPOCHS, "--batch-size", "32", "--out", out, "--checkpoint-every", "31"]


@contextlib.contextmanager
def training_job(out):
    """A job that trains in the directory, and has saved a step."""
    before = set(out.glob("checkpoint/*-step-*"))
    job = start_job(*begin_or_resume(out))
    try:
        wait_for_checkpoint(job, out, before)
        yield job
    finally:
        job.terminate()
        job.communicate(timeout=60)


def assert_same_as_one_process(out, one, epochs):
    """Parameters to 1e-5, and histories to the decimals that a rounding can change."""
    assert largest_difference(one, out) < 1e-5
    ours, theirs = history_of(out), history_of(one)
    assert [result.epoch for result in ours] == list(range(1, epochs + 1))
    for mine, expected in zip(ours, theirs):
        assert measures_of(mine) == pytest.approx(measures_of(expected), abs=2e-5)
        assert mine.dead_classes == expected.dead_classes
    names = {path.name for path in one.iterdir()}
    assert {path.name for path in out.iterdir()} == names - {"answers.json"}  # which one process alone knows


def test_two_workers_compute_what_one_process_does(tmp_path, steady):
    """By zh-v1, which divides a short batch's step by the nominal number of images."""
    command(*LENET, *HALVES, *EPOCHS, "--batch-size", "64", "--threads", "1", "--out", tmp_path / "one")
    assert_same_as_one_process(steady, tmp_path / "one", 5)


def test_two_workers_by_real_batch_sizes_and_schedule(tmp_path):
    """By the English edition, which divides by the real number of images, from own weights."""
    run = [*HALVES, "--edition", "en", "--init", "own", "--epochs", "2"]
    run += flags(lr_schedule="poly", warmup_epochs=1)
    command(*LENET, *run, "--batch-size", "64", "--out", tmp_path / "one")
    assert run_job(*run, "--batch-size", "32", "--out", tmp_path / "two") == (0, "")
    assert_same_as_one_process(tmp_path / "two", tmp_path / "one", 2)


@pytest.mark.parametrize(("role", "number"), [("worker", 0), ("worker", 1), ("server", 0), ("scheduler", 0)])
def test_job_ends_when_a_process_is_killed(interrupted, role, number):
    with training_job(interrupted) as job:
        children = psutil.Process(job.pid).children(recursive=True)
        processes_of(job, role)[number].kill()
        _, error = job.communicate(timeout=60)
    assert job.returncode == 1
    assert f"{role if role == 'scheduler' else f'{role} {number}'} (process " in error
    assert "was ended by SIGKILL, so the job was ended" in error
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_ctrl_c_stops_a_job_after_a_step(interrupted):
    with training_job(interrupted) as job:
        job.send_signal(signal.SIGINT)
        _, error = job.communicate(timeout=60)
    assert job.returncode == 130, error
    assert "stopped by SIGINT in epoch" in error
    again = error.split("resume it with: ")[1].splitlines()[0]
    assert "gluon-cnn launch -n 2 -s 1 -- " in again
    assert again.endswith(f"train lenet --kvstore dist_sync --out {interrupted} --resume")


def test_one_worker_asked_to_stop_stops_all(interrupted):
    with training_job(interrupted) as job:
        processes_of(job, "worker")[1].terminate()
        _, error = job.communicate(timeout=60)
    assert job.returncode == 143, error


def start_by_another_launcher(*arguments, workers=2):
    """The processes of a job, as a batch system would start them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    told = {"ROOT_URI": "127.0.0.1", "ROOT_PORT": str(port)}
    environment = {
        **ENVIRONMENT,
        **{f"DMLC_PS_{name}": value for name, value in told.items()},
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


def test_workers_of_another_launcher_give_up(interrupted):
    """When the server is gone, without a launcher that ends them."""
    before = set(interrupted.glob("checkpoint/*-step-*"))
    processes = start_by_another_launcher(*begin_or_resume(interrupted), "--dist-timeout", 2)
    try:
        workers = [process for name, process in processes.items() if name.startswith("worker")]
        wait_for_checkpoint(workers[0], interrupted, before)
        processes["server"].kill()
        for worker in workers:
            _, error = worker.communicate(timeout=60)
            assert worker.returncode == 1
            assert "no step was finished for 2 s (dist_timeout), so a worker or a server is gone" in error
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()


def test_interrupted_job_ends_in_the_same_bits(interrupted, steady):
    """Whatever the tests before did to it."""
    assert run_job(*begin_or_resume(interrupted))[0] == 0
    assert result_of(interrupted) == result_of(steady)


def test_workers_that_update_whenever_they_can(tmp_path):
    """Each by itself. And their threads are not measured."""
    run = [*LENET[:-1], "--batch-size", "32", "--lr", "0.02", "--threads", "auto"]  # with 0.1 the loss goes up and down
    job = start_job("--epochs", 1, "--out", tmp_path / "run", train=run, kvstore="dist_async")
    out, error = job.communicate(timeout=120)
    assert (job.returncode, error) == (0, "")
    assert out.count(" a worker, not measured, since workers may share a machine") == 1
    assert json.loads((tmp_path / "run" / "config.json").read_text())["settings"]["measured_threads"] is None
    assert run_job("--epochs", 2, "--out", tmp_path / "run", "--resume", kvstore="dist_async")[0] == 0
    history = history_of(tmp_path / "run")
    assert [result.epoch for result in history] == [1, 2]
    assert history[1].train_loss < history[0].train_loss


def test_what_the_first_worker_refuses_ends_the_job(tmp_path):
    train(tmp_path / "run", **{**SMALL, "test_size": 99})
    code, error = run_job("--out", tmp_path / "run", "--resume")
    assert code == 1
    assert f"{tmp_path / 'run'} was begun with 1 worker, not 2" in error


def test_kvstore_needs_a_job_or_a_job_it(fails, tmp_path, monkeypatch):
    assert "start it with gluon-cnn launch" in fails(*LENET, "--kvstore", "dist_sync", "--out", tmp_path)
    monkeypatch.setenv("DMLC_ROLE", "worker")
    assert "use dist_sync (--kvstore)" in fails(*LENET, "--out", tmp_path)
    assert "DMLC_PS_ROOT_URI, " in fails(*LENET, "--kvstore", "dist_sync", "--out", tmp_path)
    assert "dist_timeout is -1.0" in fails(*LENET, "--dist-timeout", "-1", "--out", tmp_path)


@pytest.mark.parametrize("kvstore", ["local", "device"])
def test_kvstore_of_one_process_changes_nothing(tmp_path, lenet_run, kvstore):
    train(tmp_path / "run", "lenet", {"kvstore": kvstore}, **{**SMALL, "epochs": 2})
    assert RunDirectory.open(tmp_path / "run").settings.kvstore == kvstore
    assert result_of(tmp_path / "run") == result_of(lenet_run)


def test_noise_of_sgld_is_refused_on_several_workers():
    with pytest.raises(GluonCNNError, match="sgld, which adds noise of its own on each worker: use one worker"):
        get_recipe("lenet", optimizer="sgld", workers=2)


@pytest.mark.parametrize("role", [None, "worker", "server"])
def test_build_without_parameter_servers_says_so(monkeypatch, role):
    """As MXNet's wheels for macOS and for Linux on Arm."""
    monkeypatch.setattr("mxnet.runtime.Features.is_enabled", lambda features, name: name != "DIST_KVSTORE")
    if role:
        monkeypatch.setenv("DMLC_ROLE", role)
    with pytest.raises(GluonCNNError, match="'dist_sync', but this build of MXNet has no parameter server"):
        Job("dist_sync")

"""A run's directory: what it holds, who may begin in it, and what a killed process leaves there."""

import csv
import json
import os
import shutil

import mxnet as mx
import pytest
from runs import SMALL, SMALL_RUN, command, result_of, resume, run_process, train

from gluon_cnn import GluonCNNError, get_recipe
from gluon_cnn.data import FASHION_MNIST
from gluon_cnn.errors import RunError
from gluon_cnn.training import train_run as module
from gluon_cnn.training.directory import RunDirectory

ENDED = 2**22 + 1  # no process has this number on Linux


def config_of(directory):
    return json.loads((directory / "config.json").read_text())


def test_directory_of_a_finished_run(lenet_run):
    config = config_of(lenet_run)
    assert config["recipe"]["model"] == "lenet"
    assert (config["recipe"]["seed"], config["recipe"]["epochs"]) == (0, 2)
    assert config["versions"]["mxnet"] == mx.__version__
    assert config["machine"]["cores"] >= 1
    assert config["command"].startswith("gluon-cnn train lenet --data sample")
    with open(lenet_run / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert "epoch 2, loss" in (lenet_run / "train.log").read_text()
    assert (lenet_run / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in (lenet_run / "checkpoint").iterdir()) == ["epoch-001", "epoch-002"]
    assert not list(lenet_run.rglob(".*"))


def test_opened_run_says_what_was_trained(lenet_run):
    run = RunDirectory.open(lenet_run)
    assert run.recipe == get_recipe("lenet", **{**SMALL, "epochs": 2, "release": "second"})
    assert (run.dataset.classes, run.dataset.side) == (FASHION_MNIST.classes, 28)
    assert run.book.published_as == "lenet"
    assert "2 epochs instead of 5" in run.reasons_not_compared
    assert (run.begun, run.epochs_done) == (True, 2)


def test_config_keeps_first_command_and_each_resume(tmp_path):
    command("train", "lenet", *SMALL_RUN, "--out", tmp_path / "run", "--quiet")
    first = config_of(tmp_path / "run")
    resume(tmp_path / "run", epochs=2)
    config = config_of(tmp_path / "run")
    assert (config["started"], config["command"]) == (first["started"], first["command"])
    assert [set(process) for process in config["resumed"]] == [{"command", "started", "versions", "machine"}]
    assert config["resumed"][0]["command"] == f"gluon_cnn.load_run({str(tmp_path / 'run')!r}).resume()"
    assert (first["recipe"]["epochs"], config["recipe"]["epochs"]) == (1, 2)


def test_one_process_a_run(lenet_run):
    reason = f"is in use by process {os.getpid()}: wait for it or end it"
    with RunDirectory.open(lenet_run).locked(), pytest.raises(RunError, match=reason):
        resume(lenet_run)


def test_run_that_appears_meanwhile_is_not_taken(lenet_run, tmp_path, monkeypatch):
    """Two processes begin in one directory: the second sees the first one's run once it holds the lock."""

    def load(*arguments, **options):
        shutil.copytree(lenet_run, tmp_path / "run")
        return load_data(*arguments, **options)

    load_data = module.load_data
    monkeypatch.setattr(module, "load_data", load)
    with pytest.raises(RunError, match="holds another run: resume it, or choose another directory"):
        train(tmp_path / "run", **SMALL, seed=5)
    assert result_of(tmp_path / "run") == result_of(lenet_run)


def test_process_killed_early_leaves_an_empty_directory(tmp_path):
    (tmp_path / "run.lock").write_text("1\n")
    (tmp_path / f".gluon-cnn-{ENDED}-1-config.json").write_text("{")
    train(tmp_path, **SMALL)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", [".notes.999999999.tmp.txt", ".config.json.999999999.tmp.json", ".gluon-cnn-notes"])
def test_files_of_others_are_no_leftovers(lenet_run, tmp_path, name):
    (tmp_path / name).write_text("precious")
    with pytest.raises(RunError, match="is not empty and holds no run: choose another directory"):
        train(tmp_path, **SMALL)
    assert (tmp_path / name).read_text() == "precious"
    shutil.copytree(lenet_run, tmp_path / "run")
    (tmp_path / name).rename(tmp_path / "run" / name)
    with RunDirectory.open(tmp_path / "run").locked():
        assert (tmp_path / "run" / name).read_text() == "precious"


def test_refused_directory_loses_nothing(tmp_path):
    for name in ("notes", f".gluon-cnn-{ENDED}-1-config.json"):
        (tmp_path / name).write_text("precious")
    with pytest.raises(RunError, match="is not empty and holds no run"):
        train(tmp_path, **SMALL)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious", "precious"]


LINKS = {"symbolic": os.symlink, "hard": os.link}


@pytest.mark.parametrize("name", ["run.lock", "train.log"])
@pytest.mark.parametrize("kind", [*LINKS, "dangling", "FIFO"])
def test_lock_or_log_elsewhere_is_not_written(lenet_run, tmp_path, name, kind):
    run, outside = shutil.copytree(lenet_run, tmp_path / "run"), tmp_path / "outside"
    (run / name).unlink()
    if kind in LINKS:
        outside.write_text("1\n")
        LINKS[kind](outside, run / name)
    elif kind == "dangling":
        (run / name).symlink_to(outside)
    else:
        os.mkfifo(run / name)
    before = (run / "config.json").read_bytes()
    reason = f"{name} is a link or not a regular file: move it away, or choose another directory"
    with pytest.raises(RunError, match=reason):
        resume(run, epochs=3)
    assert outside.read_text() == "1\n" if kind in LINKS else not outside.exists()
    assert (run / "config.json").read_bytes() == before


@pytest.mark.parametrize("content", [b"precious\n", b"1\n2\n", b"\x89PNG\r\n"])
def test_lock_of_another_program_is_not_written(tmp_path, content):
    (tmp_path / "run.lock").write_bytes(content)
    with pytest.raises(RunError, match=r"run\.lock is not the lock of a run: move it away"):
        train(tmp_path, **SMALL)
    assert (tmp_path / "run.lock").read_bytes() == content


#: Resumes a run while no file can grow beyond a size, as on a disk that is full.
FULL_FOR_THE_LOG = """
import resource, sys
from gluon_cnn.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(sys.argv[2:]))
"""


def test_log_that_cannot_be_written_fails_no_run(lenet_run, tmp_path):
    run = shutil.copytree(lenet_run, tmp_path / "run")
    (run / "train.log").write_bytes(b"\n" * 1_000_000)
    again = ["train", "lenet", "--epochs", "3", "--resume", "--out", run]
    done = run_process(FULL_FOR_THE_LOG, 999_990, *again)
    assert (done.code, RunDirectory.open(run).epochs_done) == (0, 3)
    assert "Traceback" not in done.error
    assert done.out.count("train.log cannot be written (File too large): the run continues without it\n") == 1
    assert (run / "train.log").stat().st_size == 1_000_000


def test_what_was_left_half_removed_is_removed(lenet_run, tmp_path):
    run = shutil.copytree(lenet_run, tmp_path / "run")
    (run / "checkpoint" / "epoch-001").rename(run / "checkpoint" / ".epoch-001.tmp")
    (run / f".gluon-cnn-{ENDED}-1-history.csv").write_text("epoch")
    resume(run)
    assert [path.name for path in (run / "checkpoint").iterdir()] == ["epoch-002"]
    assert not list(run.glob(".*"))


def test_directory_without_a_run_names_one_inside(lenet_run, tmp_path):
    with pytest.raises(RunError, match=f"name a run's directory, such as {lenet_run}"):
        RunDirectory.open(lenet_run.parent)
    with pytest.raises(RunError, match=r"holds no run, because it has no config\.json: name a run's directory\.$"):
        RunDirectory.open(tmp_path)


@pytest.mark.parametrize("name", ["recipe", "settings", "book", "dataset"])
def test_settings_of_an_older_version(lenet_run, tmp_path, name):
    config = config_of(lenet_run)
    del config[name]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(GluonCNNError, match=rf"config\.json .*missing required field `{name}`"):
        RunDirectory.open(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config["recipe"].update(epochs=0),
        lambda config: config["recipe"].update(colour="red"),
        lambda config: config["settings"].update(colour="red"),
        lambda config: config["dataset"].update(classes=None),
        lambda config: config.update(machine=None),
        lambda config: config.update(command=None),
    ],
)
def test_settings_that_cannot_be_read(lenet_run, tmp_path, change):
    config = config_of(lenet_run)
    change(config)
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(GluonCNNError, match=r"cannot be read as a run's settings .*: restore it or start a new run"):
        RunDirectory.open(tmp_path)

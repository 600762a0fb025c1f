"""Runs on record files: the same bits as on the folder that they were made of, whatever comes between."""

import json
import time

import pytest
from folder_runs import check_two_workers
from record_files import make_records, write_plain
from runs import MAIN, command, history_of, interrupted_after, result_of, resume, start, train

from gluon_cnn import load_run
from gluon_cnn.errors import RunError, RunStopped

CHANGES = {"side": 28, "epochs": 2, "batch_size": 8, "init": "own", "lr": 0.05, "augment": "crop,mirror"}
FLAGS = ["--epochs", 2, "--batch-size", 8, "--lr", 0.05, "--set", "augment=crop,mirror", "--quiet"]


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """A record file, made of the folder ``pictures`` beside it; not to be changed."""
    return make_records(tmp_path_factory.mktemp("records") / "animals.rec", train=16, test=6)


@pytest.fixture(scope="module")
def folder_run(records, tmp_path_factory):
    """A finished run on the folder, whose pictures are in memory."""
    out = tmp_path_factory.mktemp("records") / "run"
    train(out, data="folder", settings={"data_dir": str(records.parent / "pictures")}, **CHANGES)
    return out


def test_interrupted_run_ends_in_the_folders_bits(records, folder_run, tmp_path):
    ahead = {"data_dir": str(records), "data_memory": 0.0}
    with interrupted_after(9), pytest.raises(RunStopped):
        train(tmp_path / "run", data="records", settings=ahead, **CHANGES)
    assert "read ahead" in load_run(tmp_path / "run").log_path.read_text()
    resume(tmp_path / "run")
    assert result_of(tmp_path / "run") == result_of(folder_run)


def test_killed_run_ends_in_the_folders_bits(records, folder_run, tmp_path):
    out = tmp_path / "run"
    process = start(MAIN, "train", "lenet", "--data", records, *FLAGS, "--checkpoint-every", 1, "--out", out)
    while process.is_alive() and not list(out.glob("checkpoint/epoch-001-step-*")):
        time.sleep(0.01)
    process.kill()
    process.join()
    assert len(history_of(out)) == 1
    command("train", "lenet", "--data", records, *FLAGS, "--data-memory", 0, "--out", out, "--resume")
    assert result_of(out) == result_of(folder_run)


def test_two_workers_compute_what_one_process_does(records, tmp_path):
    check_two_workers(records, tmp_path)


def test_resume_names_the_file_that_changed(tmp_path):
    path = write_plain(tmp_path / "all.rec", [0, 1] * 20)
    settings = {"data_dir": str(path)}
    with interrupted_after(2), pytest.raises(RunStopped):
        train(tmp_path / "run", data="records", settings=settings, **CHANGES)
    write_plain(path, [0, 1] * 21)
    with pytest.raises(RunError, match=r"\(changed: all\.rec\)"):
        resume(tmp_path / "run")


def test_classes_are_in_the_run(records, folder_run):
    classes = json.loads(records.with_name("animals.rec.json").read_text())["classes"]
    assert json.loads((folder_run / "config.json").read_text())["dataset"]["classes"] == classes

"""Runs whose images are cut out, augmented in every way and normalised: the same bits in every way to train them."""

import numpy as np
import pytest
from jobs import run_job
from pictures import make_folder
from runs import command, history_of, interrupted_after, parameters_of, result_of, resume

from gluon_cnn import get_recipe, load_run
from gluon_cnn.errors import RunStopped
from gluon_cnn.training.run import Run
from gluon_cnn.training.settings import Settings
from gluon_cnn.training.train_run import train_run

CHANGES = {
    "side": 28,
    "short_side": 32,
    "epochs": 2,
    "lr": 0.05,
    "augment": "resized_crop,mirror,light,jitter,pca",
    "normalize": "measured",
}


def train(out, folder, memory):
    recipe = get_recipe("lenet", data="folder", data_dir=folder, batch_size=8, **CHANGES)
    run = Run(out, recipe, Settings(data_dir=folder, data_memory=memory))
    train_run(run, command="", quiet=True)
    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("own") / "colours", 12, ("train", "test"))


@pytest.fixture(scope="module")
def finished(folder, tmp_path_factory):
    """A run that held its images in memory; not to be changed."""
    return train(tmp_path_factory.mktemp("own") / "run", folder, 1.0).directory


@pytest.mark.parametrize("memory", [1e-6, 1.0], ids=["read ahead", "in memory"])
def test_interrupted_run_ends_in_the_same_bits(folder, finished, tmp_path, memory):
    with interrupted_after(7), pytest.raises(RunStopped):
        train(tmp_path / "run", folder, memory)
    resume(tmp_path / "run")
    assert ("read ahead" in load_run(tmp_path / "run").log_path.read_text()) == (memory < 1)
    assert result_of(tmp_path / "run") == result_of(finished)
    assert load_run(tmp_path / "run").dataset == load_run(finished).dataset


def test_two_workers_compute_what_one_process_does(folder, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    settings = [f"{name}={value}" for name, value in CHANGES.items()]
    words = [
        "train",
        "lenet",
        "--data",
        str(folder),
        *(word for text in settings for word in ("--set", text)),
        "--quiet",
    ]
    command(*words, "--batch-size", 8, "--out", one)
    code, error = run_job("--batch-size", 4, "--out", two, train=words)
    assert (code, error) == (0, "")
    ours, theirs = parameters_of(one), parameters_of(two)
    assert all(np.allclose(ours[name].asnumpy(), theirs[name].asnumpy(), atol=1e-5) for name in ours)
    assert [result.test_acc for result in history_of(one)] == [result.test_acc for result in history_of(two)]

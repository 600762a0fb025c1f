"""Runs that begin from a network's weights are exact: resumed, begun again, and on two workers."""

import shutil

import pytest
from jobs import LENET, largest_difference, run_job
from runs import (
    SMALL,
    command,
    equal_parameters,
    fine_tune,
    interrupted_after,
    parameters_file,
    parameters_of,
    result_of,
    resume,
    train,
)

from gluon_cnn import get_model
from gluon_cnn.errors import ModelError, RunError, RunStopped
from gluon_cnn.interop.torch import to_torch
from gluon_cnn.interop.weights import open_any_weights


@pytest.mark.parametrize("devices", ["cpu", "cpu:0,1"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_resumed_to_the_same_bits(tmp_path, lenet_run, optimizer, devices):
    weights = tmp_path / "net.params"
    shutil.copy(parameters_file(lenet_run), weights)
    changes = {"optimizer": optimizer, "lr": 0.01, "epochs": 2, "taken_lr": 0.1, "freeze": "0", "num_classes": 11}
    fine_tune(tmp_path / "whole", weights, settings={"ctx": devices}, **changes)
    with interrupted_after(6), pytest.raises(RunStopped):
        fine_tune(tmp_path / "parts", weights, settings={"ctx": devices}, **changes)
    weights.unlink()  # they are in the checkpoint
    resume(tmp_path / "parts")
    assert result_of(tmp_path / "parts") == result_of(tmp_path / "whole")


@pytest.fixture
def unsaved(tmp_path, lenet_run):
    """A run that was killed before its first checkpoint, beside one that was not, and the file of its weights."""
    weights = tmp_path / "net.params"
    shutil.copy(parameters_file(lenet_run), weights)
    fine_tune(tmp_path / "whole", weights, taken_lr=0.5)
    shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    shutil.rmtree(tmp_path / "killed" / "checkpoint")
    (tmp_path / "killed" / "history.csv").unlink()
    return tmp_path / "killed", weights


def test_weights_are_read_again_before_a_checkpoint(tmp_path, unsaved):
    killed, _ = unsaved
    resume(killed)
    assert result_of(killed) == result_of(tmp_path / "whole")


def test_weights_of_pytorch_are_read_again(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(to_torch(get_model("lenet", pretrained=True)), tmp_path / "net.pt")
    fine_tune(tmp_path / "run", tmp_path / "net.pt", edition="en")
    whole = result_of(tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoint")
    with pytest.raises(ModelError, match=r"net.pt holds no parameters of a network"):
        resume(tmp_path / "run")
    resume(tmp_path / "run", open_weights=open_any_weights)
    assert result_of(tmp_path / "run") == whole


def test_changed_weights_are_refused_before_a_checkpoint(tmp_path, unsaved):
    killed, weights = unsaved
    train(tmp_path / "other", **{**SMALL, "lr": 0.1})
    shutil.copy(parameters_file(tmp_path / "other"), weights)
    with pytest.raises(
        RunError, match=rf"net.params has other weights than those that {killed} was begun for"
    ) as error:
        resume(killed)
    assert error.value.settings == ("weights_from", "out")
    weights.unlink()
    with pytest.raises(ModelError, match=r"There is no file .*net.params"):
        resume(killed)


def test_two_workers_compute_what_one_process_does(tmp_path, lenet_run):
    words = [
        "--from",
        lenet_run,
        "--freeze",
        "0",
        *(f"--set={x}" for x in ("train_size=640", "taken_lr=0.3", "num_classes=11")),
    ]
    assert run_job(*words, "--epochs", 2, "--batch-size", 32, "--out", tmp_path / "two") == (0, "")
    command(*LENET, *words, "--epochs", 2, "--batch-size", 64, "--threads", 1, "--out", tmp_path / "one")
    assert largest_difference(tmp_path / "one", tmp_path / "two") < 1e-5
    for name in ("one", "two"):
        same = equal_parameters(parameters_of(tmp_path / name), parameters_of(lenet_run))
        assert same == ["0.weight", "0.bias"]

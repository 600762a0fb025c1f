"""A run in somebody's own code: its trained network, its history and recipe, its evaluation, and how it is resumed."""

import dataclasses
import shutil

import mxnet as mx
import numpy as np
import pytest
from runs import SMALL, interrupted_after, result_of, train

import gluon_cnn
from gluon_cnn import get_recipe, load_run
from gluon_cnn.errors import CheckpointError, DeviceError, RunError, RunStopped, SettingError
from gluon_cnn.models.parameter_file import read_parameters
from gluon_cnn.models.parameters import named_parameters
from gluon_cnn.training import run as run_module
from gluon_cnn.training.settings import Settings

RECIPE = {**SMALL, "release": "second", "epochs": 3, "lr": 0.7, "optimizer": "nag", "momentum": 0.9}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The directory of a finished run; not to be changed."""
    return train(tmp_path_factory.mktemp("runs") / "finished", **RECIPE).directory


@pytest.fixture
def copy(finished, tmp_path):
    """The same, to be changed."""
    return load_run(shutil.copytree(finished, tmp_path / "run"))


def test_loaded_run_knows_recipe_history_and_settings(finished):
    run = gluon_cnn.load_run(str(finished))
    assert run.recipe == get_recipe("lenet", **RECIPE)
    assert [result.epoch for result in run.history] == [1, 2, 3]
    assert run.settings == Settings()
    assert len(run.dataset.classes) == 10
    assert run.state().epoch == 3


def test_network_is_the_trained_one_on_devices(finished, images):
    run = load_run(finished)
    saved = read_parameters(run.checkpoint() / "net.params")
    logits = run.network()(images).asnumpy()
    assert logits.shape == (64, 10)
    for ctx in ("cpu:0,1", [mx.cpu(0), mx.cpu(1)]):
        net = run.network(ctx)
        for name, parameter in named_parameters(net).items():
            assert parameter.list_ctx() == [mx.cpu(0), mx.cpu(1)]
            np.testing.assert_array_equal(parameter.list_data()[1].asnumpy(), saved[name])
        np.testing.assert_array_equal(net(images).asnumpy(), logits)
    assert run.network(mx.cpu(1))[0].weight.list_ctx() == [mx.cpu(1)]


@pytest.mark.parametrize("ctx", [None, "cpu", "cpu:0,1"])
def test_evaluation_is_the_test_pass_of_its_epoch(finished, ctx):
    run = load_run(finished)
    accuracies = [result.test_acc for result in run.history]
    last, best = run.evaluate(ctx), run.evaluate(ctx, "best")
    assert last == (pytest.approx(accuracies[-1], abs=1e-6), 128)
    assert best.accuracy == pytest.approx(max(accuracies), abs=1e-6)


def test_best_checkpoint_has_the_highest_test_accuracy(copy):
    history = copy.state().history
    best = max(range(3), key=lambda number: history[number].test_acc)
    assert copy.checkpoint("best").name == f"epoch-00{best + 1}"
    assert copy.state("best").epoch == best + 1


def test_checkpoints_that_are_not_there(copy):
    with pytest.raises(SettingError, match="is 'first'; it must be one of last, best"):
        copy.network(which="first")
    (copy.checkpoint() / "net.params").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"is damaged: net\.params is not as it was"):
        copy.evaluate()
    shutil.rmtree(copy.checkpoints)
    with pytest.raises(RunError, match="has no checkpoint yet: resume its training") as error:
        copy.network()
    assert error.value.settings == ("resume",)


def test_checkpoint_that_a_training_removes_meanwhile(copy, monkeypatch):
    load = run_module.load_network

    def remove_and_load(checkpoint, *arguments):
        if checkpoint.name == "epoch-003":
            shutil.rmtree(checkpoint)
        return load(checkpoint, *arguments)

    monkeypatch.setattr(run_module, "load_network", remove_and_load)
    copy.network()
    assert copy.checkpoint().name == "epoch-002"


def test_directory_without_a_run(tmp_path):
    with pytest.raises(RunError, match="holds no run"):
        load_run(tmp_path / "none")


def test_stopped_run_is_resumed_to_the_same_bits(finished, tmp_path):
    with pytest.raises(RunStopped), interrupted_after(6):
        train(tmp_path / "run", **RECIPE)
    run = load_run(tmp_path / "run")
    assert (run.epochs_done, run.state().step) == (1, 2)
    history = run.resume(quiet=True)
    assert [dataclasses.replace(r, seconds=0, examples_per_sec=0) for r in history] == [
        dataclasses.replace(r, seconds=0, examples_per_sec=0) for r in load_run(finished).state().history
    ]
    assert result_of(tmp_path / "run") == result_of(finished)


def test_epochs_may_grow_and_devices_change(copy):
    assert len(copy.resume(epochs=4, ctx="cpu:0,1", quiet=True)) == 4
    again = load_run(copy.directory)
    assert (again.recipe.epochs, again.settings.ctx, again.epochs_done) == (4, "cpu:0,1", 4)


@pytest.mark.parametrize(
    ("ctx", "kept"), [(mx.cpu(), "cpu:0"), ([mx.cpu(0), mx.cpu(1)], "cpu:0,1"), (None, "auto"), ("cpu", "cpu")]
)
def test_resume_takes_devices_as_network_does(copy, ctx, kept):
    assert len(copy.resume(ctx=ctx, quiet=True)) == 3
    assert load_run(copy.directory).settings.ctx == kept


@pytest.mark.parametrize("ctx", [3, [], [3], [mx.cpu(), mx.cpu_pinned()], {}, mx.cpu_pinned(), "tpu", ""])
def test_what_is_no_device_is_refused(copy, ctx):
    for use in (copy.resume, copy.network, copy.evaluate):
        with pytest.raises(DeviceError) as error:
            use(ctx=ctx)
        assert error.value.settings == ("ctx",)


def test_settings_of_another_recipe_are_noticed(copy):
    path = copy.directory / "config.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 7'))
    run = load_run(copy.directory)
    for use in (run.network, run.evaluate, run.resume):
        with pytest.raises(CheckpointError, match=r"is of another recipe, with seed 0, where config\.json has 7"):
            use()
    assert len(list(copy.checkpoints.iterdir())) == 2


def test_resume_of_a_finished_run_trains_nothing(copy, finished):
    assert len(copy.resume(quiet=True)) == 3
    assert result_of(copy.directory) == result_of(finished)


def test_fewer_epochs_are_refused(copy):
    with pytest.raises(RunError, match="was begun for 3 epochs, and cannot be resumed for 2") as error:
        copy.resume(epochs=2)
    assert error.value.settings == ("epochs",)
    with pytest.raises(SettingError, match=r"epochs is 2\.5"):
        copy.resume(epochs=2.5)


@pytest.mark.parametrize(
    "wanted",
    [
        {"lr": 0.5},
        {"seed": 5},
        {"model": "nin"},
        {"edition": "en"},
        {"batch_size": 32},
        {"side": 32},
        {"momentum": 0.0},
        {"init": "own"},
        {"augment": True},
        {"train_size": None},
        {"workers": 2},
        {"options": {"num_classes": 11}},
    ],
)
def test_what_changes_the_result_is_refused(copy, wanted):
    (name,) = wanted
    with pytest.raises(RunError, match=r"was begun with .*, not ") as error:
        copy.prepare_resume(wanted, copy.settings)
    assert (error.value.settings[0], error.value.settings[-1]) == (name, "out")
    assert copy.recipe == get_recipe("lenet", **RECIPE)


def test_settings_may_change_as_they_are_asked(copy):
    copy.prepare_resume({"lr": 0.7, "epochs": 5}, Settings(hybrid=False, checkpoint_every=1))
    assert copy.recipe.epochs == 5
    assert (copy.settings.hybrid, copy.settings.checkpoint_every) == (False, 1)


@pytest.mark.parametrize(("before", "now"), [("device", "dist_async"), ("dist_async", "dist_sync")])
def test_asynchronous_runs_stay_so(copy, before, now):
    copy.settings.kvstore = before
    with pytest.raises(RunError, match=f"was begun with kvstore {before}: resume it with"):
        copy.prepare_resume({}, Settings(kvstore=now))


def test_run_of_another_process_kind_says_so(copy):
    """A run of several workers cannot be resumed by one process."""
    copy.settings.kvstore = "dist_sync"
    with pytest.raises(SettingError, match="this process is not a worker of a job"):
        copy.resume()

"""Learning rates that change: GluonCV's values at every step, wherever a run was stopped and whoever works at it."""

import signal
import subprocess
import time

import mxnet as mx
import numpy as np
import pytest
from jobs import ENVIRONMENT, LAUNCH
from mxnet import gluon
from runs import MAIN, SMALL, flags, history_of, interrupted_after, result_of, resume, start, train

from gluon_cnn import GluonCNNError, get_recipe, load_run
from gluon_cnn.errors import RunStopped, SettingError
from gluon_cnn.models.zoo import import_gluoncv
from gluon_cnn.recipe import PATIENCE
from gluon_cnn.training import schedule as schedule_module
from gluon_cnn.training.history import EpochResult
from gluon_cnn.training.recipes import book_recipe
from gluon_cnn.training.schedule import learning_rates
from gluon_cnn.training.setup import load_data, set_up

EPOCHS, STEPS, LR = 4, 6, 0.4
#: Batch normalisation, dropout, momentum, a warmup and a schedule.
ZOO = "gluoncv:mobilenetv3_small"
ZOO_RECIPE = {
    "data": "sample", "train_size": 64, "test_size": 32, "batch_size": 16, "side": 32, "epochs": 2, "momentum": 0.9,
    "lr_schedule": "cosine", "warmup_epochs": 1,
}  # fmt: skip


def gluoncvs(schedule, warmup):
    """What GluonCV's own scripts use, in epochs."""
    utils = import_gluoncv().utils
    lengths = {"iters_per_epoch": STEPS}
    decays = {"step_epoch": [epoch - warmup for epoch in (2, 3)], "step_factor": 0.1}
    parts = [utils.LRScheduler("linear", base_lr=0, target_lr=LR, nepochs=warmup, **lengths)] if warmup else []
    parts.append(utils.LRScheduler(schedule, base_lr=LR, target_lr=0, nepochs=EPOCHS - warmup, **lengths, **decays))
    rates = utils.LRSequential(parts)
    return [rates(step) for step in range(1, EPOCHS * STEPS + 1)]


def rates_of(recipe):
    """The learning rate of each step of a whole run."""
    rates = learning_rates(recipe, STEPS)
    return [rates(step) for step in range(1, EPOCHS * STEPS + 1)]


@pytest.mark.parametrize("warmup", [0, 1])
@pytest.mark.parametrize("schedule", ["step", "cosine", "poly"])
def test_every_steps_learning_rate_is_gluoncvs(schedule, warmup):
    changes = {"epochs": EPOCHS, "lr": LR, "lr_schedule": schedule, "warmup_epochs": warmup}
    rates = rates_of(get_recipe("lenet", **changes))
    assert rates == pytest.approx(gluoncvs(schedule, warmup), rel=1e-12)
    if warmup:
        np.testing.assert_allclose(rates[:STEPS], LR * np.minimum(np.arange(1, STEPS + 1) / (STEPS - 1), 1), rtol=1e-6)
    if schedule == "step":
        thirds = [rates[0 if not warmup else STEPS], rates[2 * STEPS], rates[-1]]
        np.testing.assert_allclose(thirds, [LR, LR / 10, LR / 100], rtol=1e-6)


def test_without_a_schedule_the_rate_stays():
    assert learning_rates(get_recipe("lenet"), STEPS) is None


def test_warmup_ends_at_the_rate_that_stays():
    rates = rates_of(get_recipe("lenet", epochs=EPOCHS, lr=LR, warmup_epochs=2))
    assert np.diff(rates[: 2 * STEPS - 1]) == pytest.approx(LR / (2 * STEPS - 1), rel=1e-5)
    assert rates[2 * STEPS :] == pytest.approx([LR] * (EPOCHS - 2) * STEPS, rel=1e-6)


def history(*accuracies):
    """Of epochs with these test accuracies."""
    return [EpochResult(number, 1.0, 0.5, accuracy, 1.0, 1.0) for number, accuracy in enumerate(accuracies, 1)]


@pytest.mark.parametrize(
    ("accuracies", "drops"),
    [
        ([], 0),
        ([0.5] * PATIENCE, 0),
        ([0.5] * (PATIENCE + 1), 1),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], 0),
        ([0.0] * (PATIENCE + 1), 1),
        ([0.5] * PATIENCE + [0.6] + [0.6] * (PATIENCE - 1), 0),  # better in time
        ([0.5] + [0.4] * PATIENCE + [0.45] * (PATIENCE - 1), 1),  # a rise that does not reach the best one
        ([0.5] * (3 * PATIENCE + 1), 3),
        ([0.5] * (PATIENCE + 1) + [0.7] + [0.7] * PATIENCE, 2),
    ],
)
def test_plateau_takes_a_tenth_where_accuracy_stops_rising(accuracies, drops):
    for warmup in (0, 2):
        recipe = get_recipe("lenet", epochs=99, lr=LR, lr_schedule="plateau", warmup_epochs=warmup)
        rates = learning_rates(recipe, STEPS)
        before = history(*[0.9] * warmup, *accuracies)  # what the warmup reached does not count
        found = [rates(len(before) * STEPS + step, before) for step in (1, STEPS)]
        assert found == pytest.approx([LR * 0.1**drops] * 2, rel=1e-12)


@pytest.fixture
def applied(monkeypatch):
    """The learning rate of each training step that was taken."""
    step, rates = gluon.Trainer.step, []

    def noting(trainer, *args):
        step(trainer, *args)
        rates.append(trainer.learning_rate)

    monkeypatch.setattr(gluon.Trainer, "step", noting)
    return rates


@pytest.mark.parametrize("schedule", ["step", "cosine", "poly"])
def test_stops_and_devices_change_no_learning_rate(tmp_path, applied, schedule):
    recipe = {"data": "sample", "train_size": 384, "test_size": 64, "batch_size": 64, "epochs": EPOCHS, "lr": LR}
    scheduled, devices = {**recipe, "lr_schedule": schedule, "warmup_epochs": 1}, {"ctx": "cpu:0,1"}
    train(tmp_path / "whole", "lenet", devices, **scheduled)
    whole = applied.copy()
    assert whole == pytest.approx(gluoncvs(schedule, 1), rel=1e-12)
    applied.clear()
    with pytest.raises(RunStopped), interrupted_after(10):
        train(tmp_path / "parts", "lenet", devices, **scheduled)
    resume(tmp_path / "parts")
    assert applied == whole
    assert result_of(tmp_path / "parts") == result_of(tmp_path / "whole")
    train(tmp_path / "one", **scheduled)
    train(tmp_path / "constant", **recipe)
    losses = {name: [r.train_loss for r in history_of(tmp_path / name)] for name in ("whole", "one", "constant")}
    assert losses["one"] == pytest.approx(losses["whole"], abs=2e-5)
    assert losses["constant"] != pytest.approx(losses["whole"], abs=1e-3)


def test_plateau_follows_from_the_history_alone(tmp_path, applied, monkeypatch, caplog):
    """Stopped, resumed, and resumed for more epochs. At such a rate no answer changes."""
    monkeypatch.setattr(schedule_module, "PATIENCE", 2)
    changes = {"data": "sample", "train_size": 64, "test_size": 32, "batch_size": 32, "lr": 1e-9, "momentum": 0.9}
    changes["lr_schedule"] = "plateau"
    train(tmp_path / "whole", **changes, epochs=6)
    whole = applied.copy()
    assert whole == pytest.approx([1e-9] * 6 + [1e-10] * 4 + [1e-11] * 2, rel=1e-12)
    assert caplog.text.count("a tenth of the learning rate") == 2
    applied.clear()
    with pytest.raises(RunStopped), interrupted_after(7):
        train(tmp_path / "parts", **changes, epochs=4)
    resume(tmp_path / "parts")
    resume(tmp_path / "parts", epochs=6)
    assert applied == whole
    assert result_of(tmp_path / "parts") == result_of(tmp_path / "whole")


def test_zoos_network_is_killed_and_resumed(tmp_path):
    """To the same bits."""
    train(tmp_path / "whole", ZOO, **ZOO_RECIPE)
    out = tmp_path / "killed"
    process = start(MAIN, "train", ZOO, *flags(**ZOO_RECIPE), "--checkpoint-every", "1", "--quiet", "--out", out)
    while process.is_alive() and not list(out.glob("checkpoint/*-step-*")):
        time.sleep(0.005)
    process.kill()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    resume(out)
    assert result_of(out) == result_of(tmp_path / "whole")


def test_zoos_network_on_two_devices_is_resumed(tmp_path):
    """To the same bits. Each device has running statistics of its own, of which the first one's are saved."""
    train(tmp_path / "whole", ZOO, {"ctx": "cpu:0,1"}, **ZOO_RECIPE)
    with pytest.raises(RunStopped), interrupted_after(3):
        train(tmp_path / "parts", ZOO, {"ctx": "cpu:0,1"}, **ZOO_RECIPE)
    with pytest.raises(RunStopped), interrupted_after(2):
        resume(tmp_path / "parts")
    resume(tmp_path / "parts")
    assert result_of(tmp_path / "parts") == result_of(tmp_path / "whole")


def test_workers_test_the_running_statistics_they_save(tmp_path):
    """A job, and another one that resumes it."""
    run = ["train", "gluoncv:cifar_resnet20_v1", "--kvstore", "dist_sync", "--quiet", "--out", str(tmp_path / "run")]
    sizes = flags(data="sample", train_size=64, test_size=32, batch_size=16)
    for epochs, more in (("1", sizes), ("2", ["--resume"])):
        job = [*LAUNCH, "-n", "2", "-s", "1", "--", *run, "--epochs", epochs, *more]
        result = subprocess.run(job, env=ENVIRONMENT, capture_output=True, timeout=120)
        assert (result.returncode, result.stderr) == (0, b"")
        evaluated = load_run(tmp_path / "run").evaluate("cpu")
        assert evaluated.images == 32
        assert evaluated.accuracy == pytest.approx(history_of(tmp_path / "run")[-1].test_acc, abs=1e-6)


def test_schedule_is_said_and_not_the_books(tmp_path, caplog):
    changes = {**SMALL, "epochs": 2, "lr_schedule": "step", "warmup_epochs": 1}
    run = train(tmp_path / "run", **changes)
    assert "seed 0, lr_schedule step, 1 warmup epoch; in" in caplog.text
    assert (load_run(run.directory).recipe.lr_schedule, run.recipe.warmup_epochs) == ("step", 1)
    differences = book_recipe(run.recipe).differences
    assert (differences["lr_schedule"], differences["warmup_epochs"]) == (["step", None], [1, 0])


def test_epochs_grow_except_under_a_schedule(tmp_path):
    for name, epochs in (("whole", 3), ("parts", 2)):
        train(tmp_path / name, **{**SMALL, "epochs": epochs, "warmup_epochs": 1})
    resume(tmp_path / "parts", epochs=3)
    assert result_of(tmp_path / "parts") == result_of(tmp_path / "whole")
    train(tmp_path / "poly", **{**SMALL, "epochs": 2, "lr_schedule": "poly"})
    with pytest.raises(GluonCNNError, match="was begun with the schedule poly over 2 epochs, which more epochs would"):
        resume(tmp_path / "poly", epochs=3)
    run = load_run(tmp_path / "poly")
    with pytest.raises(GluonCNNError, match="lr_schedule"):
        run.prepare_resume({"lr_schedule": "step"}, run.settings)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr_schedule": "sometimes"}, "lr_schedule is 'sometimes'; it must be one of step, cosine, poly, plateau"),
        ({"warmup_epochs": -1}, "warmup_epochs is -1"),
        ({"warmup_epochs": 5}, "warmup_epochs is 5; it must be less than the epochs of the run, 5"),
        ({"warmup_epochs": 0.5}, r"warmup_epochs is 0\.5"),
    ],
)
def test_schedules_that_are_refused(changes, message):
    with pytest.raises(GluonCNNError, match=message):
        get_recipe("lenet", **changes)


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"epochs": 1, "lr_schedule": "cosine"}, "lr_schedule"), ({"warmup_epochs": 1}, "warmup_epochs")],
)
def test_schedule_of_a_single_step_is_refused(tmp_path, changes, name):
    recipe = {"data": "sample", "train_size": 64, "batch_size": 64, **changes}
    with pytest.raises(SettingError, match=f"{name} has a single step in this run") as error:
        train(tmp_path / "run", **recipe)
    assert error.value.settings == (name, "epochs")
    assert not (tmp_path / "run").exists()


def test_servers_cannot_follow_a_schedule():
    recipe = get_recipe("lenet", data="sample", warmup_epochs=2)
    with pytest.raises(SettingError, match="leave them out, or use dist_sync") as error:
        set_up(recipe, [mx.cpu()], load_data(recipe, None, mx.cpu()), kvstore="dist_async")
    assert error.value.settings == ("lr_schedule", "kvstore")

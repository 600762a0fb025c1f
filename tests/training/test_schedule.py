"""Learning rates that change: GluonCV's values at every step, wherever a run was stopped and whoever works at it."""

import os
import signal
import subprocess
import time

import numpy as np
import pytest
from mxnet import gluon
from test_job import CLI, ENVIRONMENT, LAUNCH, LENET, largest_difference, run_job
from test_train import result_of, train

from gluon_cnn import GluonCNNError, get_recipe
from gluon_cnn.cli import main
from gluon_cnn.models.zoo import import_gluoncv
from gluon_cnn.training import Run, read_history

EPOCHS, STEPS, LR = 4, 6, 0.4
#: Batch normalisation, dropout, momentum, a warmup and a schedule.
ZOO_RUN = [
    "train", "gluoncv:mobilenetv3_small", "--data", "sample", "--train-size", "64", "--test-size", "32",
    "--batch-size", "16", "--resize", "32", "--epochs", "2", "--momentum", "0.9", "--lr-schedule", "cosine",
    "--warmup-epochs", "1", "--quiet",
]  # fmt: skip


def gluoncvs(schedule, warmup):
    """What GluonCV's own scripts use, in epochs."""
    utils = import_gluoncv().utils
    lengths = {"iters_per_epoch": STEPS}
    decays = {"step_epoch": [epoch - warmup for epoch in (2, 3)], "step_factor": 0.1}
    parts = [utils.LRScheduler("linear", base_lr=0, target_lr=LR, nepochs=warmup, **lengths)] if warmup else []
    parts.append(utils.LRScheduler(schedule, base_lr=LR, target_lr=0, nepochs=EPOCHS - warmup, **lengths, **decays))
    rates = utils.LRSequential(parts)
    return [rates(step) for step in range(1, EPOCHS * STEPS + 1)]


def applied(recipe):
    """The learning rate of each step of a whole run."""
    rates = recipe.learning_rates(STEPS)
    return [rates(step) for step in range(1, EPOCHS * STEPS + 1)]


@pytest.mark.parametrize("warmup", [0, 1])
@pytest.mark.parametrize("schedule", ["step", "cosine", "poly"])
def test_every_steps_learning_rate_is_gluoncvs(schedule, warmup):
    changes = {"epochs": EPOCHS, "lr": LR, "lr_schedule": schedule, "warmup_epochs": warmup}
    rates = applied(get_recipe("lenet", **changes))
    np.testing.assert_allclose(rates, gluoncvs(schedule, warmup), rtol=1e-6)
    if warmup:
        np.testing.assert_allclose(rates[:STEPS], LR * np.minimum(np.arange(1, STEPS + 1) / (STEPS - 1), 1), rtol=1e-6)
    if schedule == "step":
        thirds = [rates[0 if not warmup else STEPS], rates[2 * STEPS], rates[-1]]
        np.testing.assert_allclose(thirds, [LR, LR / 10, LR / 100], rtol=1e-6)


def test_a_warmup_alone_ends_at_the_learning_rate_and_stays_there():
    rates = applied(get_recipe("lenet", epochs=EPOCHS, lr=LR, warmup_epochs=2))
    assert np.diff(rates[: 2 * STEPS - 1]) == pytest.approx(LR / (2 * STEPS - 1), rel=1e-5)
    assert rates[2 * STEPS :] == pytest.approx([LR] * (EPOCHS - 2) * STEPS, rel=1e-6)


def rates_of(monkeypatch, stop_at, *arguments):
    """The learning rate of each step of a training, which is stopped after one of them or not."""
    step, rates = gluon.Trainer.step, []

    def noting(trainer, *args):
        step(trainer, *args)
        rates.append(trainer.learning_rate)
        if len(rates) == stop_at:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(gluon.Trainer, "step", noting)
        assert main(list(map(str, arguments))) == (130 if stop_at else 0)
    return rates


@pytest.mark.parametrize("schedule", ["step", "cosine", "poly"])
def test_the_learning_rate_does_not_depend_on_where_a_run_was_stopped_or_on_what(tmp_path, monkeypatch, schedule):
    sizes = ["--data", "sample", "--train-size", "384", "--test-size", "64", "--batch-size", "64", "--epochs", "4"]
    run = ["train", "lenet", *sizes, "--lr", LR, "--quiet"]
    scheduled = [*run, "--lr-schedule", schedule, "--warmup-epochs", "1"]
    whole = rates_of(monkeypatch, None, *scheduled, "--ctx", "cpu:0,1", "--out", tmp_path / "whole")
    assert whole == pytest.approx(gluoncvs(schedule, 1), rel=1e-12)
    first = rates_of(monkeypatch, 10, *scheduled, "--ctx", "cpu:0,1", "--out", tmp_path / "parts")
    second = rates_of(monkeypatch, None, "train", "lenet", "--quiet", "--out", tmp_path / "parts", "--resume")
    assert first + second == whole
    assert result_of(tmp_path / "parts") == result_of(tmp_path / "whole")
    train(*scheduled, "--out", tmp_path / "one")
    train(*run, "--out", tmp_path / "constant")
    losses = {name: [r.train_loss for r in read_history(tmp_path / name)] for name in ("whole", "one", "constant")}
    assert losses["one"] == pytest.approx(losses["whole"], abs=2e-5)
    assert losses["constant"] != pytest.approx(losses["whole"], abs=1e-3)


def test_a_zoos_network_that_is_killed_goes_on_to_the_same_bits(tmp_path):
    train(*ZOO_RUN, "--out", tmp_path / "whole")
    out = tmp_path / "killed"
    process = subprocess.Popen([*CLI, *ZOO_RUN, "--checkpoint-every", "1", "--out", str(out)])
    while process.poll() is None and not list(out.glob("checkpoint/*-step-*")):
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    train("train", ZOO_RUN[1], "--quiet", "--out", out, "--resume")
    assert result_of(out) == result_of(tmp_path / "whole")


def test_a_zoos_network_on_two_devices_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    """Each device has running statistics of its own, of which the first one's are saved."""
    run = [*ZOO_RUN, "--ctx", "cpu:0,1"]
    train(*run, "--out", tmp_path / "whole")
    for stop in (3, 2):
        rates_of(monkeypatch, stop, *run, "--out", tmp_path / "parts")
        run = ["train", ZOO_RUN[1], "--quiet", "--out", tmp_path / "parts", "--resume"]
    train(*run)
    assert result_of(tmp_path / "parts") == result_of(tmp_path / "whole")


def test_two_workers_take_the_steps_of_one_process_by_the_same_schedule(tmp_path):
    run = ["--train-size", "321", "--lr", "0.5", "--edition", "en", "--init", "seed", "--epochs", "2"]
    run += ["--lr-schedule", "poly", "--warmup-epochs", "1"]
    train(*LENET, *run, "--batch-size", "64", "--out", tmp_path / "one")
    assert run_job(*run, "--batch-size", "32", "--out", tmp_path / "two") == (0, "")
    assert largest_difference(tmp_path / "one", tmp_path / "two") < 1e-5


def test_workers_of_a_network_with_running_statistics_test_what_they_save(tmp_path, capsys):
    """A job, and another one that goes on with it."""
    run = ["--data", "sample", "--train-size", "64", "--test-size", "32", "--batch-size", "16", "--quiet"]
    command = [*LAUNCH, "-n", "2", "--", *CLI, "train", "gluoncv:cifar_resnet20_v1", "--kvstore", "dist_sync", *run]
    out = tmp_path / "run"
    for epochs, resume in (("1", []), ("2", ["--resume"])):
        job = [*command, "--epochs", epochs, "--out", str(out), *resume]
        result = subprocess.run(job, env=ENVIRONMENT, capture_output=True, check=False)
        assert (result.returncode, result.stderr) == (0, b"")
        assert main(["evaluate", str(out)]) == 0
        assert f"test accuracy {read_history(out)[-1].test_acc:.4f} on 32" in capsys.readouterr().out


def test_a_schedule_is_no_recipe_of_the_books_and_is_written_down(tmp_path, capsys):
    small = ["--data", "sample", "--train-size", "256", "--batch-size", "64", "--epochs", "2"]
    train("train", "lenet", *small, "--lr-schedule", "step", "--warmup-epochs", 1, "--out", tmp_path / "run")
    printed = capsys.readouterr().out
    assert "seed 0, schedule step, warmup 1 of 2 epochs; in" in printed
    assert "lr_schedule step, not None; warmup_epochs 1, not 0" in printed
    recipe = Run.open(tmp_path / "run").recipe
    assert (recipe.lr_schedule, recipe.warmup_epochs) == ("step", 1)


def test_epochs_grow_after_a_warmup_but_not_under_a_schedule(tmp_path, fails):
    small = ["--data", "sample", "--train-size", "256", "--test-size", "64", "--batch-size", "64", "--quiet"]
    for name, epochs in (("whole", 3), ("parts", 2)):
        train("train", "lenet", *small, "--warmup-epochs", 1, "--epochs", epochs, "--out", tmp_path / name)
    train("train", "lenet", "--epochs", 3, "--quiet", "--out", tmp_path / "parts", "--resume")
    assert result_of(tmp_path / "parts") == result_of(tmp_path / "whole")
    train("train", "lenet", *small, "--lr-schedule", "poly", "--epochs", 2, "--out", tmp_path / "poly")
    error = fails("train", "lenet", "--epochs", 3, "--out", tmp_path / "poly", "--resume")
    assert "was begun with the schedule poly over 2 epochs, which with more of them would have been another" in error
    assert "lr_schedule 'poly', not 'step'" in fails(
        "train", "lenet", "--lr-schedule", "step", "--out", tmp_path / "poly", "--resume"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr_schedule": "sometimes"}, "lr_schedule is 'sometimes'; it must be one of step, cosine, poly"),
        ({"warmup_epochs": -1}, "warmup_epochs is -1"),
        ({"warmup_epochs": 5}, "warmup_epochs is 5; it must be less than the 5 epochs of the run"),
        ({"warmup_epochs": 0.5}, "warmup_epochs is 0.5"),
    ],
)
def test_schedules_that_are_refused(changes, message):
    with pytest.raises(GluonCNNError, match=message):
        get_recipe("lenet", **changes)


def test_a_schedule_of_a_single_step_and_one_that_servers_would_count(fails, tmp_path):
    one = ["train", "lenet", "--data", "sample", "--train-size", "64", "--batch-size", "64", "--out", tmp_path / "run"]
    assert "The schedule cosine has a single step" in fails(*one, "--epochs", 1, "--lr-schedule", "cosine")
    assert "The warmup has a single step" in fails(*one, "--warmup-epochs", 1)
    assert not (tmp_path / "run").exists()
    job = [*LAUNCH, "-n", "1", "--", *CLI, *map(str, one), "--kvstore", "dist_async", "--warmup-epochs", "2"]
    result = subprocess.run(job, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "use --kvstore dist_sync" in result.stderr

"""Runs that are stopped and resumed to the same bits, and what a run says while it trains."""

import json
import os
import re
import shlex
import signal
import subprocess
import time

import pytest
from runs import (
    MAIN,
    RANDOM,
    SMALL,
    SMALL_NETWORK,
    command,
    flags,
    history_of,
    interrupted_after,
    measures_of,
    result_of,
    resume,
    start,
    train,
)

import gluon_cnn
from gluon_cnn.data import FASHION_MNIST
from gluon_cnn.errors import RunStopped, TrainingDiverged
from gluon_cnn.training import epochs as epochs_module
from gluon_cnn.training import train_run as module


def test_same_seed_same_bits_and_another_seed_others(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(tmp_path / name, **SMALL, seed=seed)
    a, b, c = (result_of(tmp_path / name) for name in "abc")
    assert a == b
    assert a[1] != c[1]


@pytest.mark.parametrize("ctx", ["cpu", "cpu:0,1"])
def test_epochs_may_grow_as_if_never_stopped(tmp_path, ctx):
    train(tmp_path / "whole", "nin", {"ctx": ctx}, **RANDOM)
    train(tmp_path / "parts", "nin", {"ctx": ctx}, **{**RANDOM, "epochs": 1})
    resume(tmp_path / "parts", epochs=2)
    assert result_of(tmp_path / "parts") == result_of(tmp_path / "whole")


@pytest.mark.parametrize(
    ("optimizer", "changes"), [("sgd", {"momentum": 0.9}), ("sgld", {}), ("nadam", {}), ("rmsprop", {})]
)
def test_every_optimizer_is_resumed_to_the_same_bits(tmp_path, optimizer, changes):
    recipe = {**SMALL, "optimizer": optimizer, "lr": 0.001, **changes}
    train(tmp_path / "whole", **{**recipe, "epochs": 2})
    train(tmp_path / "parts", **recipe)
    resume(tmp_path / "parts", epochs=2)
    assert result_of(tmp_path / "parts") == result_of(tmp_path / "whole")


@pytest.mark.parametrize(("model", "side"), [("googlenet", 32), ("resnet18", 32), ("densenet", 32), ("lenet_bn", 28)])
def test_running_statistics_are_resumed_to_the_same_bits(tmp_path, model, side):
    recipe = {"data": "sample", "train_size": 48, "test_size": 32, "batch_size": 16, "side": side, "lr": 0.01}
    train(tmp_path / "whole", model, **recipe, epochs=2)
    with interrupted_after(5), pytest.raises(RunStopped):  # three steps an epoch
        train(tmp_path / "parts", model, **recipe, epochs=2)
    resume(tmp_path / "parts")
    assert result_of(tmp_path / "parts") == result_of(tmp_path / "whole")


def test_stopped_run_says_how_to_resume_it(tmp_path):
    """Stopped three times, wherever it stands, and resumed by the command that it prints each time."""
    run = ["train", SMALL_NETWORK, *flags(**{**RANDOM, "side": 28, "train_size": 192, "epochs": 20})]
    out = tmp_path / "stopped"
    command(*run, "--out", tmp_path / "whole")
    words = ["gluon-cnn", *run, "--out", str(out)]
    for stop, number in enumerate((signal.SIGINT, signal.SIGTERM, signal.SIGINT), 1):
        error = tmp_path / f"error-{stop}"
        process = start(MAIN, *words[1:], error=error)
        while process.is_alive() and not began_to_train(out, stop):
            time.sleep(0.02)
        time.sleep(0.05)
        os.kill(process.pid, number)
        process.join(120)
        assert process.exitcode == 128 + number, error.read_text()
        assert f"stopped by {number.name} in epoch" in error.read_text()
        words = shlex.split(error.read_text().split("resume it with: ")[1])
        assert words[-3:] == ["--out", str(out), "--resume"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)  # as a person would
    assert result_of(out) == result_of(tmp_path / "whole")


def began_to_train(out, times):
    log = out / "train.log"
    return log.exists() and log.read_text().count("training small_network.py:net on") == times


def test_run_stopped_in_its_test_pass(tmp_path, monkeypatch):
    """Its last training step is saved, and only the test is done again."""
    train(tmp_path / "whole", **{**SMALL, "epochs": 2})
    test_epoch = epochs_module.test_epoch

    def stopped(*args, **options):
        os.kill(os.getpid(), signal.SIGTERM)
        test_epoch(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(epochs_module, "test_epoch", stopped)
        with pytest.raises(RunStopped, match="stopped by SIGTERM in epoch 1 after step 4, and saved"):
            train(tmp_path / "stopped", **{**SMALL, "epochs": 2})
    resume(tmp_path / "stopped")
    assert result_of(tmp_path / "stopped") == result_of(tmp_path / "whole")


def test_where_it_was_stopped_leaves_no_trace(tmp_path):
    recipe = {**SMALL, "epochs": 4}
    train(tmp_path / "whole", **recipe)
    with pytest.raises(RunStopped), interrupted_after(3 * 4 + 2):
        train(tmp_path / "cut", **recipe)
    assert (tmp_path / "cut" / "checkpoint" / "epoch-003-step-00002").is_dir()
    resume(tmp_path / "cut")
    names = [sorted(path.name for path in (tmp_path / run / "checkpoint").iterdir()) for run in ("whole", "cut")]
    assert names[0] == names[1]


def test_resume_of_a_finished_run_changes_nothing(lenet_run, caplog):
    before = result_of(lenet_run)
    resume(lenet_run)
    assert "all 2 epochs are done; resume with more epochs to train further" in caplog.text
    assert result_of(lenet_run) == before


def test_loss_that_is_not_finite_stops_the_run(tmp_path, monkeypatch):
    """The last good checkpoint stays. What happened is in config.json, until somebody resumes the run."""
    out = tmp_path / "run"
    train(out, **SMALL)
    before = result_of(out)
    load = module.load_states

    def load_and_break(trainer, states):
        """As if the next step had overflowed."""
        load(trainer, states)
        trainer.set_learning_rate(1e38)

    with monkeypatch.context() as patch:
        patch.setattr(module, "load_states", load_and_break)
        with pytest.raises(TrainingDiverged, match="epoch-001 is the last good checkpoint") as error:
            resume(out, epochs=2)
    assert re.fullmatch(r"The loss is no longer finite in epoch 2, step \d+", error.value.problem)
    assert json.loads((out / "config.json").read_text())["diverged"] == error.value.problem
    assert result_of(out) == before
    resume(out)
    assert "diverged" not in json.loads((out / "config.json").read_text())


def test_networks_built_before_change_nothing(tmp_path):
    """Gluon numbers layers through the whole process, and sorts conv10 before conv9."""
    recipe = {**RANDOM, "epochs": 1, "train_size": 32}
    train(tmp_path / "a", "nin", **recipe)
    for _ in range(5):
        gluon_cnn.lenet()
    train(tmp_path / "b", "nin", **recipe)
    assert result_of(tmp_path / "a") == result_of(tmp_path / "b")


@pytest.mark.parametrize("settings", [{"ctx": "cpu:0,1"}, {"hybrid": False}])
def test_several_cpus_or_no_compilation_train_the_same(tmp_path, lenet_run, settings):
    train(tmp_path / "other", "lenet", settings, **SMALL)
    assert measures_of(history_of(tmp_path / "other")[0]) == pytest.approx(
        measures_of(history_of(lenet_run)[0]), abs=1e-5
    )


def test_dead_classes_are_named_and_guesses_warned_of(tmp_path, caplog):
    # A learning rate so small that nothing changes: the network as it begins.
    sizes = {"data": "sample", "train_size": 64, "test_size": 32, "batch_size": 32, "side": 67}
    train(tmp_path / "run", "nin", **sizes, epochs=3, lr=1e-9)
    lines = caplog.messages
    (number,) = {result.dead_classes for result in history_of(tmp_path / "run")}
    (dead,) = [line for line in lines if line.startswith("dead classes")]
    told, names = re.fullmatch(r"dead classes: (\d+) of 10: (.*)", dead).groups()
    assert int(told) == number == len(names.split(", "))
    assert set(names.split(", ")) < set(FASHION_MNIST.classes)
    warnings = [number for number, line in enumerate(lines) if "the loss is that of a guess, ln(10) = 2.3026" in line]
    assert [lines[number - 1][:8] for number in warnings] == ["epoch 2,", "epoch 3,"]


def test_no_final_relu_leaves_no_class_dead(tmp_path, caplog):
    sizes = {"data": "sample", "train_size": 64, "test_size": 32, "batch_size": 32, "side": 67}
    train(tmp_path / "run", "nin", **sizes, epochs=1, final_relu=False)
    assert "seed 0, final_relu off; in" in caplog.text
    assert [result.dead_classes for result in history_of(tmp_path / "run")] == [0]

"""Runs: what their directory holds, how they stop, and that they go on to the same bits."""

import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import mxnet as mx
import pytest
from conftest import SMALL_RUN

import gluon_cnn
from gluon_cnn import GluonCNNError, get_recipe
from gluon_cnn.cli import main
from gluon_cnn.data import CLASSES
from gluon_cnn.training import Run, read_history
from gluon_cnn.training.checkpoint import last_checkpoint

#: Everything that draws random numbers, and an optimiser with a state.
RANDOM_RUN = [
    "train", "nin", "--data", "sample", "--train-size", "192", "--test-size", "64", "--batch-size", "32",
    "--resize", "67", "--epochs", "2", "--augment", "--optimizer", "adam", "--lr", "0.001", "--seed", "4",
]  # fmt: skip


ENDED = 2**22 + 1  # no process has this number on Linux


def train(*arguments):
    assert main([str(argument) for argument in arguments]) == 0


train_module = sys.modules["gluon_cnn.training.train"]  # the package has a function of that name


def result_of(directory):
    """A run's end, to the bit: parameters, trainer states, and history without its times."""
    last = last_checkpoint(directory / "checkpoint")
    history = [tuple(result[:4]) for result in read_history(directory)]
    parameters = {name: array.asnumpy().tobytes() for name, array in mx.nd.load(str(last / "net.params")).items()}
    state = json.loads((last / "manifest.json").read_text())["state"]
    exact = [(r["epoch"], r["train_loss"], r["train_acc"], r["test_acc"]) for r in state["history"]]
    return last.name, parameters, (last / "trainer.states").read_bytes(), history, exact


def test_directory_of_a_finished_run(lenet_run):
    config = json.loads((lenet_run / "config.json").read_text())
    assert config["recipe"]["model"] == "lenet"
    assert (config["recipe"]["seed"], config["recipe"]["epochs"]) == (0, 2)
    assert config["versions"]["mxnet"] == mx.__version__
    assert config["machine"]["cores"] >= 1
    with open(lenet_run / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = ["epoch", "train_loss", "train_acc", "test_acc", "seconds", "examples_per_sec", "dead_classes"]
    assert list(rows[0]) == numbers
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert "epoch 2, loss" in (lenet_run / "train.log").read_text()
    assert (lenet_run / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in (lenet_run / "checkpoint").iterdir()) == ["epoch-001", "epoch-002"]
    assert not [path for path in lenet_run.rglob("*") if "tmp" in path.name]


def test_same_seed_same_bits_and_another_seed_others(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train("train", "lenet", *SMALL_RUN, "--seed", seed, "--out", tmp_path / name)
    a, b, c = (result_of(tmp_path / name) for name in "abc")
    assert a == b
    assert a[1] != c[1]


@pytest.mark.parametrize("ctx", ["cpu", "cpu:0,1"])
def test_epochs_may_grow_and_end_as_if_never_stopped(tmp_path, ctx):
    train(*RANDOM_RUN, "--ctx", ctx, "--out", tmp_path / "whole")
    train(*RANDOM_RUN, "--ctx", ctx, "--epochs", 1, "--out", tmp_path / "parts")
    train("train", "nin", "--epochs", 2, "--resume", "--out", tmp_path / "parts")
    assert result_of(tmp_path / "parts") == result_of(tmp_path / "whole")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_saves_the_step_and_the_run_goes_on_to_the_same_bits(tmp_path, number, code):
    """Stopped three times, wherever it stands, by the command that it prints each time."""
    run = [*RANDOM_RUN, "--epochs", "8"]
    train(*run, "--out", tmp_path / "whole")
    out = tmp_path / "stopped"
    command = [sys.executable, "-m", "gluon_cnn.cli", *run, "--out", str(out)]
    for stop in range(3):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while process.poll() is None and not began_to_train(out, stop + 1):
            time.sleep(0.02)
        time.sleep(0.2)
        process.send_signal(number)
        _, error = process.communicate(timeout=120)
        assert process.returncode == code, error
        assert f"stopped by {number.name} in epoch" in error
        command = shlex.split(error.split("go on with: ")[1])
        assert command[-3:] == ["--out", str(out), "--resume"]
    subprocess.run(command, check=True, stdout=subprocess.PIPE)
    assert result_of(out) == result_of(tmp_path / "whole")


def began_to_train(out, times):
    log = out / "train.log"
    return log.exists() and log.read_text().count("training nin on") == times


def test_killed_three_times_within_epochs_and_gone_on_with_ends_in_the_same_bits(tmp_path):
    """NiN at 96 with dropout, augmentation and momentum."""
    sizes = ["--data", "sample", "--train-size", "192", "--test-size", "64", "--batch-size", "32", "--resize", "96"]
    run = ["train", "nin", *sizes, "--augment", "--momentum", "0.9", "--lr", "0.01", "--epochs", "4"]
    run += ["--checkpoint-every", "2"]
    train(*run, "--out", tmp_path / "whole")
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "gluon_cnn.cli", *run, "--out", str(out), "--quiet"]
    for _ in range(3):
        before = set(out.glob("checkpoint/*-step-*"))
        process = subprocess.Popen(command)
        while process.poll() is None and not set(out.glob("checkpoint/*-step-*")) - before:
            time.sleep(0.005)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        command = [sys.executable, "-m", "gluon_cnn.cli", "train", "nin", "--out", str(out), "--resume", "--quiet"]
    subprocess.run(command, check=True)
    assert result_of(out) == result_of(tmp_path / "whole")


def test_a_damaged_last_checkpoint_costs_the_work_since_the_one_before(tmp_path, capsys):
    train("train", "lenet", *SMALL_RUN, "--epochs", 3, "--out", tmp_path / "whole")
    out = shutil.copytree(tmp_path / "whole", tmp_path / "damaged")
    parameters = out / "checkpoint" / "epoch-003" / "net.params"
    parameters.write_bytes(parameters.read_bytes()[:-1])
    capsys.readouterr()
    train("train", "lenet", "--out", out, "--resume")
    assert "epoch-003 is damaged, for net.params is not as it was written" in capsys.readouterr().out
    assert result_of(out) == result_of(tmp_path / "whole")


def test_resumed_run_that_is_finished_stays_as_it_is(lenet_run, capsys):
    before = result_of(lenet_run)
    train("train", "lenet", "--out", lenet_run, "--resume")
    assert "all 2 epochs are done" in capsys.readouterr().out
    assert result_of(lenet_run) == before


def test_settings_that_change_the_result_are_refused_on_resume(lenet_run, fails):
    error = fails("train", "lenet", "--seed", 5, "--lr", 0.5, "--out", lenet_run, "--resume")
    assert "lr 0.9, not 0.5" in error
    assert "seed 0, not 5" in error
    assert "model 'lenet', not 'nin'" in fails("train", "nin", "--out", lenet_run, "--resume")


def test_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path, fails, monkeypatch):
    out = tmp_path / "run"
    train("train", "lenet", *SMALL_RUN, "--out", out)
    before = result_of(out)
    load = train_module.load_states

    def load_and_break(trainer, states):
        """As if the next step had overflowed."""
        load(trainer, states)
        trainer.set_learning_rate(1e38)

    monkeypatch.setattr(train_module, "load_states", load_and_break)
    error = fails("train", "lenet", "--epochs", 2, "--out", out, "--resume")
    assert "The loss is no longer finite in epoch 2, step" in error
    noted = json.loads((tmp_path / "run" / "config.json").read_text())["diverged"]
    assert re.fullmatch(r"The loss is no longer finite in epoch 2, step \d+", noted)
    assert "epoch-001 is the last good checkpoint" in error
    assert result_of(out) == before


def test_a_network_is_saved_for_the_same_optimizer_states_whatever_was_built_before(tmp_path):
    """Gluon numbers layers through the whole process, and sorts conv10 before conv9."""
    train(*RANDOM_RUN, "--epochs", 1, "--out", tmp_path / "a")
    for _ in range(5):
        gluon_cnn.lenet()
    train(*RANDOM_RUN, "--epochs", 1, "--out", tmp_path / "b")
    assert result_of(tmp_path / "a") == result_of(tmp_path / "b")


def test_a_run_that_appears_meanwhile_is_not_taken_over(lenet_run, tmp_path, monkeypatch):
    """Two processes begin in one directory: the second sees the first one's run once it holds the lock."""
    settings = {"ctx": "cpu", "hybrid": True, "threads": None, "data_dir": None}
    run = Run(tmp_path / "run", get_recipe("lenet", data="sample", epochs=1, seed=5), settings)

    def load(*arguments):
        shutil.copytree(lenet_run, run.directory)
        return load_data(*arguments)

    load_data = train_module.load_data
    monkeypatch.setattr(train_module, "load_data", load)
    with pytest.raises(GluonCNNError, match="holds another run"):
        train_module.train(run, command="")
    assert result_of(run.directory) == result_of(lenet_run)


def test_config_keeps_the_first_command_and_those_that_went_on(tmp_path):
    train("train", "lenet", *SMALL_RUN, "--out", tmp_path / "run")
    first = json.loads((tmp_path / "run" / "config.json").read_text())
    train("train", "lenet", "--epochs", 2, "--out", tmp_path / "run", "--resume")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["started"] == first["started"]
    assert [set(session) for session in config["resumed"]] == [{"command", "started", "versions", "machine"}]
    assert (first["recipe"]["epochs"], config["recipe"]["epochs"]) == (1, 2)


@pytest.mark.parametrize("optimizer", ["sgld", "nadam", "rmsprop"])
def test_every_optimizer_goes_on_to_the_same_bits(tmp_path, optimizer):
    arguments = ["train", "lenet", *SMALL_RUN, "--optimizer", optimizer, "--lr", "0.001"]
    train(*arguments, "--epochs", 2, "--out", tmp_path / "whole")
    train(*arguments, "--epochs", 1, "--out", tmp_path / "parts")
    train("train", "lenet", "--epochs", 2, "--out", tmp_path / "parts", "--resume")
    assert result_of(tmp_path / "parts") == result_of(tmp_path / "whole")


def test_one_process_a_run(lenet_run, fails):
    with Run.open(lenet_run).locked():
        error = fails("train", "lenet", "--out", lenet_run, "--resume")
    assert f"is in use by process {os.getpid()}" in error


def test_several_cpus_train_what_one_does(tmp_path):
    for name, ctx in (("one", "cpu"), ("two", "cpu:0,1")):
        train("train", "lenet", *SMALL_RUN, "--ctx", ctx, "--out", tmp_path / name)
    one, two = (read_history(tmp_path / name)[0] for name in ("one", "two"))
    assert one[1:4] == pytest.approx(two[1:4], abs=1e-5)


def test_compiled_or_not_is_the_same_training(tmp_path):
    train("train", "lenet", *SMALL_RUN, "--out", tmp_path / "hybrid")
    train("train", "lenet", *SMALL_RUN, "--no-hybrid", "--out", tmp_path / "plain")
    hybrid, plain = (read_history(tmp_path / name)[0] for name in ("hybrid", "plain"))
    assert hybrid[1:4] == pytest.approx(plain[1:4], abs=1e-5)


def test_dead_classes_are_named_when_they_change_and_a_guess_is_warned_of(tmp_path, capsys):
    # A learning rate so small that nothing changes: the network as it begins.
    small = ["--data", "sample", "--train-size", "64", "--test-size", "32", "--batch-size", "32", "--epochs", "3"]
    train("train", "nin", "--resize", "67", "--lr", "1e-9", *small, "--out", tmp_path / "run")
    lines = capsys.readouterr().out.splitlines()
    (number,) = {result.dead_classes for result in read_history(tmp_path / "run")}
    dead = [line for line in lines if line.startswith("dead classes")]
    assert len(dead) == 1
    told, names = re.fullmatch(r"dead classes: (\d+) of 10: (.*)", dead[0]).groups()
    assert int(told) == number == len(names.split(", "))
    assert set(names.split(", ")) < set(CLASSES)
    warnings = [number for number, line in enumerate(lines) if "the loss is that of a guess, ln(10) = 2.3026" in line]
    assert [lines[number - 1][:8] for number in warnings] == ["epoch 2,", "epoch 3,"]


def test_no_final_relu_leaves_no_class_dead(tmp_path, capsys):
    small = ["--data", "sample", "--train-size", "64", "--test-size", "32", "--batch-size", "32", "--epochs", "1"]
    train("train", "nin", "--resize", "67", "--no-final-relu", *small, "--out", tmp_path / "run")
    assert "seed 0, no last ReLU; in" in capsys.readouterr().out
    assert [result.dead_classes for result in read_history(tmp_path / "run")] == [0]


def test_a_process_killed_before_it_wrote_anything_leaves_a_directory_to_begin_in(tmp_path):
    (tmp_path / "run.lock").write_text("1\n")
    (tmp_path / f".config.json.{ENDED}.tmp.json").write_text("{")
    train("train", "lenet", *SMALL_RUN, "--out", tmp_path, "--quiet")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", [".tmp", ".tmpfiles", ".my.tmp.notes", ".notes.1.tmp"])
def test_files_of_others_are_not_taken_for_leftovers(tmp_path, fails, name):
    (tmp_path / name).write_text("precious")
    assert "is not empty" in fails("train", "lenet", *SMALL_RUN, "--out", tmp_path)
    assert (tmp_path / name).read_text() == "precious"


def test_what_a_killed_process_left_half_removed_is_removed(lenet_run, tmp_path):
    run = shutil.copytree(lenet_run, tmp_path / "run")
    (run / "checkpoint" / "epoch-001").rename(run / "checkpoint" / ".epoch-001.tmp")
    (run / f".history.csv.{ENDED}.tmp.csv").write_text("epoch")
    train("train", "lenet", "--out", run, "--resume", "--quiet")
    assert [path.name for path in (run / "checkpoint").iterdir()] == ["epoch-002"]
    assert not list(run.glob(".*"))


def test_where_a_run_was_stopped_makes_no_difference_to_what_it_leaves(tmp_path, monkeypatch):
    train("train", "lenet", *SMALL_RUN, "--epochs", "4", "--out", tmp_path / "whole", "--quiet")
    steps, epochs = train_module.train_steps, []

    def stop_after_two(*args, **options):
        epochs.append(len(epochs) + 1)
        for number, sums in enumerate(steps(*args, **options), 1):
            if number == 2 and len(epochs) == 4:
                os.kill(os.getpid(), signal.SIGINT)
            yield sums

    command = ["train", "lenet", *SMALL_RUN, "--epochs", "4", "--out", str(tmp_path / "cut"), "--quiet"]
    with monkeypatch.context() as patch:
        patch.setattr(train_module, "train_steps", stop_after_two)
        assert main(command) == 130
    assert (tmp_path / "cut" / "checkpoint" / "epoch-003-step-00002").is_dir()
    train(*command, "--resume")
    names = [sorted(path.name for path in (tmp_path / run / "checkpoint").iterdir()) for run in ("whole", "cut")]
    assert names[0] == names[1]

"""``threads="auto"``: what it chooses and says, that a run keeps it, and that the run's bits are the number's."""

import ctypes
import dataclasses
import json
import logging
import os
import re
import signal

import mxnet as mx
import pytest
from runs import RANDOM, SMALL, flags, result_of, resume, run_process, train

from gluon_cnn import get_recipe, load_run, runtime
from gluon_cnn.comparison.reproduce import train_missing
from gluon_cnn.errors import SettingError
from gluon_cnn.training import process
from gluon_cnn.training import threads as module
from gluon_cnn.training.run import Run
from gluon_cnn.training.settings import Settings

AUTO = {"threads": "auto"}
#: A command in a process of two cores, which takes the number that its first argument gives for the fastest.
FASTEST = """
import sys
from gluon_cnn.cli import main
from gluon_cnn.training import threads
threads.usable_cores, threads.BLOCK = lambda: 2, 0.05
measure = threads._step_seconds
threads._step_seconds = lambda *args: {**measure(*args), int(sys.argv[1]): 0.0}
sys.exit(main(sys.argv[2:]))
"""
#: Before it: the process ends itself once it has saved a step of the second epoch.
KILLED = """
import gluon_cnn.training.saver as saver, os, signal
write = saver.write_checkpoint
def killed(directory, snapshot):
    path = write(directory, snapshot)
    if (snapshot.state.epoch, snapshot.state.step) >= (1, 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return path
saver.write_checkpoint = killed
"""


@pytest.fixture
def measured(monkeypatch):
    """A process that has measured nothing, with two cores; the list of the (short) measurements from now on."""
    made = []

    def step_seconds(*args):
        made.append(original(*args))
        return made[-1]

    original = module._step_seconds
    monkeypatch.setattr(module, "_step_seconds", step_seconds)
    monkeypatch.setattr(module, "_measured", {})
    monkeypatch.setattr(module, "BLOCK", 0.05)
    for with_cores in (module, process):
        monkeypatch.setattr(with_cores, "usable_cores", lambda: 2)
    before = runtime.threads()
    yield made
    runtime.set_threads(before)


def config_of(directory):
    return json.loads((directory / "config.json").read_text())


def settings_of(directory):
    return config_of(directory)["settings"]


def log_of(directory):
    return (directory / "train.log").read_text()


def openmp_threads(cpu):
    """How many threads OpenMP gives to the thread that does MXNet's work on ``mx.cpu(cpu)``."""
    openmp, found = ctypes.CDLL("libgomp.so.1"), []
    runtime.run_on_engine_thread(lambda: found.append(openmp.omp_get_max_threads()), cpu)
    mx.nd.waitall()
    return found[0]


def test_fastest_is_taken_logged_and_kept(tmp_path, measured, caplog):
    caplog.set_level(logging.INFO, "gluon_cnn")
    train(tmp_path / "run", "lenet", AUTO, **SMALL)
    assert len(measured) == 1
    assert set(measured[0]) == {1, 2}
    number = min(measured[0], key=measured[0].get)
    settings = settings_of(tmp_path / "run")
    said = re.search(r"threads: (\d), at ([\d.]+) ms a step \((\d): ([\d.]+) ms\)", log_of(tmp_path / "run"))
    assert said.group(1, 3) == (str(number), str(3 - number))
    assert float(said[2]) == pytest.approx(1000 * measured[0][number], abs=0.06)
    assert said[0] in caplog.messages
    assert (settings["threads"], settings["measured_threads"]) == ("auto", number)
    assert config_of(tmp_path / "run")["machine"]["threads"] == number
    assert runtime.threads() == number


def runs_with(directory, *changes):
    """A run for each of some changes of a small recipe."""
    recipe = get_recipe("lenet", **SMALL, init="own")
    return [
        Run(directory / str(number), dataclasses.replace(recipe, **change), Settings(threads="auto"))
        for number, change in enumerate(changes)
    ]


def test_network_and_shape_are_measured_once(tmp_path, measured):
    runs = runs_with(tmp_path, {"seed": 0}, {"seed": 1}, {"batch_size": 32})
    train_missing(runs, command=str, quiet=True)
    assert len(measured) == 2
    logs = [log_of(run.directory) for run in runs]
    assert ["as measured before for this network and shape" in log for log in logs] == [False, True, False]
    numbers = [settings_of(run.directory)["measured_threads"] for run in runs]
    assert numbers[0] == numbers[1] == min(measured[0], key=measured[0].get)


def test_bits_are_the_numbers_also_after_a_kill(tmp_path):
    """NiN with dropout, augmentation and adam. The process that resumes it would choose another number."""
    run = ["train", "nin", *flags(**RANDOM), "--quiet"]
    fixed, auto = tmp_path / "fixed", tmp_path / "auto"
    train(fixed, "nin", {"threads": 1}, **RANDOM)
    killed = run_process(KILLED + FASTEST, 1, *run, "--threads", "auto", "--checkpoint-every", 1, "--out", auto)
    assert killed.code == -signal.SIGKILL, killed.error
    resumed = run_process(FASTEST, 2, "train", "nin", "--out", auto, "--resume", "--threads", "auto")
    assert resumed.code == 0, resumed.error
    assert "threads: 1, as measured when the run began" in resumed.out
    assert settings_of(auto)["measured_threads"] == 1
    assert result_of(auto) == result_of(fixed)


def test_auto_is_kept_and_a_number_changes_it(tmp_path, measured, monkeypatch):
    out = tmp_path / "run"
    train(out, "lenet", AUTO, **SMALL)
    kept = settings_of(out)["measured_threads"]
    monkeypatch.setattr(module, "_measured", {})  # as in another process
    resume(out, epochs=2)
    assert log_of(out).count(f"threads: {kept}, as measured when the run began") == 1
    run = load_run(out)
    run.settings.threads = 1
    run.resume(epochs=3)
    assert (settings_of(out)["threads"], runtime.threads()) == (1, 1)
    run.settings.threads = "auto"
    run.resume(epochs=4)
    assert log_of(out).count(f"threads: {kept}, as measured when the run began") == 2
    assert len(measured) == 1


def test_number_is_taken_as_it_is(tmp_path, measured):
    train(tmp_path / "run", "lenet", {"threads": 1}, **SMALL)
    assert not measured
    assert runtime.threads() == 1
    assert "threads:" not in log_of(tmp_path / "run")
    assert settings_of(tmp_path / "run")["measured_threads"] is None


def test_with_one_core_nothing_is_measured(tmp_path, measured, monkeypatch):
    monkeypatch.setattr(module, "usable_cores", lambda: 1)
    train(tmp_path / "run", "lenet", AUTO, **SMALL)
    assert not measured
    assert "threads: 1, because there is one core" in log_of(tmp_path / "run")


@pytest.mark.parametrize(
    ("cores", "counts"), [(1, [1]), (2, [2, 1]), (3, [3, 2, 1]), (8, [8, 4, 2, 1]), (12, [12, 8, 4, 2, 1])]
)
def test_numbers_that_are_tried(cores, counts):
    assert module._counts(cores) == counts


def test_after_a_far_worse_number_measuring_ends():
    seconds, tried = {8: 2.0, 4: 1.0, 2: 1.2, 1: 9.0}, []

    def seconds_with(count):
        tried.append(count)
        return seconds.get(count, 5.0)

    assert module._medians(seconds_with, [8, 4, 2, 1]) == seconds
    assert tried == [8, 4, 2, 1, 1, 8, 4, 2, 8, 4, 2]
    tried.clear()
    seconds[4] = 4.0
    assert module._medians(seconds_with, [8, 4, 2, 1]) == {8: 2.0, 4: 4.0}
    assert tried == [8, 4, 4]


def test_busy_moment_puts_no_number_out():
    times = {2: iter([1.0, 1.0, 1.0]), 1: iter([9.0, 0.5, 0.5, 0.5])}
    assert module._medians(lambda count: next(times[count]), [2, 1]) == {2: 1.0, 1: 0.5}
    times = {2: iter([9.0, 0.5, 0.5]), 1: iter([1.0, 1.0, 1.0])}
    assert module._medians(lambda count: next(times[count]), [2, 1]) == {2: 0.5, 1: 1.0}


def test_on_several_devices_or_gpus_nothing_is_measured(tmp_path, measured):
    train(tmp_path / "run", "lenet", {**AUTO, "ctx": "cpu:0,1"}, **SMALL)
    assert " a device, not measured with several of them" in log_of(tmp_path / "run")
    run = Run(tmp_path / "gpu", get_recipe("lenet"), Settings(threads="auto"))
    number, why = module.choose_threads(run, [mx.gpu()], None, None, False)
    assert (number, why) == (runtime.threads(), f"threads: {number}, not measured, since the GPU does the work")
    assert not measured


def test_another_cpu_is_measured_with_its_threads(tmp_path, measured, monkeypatch):
    numbers, set_threads = [], module.set_threads

    def setting(number, devices):
        set_threads(number, devices)
        numbers.append((number, openmp_threads(1)))

    monkeypatch.setattr(module, "set_threads", setting)
    train(tmp_path / "run", "lenet", {**AUTO, "ctx": "cpu:1"}, **SMALL)
    assert len(measured) == 1
    assert {number for number, _ in numbers} == {1, 2}
    assert all(number == of_openmp for number, of_openmp in numbers)


def test_fixed_number_is_for_every_device(tmp_path, measured):
    train(tmp_path / "run", "lenet", {"threads": 1, "ctx": "cpu:0,1"}, **SMALL)
    assert [openmp_threads(cpu) for cpu in (0, 1)] == [1, 1]


def test_reproduce_keeps_what_finished_runs_measured(tmp_path, measured, monkeypatch):
    *runs, other = runs_with(tmp_path, *({"seed": seed} for seed in range(3)))
    train_missing(runs[:1], command=str, quiet=True)
    kept = settings_of(runs[0].directory)["measured_threads"]
    monkeypatch.setattr(module, "_measured", {})  # as in another process
    monkeypatch.setattr(module, "_step_seconds", lambda *_: {3 - kept: 0.0, kept: 1.0})
    train_missing(runs, command=str, quiet=True)
    assert settings_of(runs[1].directory)["measured_threads"] == kept

    for run in runs:  # as if they came from a larger machine
        config = config_of(run.directory)
        config["machine"]["cores"] = 64
        (run.directory / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(module, "_measured", {})
    train_missing([*runs, other], command=str, quiet=True)
    assert settings_of(other.directory)["measured_threads"] == 3 - kept


def test_more_than_this_machine_has_is_refused(tmp_path, measured):
    out = tmp_path / "run"
    train(out, "lenet", AUTO, **SMALL)
    config = config_of(out)
    config["settings"]["measured_threads"] = 4096
    (out / "config.json").write_text(json.dumps(config))
    with pytest.raises(SettingError, match=f"measured_threads is 4096, but there are {os.cpu_count()} processors"):
        resume(out, epochs=2)
    run = load_run(out)
    run.settings.threads = 1
    run.resume(epochs=2)
    assert config_of(out)["resumed"][-1]["machine"]["threads"] == 1


def test_wrong_words(fails, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for word in ("fast", "1.5", "", "AUTO"):
        for words in (["train", "lenet", "--data", "sample"], ["reproduce"]):
            expected = f"threads is {word!r}; it must be a whole number of 1 or more, or auto"
            expected = expected if word else "--threads has no value"
            assert expected in fails(*words, f"--threads={word}")
    assert "threads is 'auto'; it must be a whole number" in fails("evaluate", "run", "--threads", "auto")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threads": 0}, "threads is 0; it must be a whole number of 1 or more"),
        ({"threads": 4096}, "threads is 4096, but there are"),
        ({"checkpoint_every": 0}, "checkpoint_every is 0"),
        ({"kvstore": "dist"}, "kvstore is 'dist'; it must be one of"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(SettingError, match=message):
        Settings(**settings).check()
    Settings(threads="auto", checkpoint_every=1).check()

"""``--threads auto``: what it chooses and says, that a run keeps it, and that the run's bits are the number's."""

import ctypes
import json
import logging
import os
import re
import signal
import subprocess
import sys

import mxnet as mx
import pytest
from conftest import SMALL_RUN
from test_train import result_of

from gluon_cnn import _runtime, get_recipe
from gluon_cnn.cli import main
from gluon_cnn.reproduce import train_missing
from gluon_cnn.training import Run
from gluon_cnn.training import threads as threads_module

AUTO = ["train", "lenet", *SMALL_RUN, "--threads", "auto"]
#: A command in a process of two cores, which takes the number that its first argument gives for the fastest.
FASTEST = """
import sys
from gluon_cnn.cli import main
from gluon_cnn.training import threads
threads.usable_cores = lambda: 2
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
    if (snapshot.state["epoch"], snapshot.state["step"]) >= (1, 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return path
saver.write_checkpoint = killed
"""


@pytest.fixture
def measured(monkeypatch):
    """A process that has measured nothing, with two cores; the list of the measurements that are made from now on."""
    made = []

    def step_seconds(*args):
        made.append(original(*args))
        return made[-1]

    original = threads_module._step_seconds
    monkeypatch.setattr(threads_module, "_step_seconds", step_seconds)
    monkeypatch.setattr(threads_module, "_measured", {})
    for module in (threads_module, sys.modules["gluon_cnn.training.run"]):
        monkeypatch.setattr(module, "usable_cores", lambda: 2)
    before = _runtime.threads()
    yield made
    _runtime.set_threads(before)


def settings_of(directory):
    return json.loads((directory / "config.json").read_text())["settings"]


def openmp_threads(cpu):
    """How many threads OpenMP gives to the thread that does MXNet's work on ``mx.cpu(cpu)``."""
    openmp, found = ctypes.CDLL("libgomp.so.1"), []
    _runtime.run_on_engine_thread(lambda: found.append(openmp.omp_get_max_threads()), cpu)
    mx.nd.waitall()
    return found[0]


def process(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_fastest_is_taken_logged_and_kept(tmp_path, measured, caplog):
    caplog.set_level(logging.INFO, "gluon_cnn")
    assert main([*AUTO, "--out", str(tmp_path / "run")]) == 0
    assert len(measured) == 1
    assert set(measured[0]) == {1, 2}
    number = min(measured[0], key=measured[0].get)
    log, settings = (tmp_path / "run" / "train.log").read_text(), settings_of(tmp_path / "run")
    said = re.search(r"threads: (\d), at ([\d.]+) ms a step \((\d): ([\d.]+) ms\)", log)
    assert said.group(1, 3) == (str(number), str(3 - number))
    assert float(said[2]) == pytest.approx(1000 * measured[0][number], abs=0.06)
    assert said[0] in caplog.messages
    assert (settings["threads"], settings["measured_threads"]) == ("auto", number)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["machine"]["threads"] == number
    assert _runtime.threads() == number


def test_a_network_and_shape_is_measured_once_in_a_process(tmp_path, measured):
    recipe = get_recipe("lenet", data="sample", train_size=256, test_size=128, batch_size=64, epochs=1, init="seed")
    changes = [{"seed": 0}, {"seed": 1}, {"batch_size": 32}]
    recipes = [type(recipe)(**{**vars(recipe), **change}) for change in changes]
    train_missing([Run(tmp_path / str(i), recipe, {"threads": "auto"}) for i, recipe in enumerate(recipes)], quiet=True)
    assert len(measured) == 2
    logs = [(tmp_path / str(i) / "train.log").read_text() for i in range(3)]
    assert ["as measured before for this network and shape" in log for log in logs] == [False, True, False]
    numbers = [settings_of(tmp_path / str(i))["measured_threads"] for i in range(3)]
    assert numbers[0] == numbers[1] == min(measured[0], key=measured[0].get)


def test_bits_are_those_of_the_number_also_after_a_kill(tmp_path):
    """NiN with dropout, augmentation and adam. The process that goes on would choose another number."""
    run = ["train", "nin", "--data", "sample", "--train-size", "96", "--test-size", "64", "--batch-size", "32"]
    run += ["--resize", "67", "--epochs", "2", "--augment", "--optimizer", "adam", "--lr", "0.001", "--quiet"]
    fixed, auto = tmp_path / "fixed", tmp_path / "auto"
    assert process(FASTEST, 1, *run, "--threads", 1, "--out", fixed).returncode == 0
    result = process(KILLED + FASTEST, 1, *run, "--threads", "auto", "--checkpoint-every", 1, "--out", auto)
    assert result.returncode == -signal.SIGKILL, result.stderr
    result = process(FASTEST, 2, "train", "nin", "--out", auto, "--resume", "--threads", "auto")
    assert result.returncode == 0, result.stderr
    assert "threads: 1, as measured when the run began" in result.stdout
    assert settings_of(auto)["measured_threads"] == 1
    assert result_of(auto) == result_of(fixed)


def test_on_resume_auto_is_kept_and_a_number_changes_it(tmp_path, measured, monkeypatch):
    out = tmp_path / "run"
    assert main([*AUTO, "--out", str(out)]) == 0
    kept = settings_of(out)["measured_threads"]
    monkeypatch.setattr(threads_module, "_measured", {})  # as in another process
    again = ["train", "lenet", "--out", str(out), "--resume", "--epochs"]
    assert main([*again, "2"]) == 0
    assert main([*again, "3", "--threads", "auto"]) == 0
    assert (out / "train.log").read_text().count(f"threads: {kept}, as measured when the run began") == 2
    assert len(measured) == 1
    assert main([*again, "4", "--threads", "1"]) == 0
    assert (settings_of(out)["threads"], _runtime.threads()) == (1, 1)
    assert len(measured) == 1


def test_a_number_is_taken_as_it_is(tmp_path, measured):
    assert main(["train", "lenet", *SMALL_RUN, "--threads", "1", "--out", str(tmp_path / "run")]) == 0
    assert not measured
    assert _runtime.threads() == 1
    assert "threads:" not in (tmp_path / "run" / "train.log").read_text()
    assert settings_of(tmp_path / "run")["measured_threads"] is None


def test_with_one_core_nothing_is_measured(tmp_path, measured, monkeypatch):
    monkeypatch.setattr(threads_module, "usable_cores", lambda: 1)
    assert main([*AUTO, "--out", str(tmp_path / "run")]) == 0
    assert not measured
    assert "threads: 1, for there is one core" in (tmp_path / "run" / "train.log").read_text()


@pytest.mark.parametrize(
    ("cores", "counts"), [(1, [1]), (2, [2, 1]), (3, [3, 2, 1]), (8, [8, 4, 2, 1]), (12, [12, 8, 4, 2, 1])]
)
def test_numbers_that_are_tried(cores, counts):
    assert threads_module._counts(cores) == counts


def test_a_number_that_is_far_worse_is_tried_once_and_fewer_are_not():
    seconds, tried = {8: 2.0, 4: 1.0, 2: 1.2, 1: 9.0}, []

    def seconds_with(count):
        tried.append(count)
        return seconds.get(count, 5.0)

    assert threads_module._medians(seconds_with, [8, 4, 2, 1]) == seconds
    assert tried == [8, 4, 2, 1, 1, 8, 4, 2, 8, 4, 2]
    tried.clear()
    seconds[4] = 4.0
    assert threads_module._medians(seconds_with, [8, 4, 2, 1]) == {8: 2.0, 4: 4.0}
    assert tried == [8, 4, 4]


def test_a_moment_in_which_the_machine_was_busy_puts_no_number_out():
    times = {2: iter([1.0, 1.0, 1.0]), 1: iter([9.0, 0.5, 0.5, 0.5])}
    assert threads_module._medians(lambda count: next(times[count]), [2, 1]) == {2: 1.0, 1: 0.5}
    times = {2: iter([9.0, 0.5, 0.5]), 1: iter([1.0, 1.0, 1.0])}
    assert threads_module._medians(lambda count: next(times[count]), [2, 1]) == {2: 0.5, 1: 1.0}


def test_with_several_devices_and_on_a_gpu_nothing_is_measured(tmp_path, measured):
    assert main([*AUTO, "--ctx", "cpu:0,1", "--out", str(tmp_path / "run")]) == 0
    assert " a device, not measured with several of them" in (tmp_path / "run" / "train.log").read_text()
    run = Run(tmp_path / "gpu", get_recipe("lenet"), {"threads": "auto"})
    number, why = threads_module.choose_threads(run, [mx.gpu()], None, None, False)
    assert (number, why) == (_runtime.threads(), f"threads: {number}, not measured, since the GPU does the work")
    assert not measured


def test_another_cpu_context_is_measured_with_its_own_threads(tmp_path, measured, monkeypatch):
    numbers, set_threads = [], threads_module.set_threads

    def setting(number, devices):
        set_threads(number, devices)
        numbers.append((number, openmp_threads(1)))

    monkeypatch.setattr(threads_module, "set_threads", setting)
    assert main([*AUTO, "--ctx", "cpu:1", "--out", str(tmp_path / "run")]) == 0
    assert len(measured) == 1
    assert {number for number, _ in numbers} == {1, 2}
    assert all(number == of_openmp for number, of_openmp in numbers)


def test_a_fixed_number_is_for_every_device(tmp_path, measured):
    main(["train", "lenet", *SMALL_RUN, "--threads", "1", "--ctx", "cpu:0,1", "--out", str(tmp_path / "run")])
    assert [openmp_threads(cpu) for cpu in (0, 1)] == [1, 1]


def test_reproduce_goes_on_with_what_its_finished_runs_were_measured_at(tmp_path, measured, monkeypatch):
    recipe = get_recipe("lenet", data="sample", train_size=256, test_size=128, batch_size=64, epochs=1, init="seed")
    runs = [
        Run(tmp_path / str(seed), type(recipe)(**{**vars(recipe), "seed": seed}), {"threads": "auto"})
        for seed in range(2)
    ]
    train_missing(runs[:1], quiet=True)
    kept = settings_of(runs[0].directory)["measured_threads"]
    monkeypatch.setattr(threads_module, "_measured", {})  # as in another process
    monkeypatch.setattr(threads_module, "_step_seconds", lambda *_: {3 - kept: 0.0, kept: 1.0})
    other = Run(tmp_path / "2", type(recipe)(**{**vars(recipe), "seed": 2}), {"threads": "auto"})
    train_missing(runs, quiet=True)
    assert settings_of(runs[1].directory)["measured_threads"] == kept

    for run in runs:  # as if they came from a larger machine
        config = json.loads((run.directory / "config.json").read_text())
        config["machine"]["cores"] = 64
        (run.directory / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(threads_module, "_measured", {})
    train_missing([*runs, other], quiet=True)
    assert settings_of(other.directory)["measured_threads"] == 3 - kept


def test_more_than_this_machine_has_is_refused_on_resume(tmp_path, measured, fails):
    out = tmp_path / "run"
    assert main([*AUTO, "--out", str(out)]) == 0
    config = json.loads((out / "config.json").read_text())
    config["settings"]["measured_threads"] = 4096
    (out / "config.json").write_text(json.dumps(config))
    command = ["train", "lenet", "--out", str(out), "--resume", "--epochs", "2"]
    assert f"measured_threads is 4096, but there are {os.cpu_count()} processors" in fails(*command)
    assert main([*command, "--threads", "1"]) == 0
    assert json.loads((out / "config.json").read_text())["resumed"][-1]["machine"]["threads"] == 1


def test_in_a_job_of_several_workers_nothing_is_measured(tmp_path):
    launch = [sys.executable, "-m", "gluon_cnn.launch", "-n", "2", "--", "gluon-cnn", *AUTO, "--kvstore", "dist_sync"]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    result = subprocess.run(
        [*launch, "--out", str(tmp_path / "run")], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count(" a worker, not measured, since workers may share a machine") == 1
    assert settings_of(tmp_path / "run")["measured_threads"] is None


def test_wrong_words(fails, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for word in ("fast", "1.5", "", "AUTO"):
        for words in (["train", "lenet", "--data", "sample"], ["reproduce"]):
            expected = f"threads is {word!r}; it must be a whole number of 1 or more, or auto."
            assert expected in fails(*words, f"--threads={word}")
    assert "invalid int value: 'auto'" in fails("evaluate", "run", "--threads", "auto")
    assert list(tmp_path.iterdir()) == []

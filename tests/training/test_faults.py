"""Runs that are killed, and disks that fail: a run goes on to the same bits, or stops with one line and what it had."""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from conftest import KILLED_AT, SMALL_RUN
from test_train import RANDOM_RUN, result_of, train

from gluon_cnn.training.checkpoint import last_checkpoint


def test_killed_at_twenty_moments_a_run_ends_in_the_same_bits(tmp_path):
    """During steps, saves, the test pass, the first epoch, between any two writes."""
    run = [*RANDOM_RUN, "--epochs", "10", "--checkpoint-every", "2", "--quiet"]
    train(*run, "--out", tmp_path / "whole")
    out, log = tmp_path / "killed", tmp_path / "killed" / "train.log"
    generator, kills = random.Random(0), 0
    while kills < 20:
        begun = (out / "config.json").exists()
        arguments = ["train", "nin", "--resume", "--quiet"] if begun else run
        if kills % 2:
            number, wait = generator.randint(1, 12), None
        else:
            number, wait = 0, generator.uniform(0, 0.6)
        lines = log.read_text().count("\n") if log.exists() else 0
        process = subprocess.Popen([sys.executable, "-c", KILLED_AT, str(number), *arguments, "--out", str(out)])
        if wait is not None:
            while process.poll() is None and not (log.exists() and log.read_text().count("\n") > lines):
                time.sleep(0.005)
            time.sleep(wait)
            process.kill()
        process.wait()
        assert process.returncode == -signal.SIGKILL
        kills += 1
    train("train", "nin", "--resume", "--out", out, "--quiet")
    assert result_of(out) == result_of(tmp_path / "whole")


@pytest.fixture
def one_epoch(tmp_path):
    """A run of one epoch, and what goes on with it to a second."""
    train("train", "lenet", *SMALL_RUN, "--out", tmp_path / "run", "--quiet")
    return tmp_path / "run", ["train", "lenet", "--epochs", "2", "--out", tmp_path / "run", "--resume"]


#: Goes on with a run while no file can grow beyond what 100 kB hold, as on a disk that is full.
FULL_DISK = """
import resource, sys
from gluon_cnn.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("size", [20_000, 100_000, 177_500])
def test_a_disk_that_fills_up_stops_the_run_with_a_line_and_leaves_what_was_saved(one_epoch, size):
    run, again = one_epoch
    before = result_of(run)
    assert (run / "checkpoint" / "epoch-001" / "net.params").stat().st_size > 177_500
    command = [sys.executable, "-c", FULL_DISK, str(size), *map(str, again)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "No checkpoint can be written" in done.stderr
    assert "the earlier ones are whole; make room and go on with --resume" in done.stderr
    assert [path.name for path in (run / "checkpoint").iterdir()] == ["epoch-001"]
    assert result_of(run) == before
    train(*again, "--quiet")


@pytest.mark.parametrize(
    ("where", "number"),
    [("os.fsync", errno.EIO), ("pathlib.Path.mkdir", errno.EROFS), ("pathlib.Path.rename", errno.EIO)],
)
def test_a_disk_that_fails_stops_the_run_with_a_line_and_leaves_what_was_saved(
    one_epoch, fails, monkeypatch, where, number
):
    run, again = one_epoch
    before = result_of(run)

    def fail(path, *_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        # From the first checkpoint on: the process has begun.
        take = sys.modules["gluon_cnn.training.saver"].take_snapshot

        def take_and_fail(*args):
            patch.setattr(where, fail)
            return take(*args)

        patch.setattr("gluon_cnn.training.saver.take_snapshot", take_and_fail)
        assert os.strerror(number) in fails(*again)
    assert last_checkpoint(run / "checkpoint").name == "epoch-001"
    assert result_of(run) == before
    train(*again, "--quiet")


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    """Two finished runs of three epochs, of another seed each, and the end of the first."""
    directory = tmp_path_factory.mktemp("two")
    for seed in (1, 2):
        out = directory / str(seed)
        train("train", "lenet", *SMALL_RUN, "--epochs", "3", "--momentum", "0.5", "--seed", seed, "--out", out)
    return directory / "1", directory / "2", result_of(directory / "1")


def flip(content, position):
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


DAMAGES = {
    "header": lambda content: flip(content, 3),
    "middle": lambda content: flip(content, len(content) // 2),
    "end": lambda content: flip(content, len(content) - 2),
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "one byte short": lambda content: content[:-2],  # a JSON file ends with a line feed that says nothing
}


@pytest.mark.parametrize("name", ["net.params", "trainer.states", "manifest.json"])
@pytest.mark.parametrize("damage", [*DAMAGES, "another run's"])
def test_a_damaged_file_of_the_last_checkpoint_costs_an_epoch_and_no_bit(tmp_path, two_runs, name, damage):
    run, other, end = two_runs
    out = shutil.copytree(run, tmp_path / "run")
    path = out / "checkpoint" / "epoch-003" / name
    if damage in DAMAGES:
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    else:
        shutil.copy(other / path.relative_to(out), path)
    train("train", "lenet", "--out", out, "--resume")
    assert result_of(out) == end
    assert (out / "checkpoint" / "epoch-003.damaged").is_dir()


def test_a_whole_checkpoint_of_another_run_is_not_gone_on_from(tmp_path, two_runs, caplog):
    run, other, end = two_runs
    out = shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(out / "checkpoint" / "epoch-003")
    shutil.copytree(other / "checkpoint" / "epoch-003", out / "checkpoint" / "epoch-003")
    train("train", "lenet", "--out", out, "--resume")
    assert "epoch-003 is another run's, with seed 2, not 1; it is epoch-003.damaged now" in caplog.text
    assert result_of(out) == end


#: Trains and prints the process's resident bytes after each epoch.
WATCHED = """
import sys
import psutil
from gluon_cnn.cli import main
from gluon_cnn.training import Run
write = Run.write_history
def write_and_print(run, history):
    write(run, history)
    print(psutil.Process().memory_info().rss, file=sys.stderr)
Run.write_history = write_and_print
sys.exit(main(sys.argv[1:]))
"""


def test_ten_thousand_steps_need_no_more_memory_than_one_thousand(tmp_path):
    # 250 steps an epoch, a checkpoint after each.
    run = ["train", "lenet", "--data", "sample", "--batch-size", "8", "--test-size", "8", "--epochs", "40", "--quiet"]
    command = [sys.executable, "-c", WATCHED, *run, "--out", tmp_path / "run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0
    resident = [int(line) for line in done.stderr.splitlines()]
    assert len(resident) == 41  # and once more at the end
    assert max(resident[-3:]) < 1.05 * resident[3]

"""Runs that are killed, and disks that fail: they resume to the same bits, or stop with a line and what they had."""

import errno
import os
import random
import shutil
import signal
import statistics
import time

import pytest
from runs import (
    KILLED_AT,
    RANDOM,
    SMALL,
    SMALL_NETWORK,
    SMALL_RUN,
    command,
    flags,
    history_of,
    result_of,
    resume,
    run_process,
    start,
    train,
)

from gluon_cnn.errors import CheckpointError, RunError
from gluon_cnn.training import saver as saver_module
from gluon_cnn.training.checkpoints import last_checkpoint


def test_killed_ten_times_ends_in_the_same_bits(tmp_path):
    """During steps, saves, the test pass, the first epoch, between any two writes."""
    recipe = {**RANDOM, "side": 28, "epochs": 10}
    run = ["train", SMALL_NETWORK, *flags(**recipe), "--checkpoint-every", "2", "--quiet"]
    train(tmp_path / "whole", SMALL_NETWORK, **recipe)
    out, log = tmp_path / "killed", tmp_path / "killed" / "train.log"
    generator, kills, whole = random.Random(0), 0, result_of(tmp_path / "whole")
    while kills < 10:
        begun = (out / "config.json").exists()
        arguments = ["train", SMALL_NETWORK, "--resume", "--quiet"] if begun else run
        if kills % 2:
            number, wait = generator.randint(1, 12), None
        else:
            number, wait = 0, generator.uniform(0, 0.2)
        lines = log.read_text().count("\n") if log.exists() else 0
        process = start(KILLED_AT, number, *arguments, "--out", out)
        if wait is not None:
            while process.is_alive() and not (log.exists() and log.read_text().count("\n") > lines):
                time.sleep(0.005)
            time.sleep(wait)
            process.kill()
        process.join(120)
        if process.exitcode == 0:  # a fast machine was done before: once more from the beginning
            assert result_of(out) == whole
            shutil.rmtree(out)
            continue
        assert process.exitcode == -signal.SIGKILL
        kills += 1
    command("train", SMALL_NETWORK, "--resume", "--out", out, "--quiet")
    assert result_of(out) == whole


@pytest.fixture
def one_epoch(tmp_path):
    """A run of one epoch, and a command that resumes it to a second one."""
    train(tmp_path / "run", **SMALL)
    return tmp_path / "run", ["train", "lenet", "--epochs", "2", "--out", tmp_path / "run", "--resume", "--quiet"]


#: Resumes a run while no file can grow beyond some sizes, one after another, as on a disk that is full.
FULL_DISK = """
import resource, sys
from gluon_cnn.cli import main
for size in sys.argv[1].split(","):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), resource.RLIM_INFINITY))
    print(main(sys.argv[2:]), flush=True)
"""


def test_full_disk_stops_the_run_with_a_line(one_epoch):
    """And leaves what was saved."""
    run, again = one_epoch
    before = result_of(run)
    assert (run / "checkpoint" / "epoch-001" / "net.params").stat().st_size > 177_500
    done = run_process(FULL_DISK, "20000,100000,177500", *again)
    assert done.out.split() == ["1", "1", "1"]
    lines = done.error.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert "No checkpoint can be written" in line
        assert "the earlier ones are whole: make room and resume the run (--resume)" in line
    assert [path.name for path in (run / "checkpoint").iterdir()] == ["epoch-001"]
    assert result_of(run) == before
    command(*again)


def test_run_without_a_checkpoint_says_so(tmp_path):
    run = tmp_path / "run"
    done = run_process(FULL_DISK, "20000", "train", "lenet", *SMALL_RUN, "--out", run, "--quiet")
    assert "and there is no earlier one: make room and resume the run (--resume)" in done.error
    command("train", "lenet", "--out", run, "--resume", "--quiet")
    assert "there is no checkpoint yet, so the run begins anew" in (run / "train.log").read_text()
    assert len(history_of(run)) == 1


@pytest.mark.parametrize(
    ("where", "number"),
    [("os.fsync", errno.EIO), ("pathlib.Path.mkdir", errno.EROFS), ("pathlib.Path.rename", errno.EIO)],
)
def test_failing_disk_stops_the_run_with_a_line(one_epoch, monkeypatch, where, number):
    """And leaves what was saved."""
    run, _ = one_epoch
    before = result_of(run)
    take = saver_module.take_snapshot

    def fail(path, *_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:

        def take_and_fail(*args):
            """From the first checkpoint on: the process has begun."""
            patch.setattr(where, fail)
            return take(*args)

        patch.setattr(saver_module, "take_snapshot", take_and_fail)
        with pytest.raises(RunError, match=os.strerror(number)):
            resume(run, epochs=2)
    assert last_checkpoint(run / "checkpoint").name == "epoch-001"
    assert result_of(run) == before
    resume(run)


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    """Two finished runs of three epochs, of another seed each, and the end of the first."""
    directory = tmp_path_factory.mktemp("two")
    for seed in (1, 2):
        train(directory / str(seed), **{**SMALL, "epochs": 3, "momentum": 0.5, "seed": seed})
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
def test_damaged_checkpoint_costs_an_epoch_and_no_bit(tmp_path, two_runs, caplog, name, damage):
    run, other, end = two_runs
    out = shutil.copytree(run, tmp_path / "run")
    path = out / "checkpoint" / "epoch-003" / name
    if damage in DAMAGES:
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    else:
        shutil.copy(other / path.relative_to(out), path)
    resume(out)
    assert result_of(out) == end
    assert (out / "checkpoint" / "epoch-003.damaged").is_dir()
    assert (damage == "another run's" and name == "manifest.json") or (
        f"epoch-003 is damaged: {name} is not as it was written; it is epoch-003.damaged now" in caplog.text
    )


def test_whole_checkpoint_of_another_run_is_not_used(tmp_path, two_runs, caplog):
    run, other, end = two_runs
    out = shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(out / "checkpoint" / "epoch-003")
    shutil.copytree(other / "checkpoint" / "epoch-003", out / "checkpoint" / "epoch-003")
    resume(out)
    assert (
        "epoch-003 is of another recipe, with seed 2, where config.json has 1; it is epoch-003.damaged now"
        in caplog.text
    )
    assert result_of(out) == end


def test_failed_resume_leaves_the_config(tmp_path, two_runs):
    out = shutil.copytree(two_runs[0], tmp_path / "run")
    for path in out.glob("checkpoint/*/net.params"):
        path.write_bytes(b"")
    before = (out / "config.json").read_bytes()
    with pytest.raises(CheckpointError, match="is whole"):
        resume(out)
    assert (out / "config.json").read_bytes() == before


#: Trains and prints the process's resident bytes after each epoch.
WATCHED = """
import sys
import psutil
from gluon_cnn.cli import main
from gluon_cnn.training.directory import RunDirectory
write = RunDirectory.write_history
def write_and_print(run, history):
    write(run, history)
    print(psutil.Process().memory_info().rss, file=sys.stderr, flush=True)
RunDirectory.write_history = write_and_print
sys.exit(main(sys.argv[1:]))
"""


def test_memory_does_not_grow_with_the_steps(tmp_path):
    # 100 steps an epoch, a checkpoint after each.
    sizes = flags(data="sample", train_size=800, test_size=8, batch_size=8, epochs=20)
    done = run_process(WATCHED, "train", "lenet", *sizes, "--threads", "1", "--quiet", "--out", tmp_path / "run")
    assert done.code == 0, done.error
    resident = [int(line) for line in done.error.splitlines()]
    assert len(resident) == 21  # and once more at the end
    grown = [after - before for before, after in zip(resident[4:], resident[5:])]
    assert statistics.median(grown) < 100_000  # bytes an epoch: a thousand a step
    assert max(resident) < 1.05 * resident[4]

"""A run whose directory is moved, deleted or replaced while it is trained: nobody else's files change, and what can be
kept is kept."""

import errno
import os
import shutil

import portalocker
import pytest
from runs import SMALL, SMALL_NETWORK, command, flags, interrupted_after, result_of, resume, train

from gluon_cnn.cli import main
from gluon_cnn.comparison import results
from gluon_cnn.errors import RunError
from gluon_cnn.training import directory as directory_module
from gluon_cnn.training import held as held_module
from gluon_cnn.training import saver as saver_module
from gluon_cnn.training.directory import RunDirectory
from gluon_cnn.training.held import DirectoryLost, HeldDirectory

RECIPE = {**SMALL, "epochs": 3, "optimizer": "adam", "lr": 0.001}
EACH_STEP = {"checkpoint_every": 1}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The directory of a run that nothing happened to."""
    directory = tmp_path_factory.mktemp("whole") / "run"
    train(directory, SMALL_NETWORK, **RECIPE)
    return directory


def contents(directory):
    return {path: path.is_file() and path.read_bytes() for path in directory.rglob("*")}


def at_snapshot(monkeypatch, number, action):
    """Do something just before a checkpoint is written."""
    take, taken = saver_module.take_snapshot, []

    def counting(*arguments):
        taken.append(None)
        if len(taken) == number:
            action()
        return take(*arguments)

    monkeypatch.setattr(saver_module, "take_snapshot", counting)


def lose(monkeypatch, out, action, number=3):
    """Train while something happens to the run's directory before a checkpoint; the error."""
    at_snapshot(monkeypatch, number, action)
    with pytest.raises(DirectoryLost) as raised:
        train(out, SMALL_NETWORK, EACH_STEP, **RECIPE)
    monkeypatch.undo()
    return raised.value


PLACES = {
    "nothing": lambda out, foreign: None,
    "another run": lambda out, foreign: shutil.copytree(foreign, out),
    "an empty directory": lambda out, foreign: out.mkdir(),
    "a file": lambda out, foreign: out.write_text("precious"),
    "a link": lambda out, foreign: out.symlink_to(foreign),
    "a link that leads nowhere": lambda out, foreign: out.symlink_to("nowhere"),
}


@pytest.mark.parametrize(("place", "number"), [*((place, 6) for place in PLACES), ("another run", 1)])
def test_moved_run_is_saved_where_it_is(tmp_path, monkeypatch, whole, place, number):
    out, foreign = tmp_path / "run", shutil.copytree(whole, tmp_path / "foreign")
    before = {}

    def move():
        out.rename(tmp_path / "moved")
        PLACES[place](out, foreign)
        before.update(contents(tmp_path / "foreign"), **{"out": contents(out)})

    error = lose(monkeypatch, out, move, number)
    assert str(error) == (
        f"{out} was moved to {tmp_path / 'moved'} during its run, which was stopped and saved there: resume it from "
        "there."
    )
    assert {**contents(foreign), "out": contents(out)} == before
    states = [path.name for path in (tmp_path / "moved" / "checkpoint").iterdir()]
    assert {1: "epoch-000-step-00001", 6: "epoch-001-step-00001"}[number] in states
    resume(tmp_path / "moved")
    assert result_of(tmp_path / "moved") == result_of(whole)


def test_moved_run_where_proc_is_missing(tmp_path, monkeypatch, whole):
    """As on other systems than Linux."""
    out, before = tmp_path / "run", {}

    def move():
        out.rename(tmp_path / "moved")
        before.update(contents(shutil.copytree(whole, out)))

    monkeypatch.setattr(held_module, "_BY_DESCRIPTOR", "/nowhere/{}")
    error = lose(monkeypatch, out, move)
    assert str(error) == (
        f"{out} no longer leads to its run, as after an unmount; the run was stopped; what came after its last "
        "checkpoint is lost: bring that directory back and resume it."
    )
    assert contents(out) == before
    resume(tmp_path / "moved")
    assert result_of(tmp_path / "moved") == result_of(whole)


def test_renamed_parent_is_a_move(tmp_path, monkeypatch):
    out = tmp_path / "parent" / "run"
    error = lose(monkeypatch, out, lambda: out.parent.rename(tmp_path / "other"))
    assert f"was moved to {tmp_path / 'other' / 'run'} during its run" in str(error)
    assert not out.parent.exists()


def test_link_to_the_moved_directory_changes_nothing(tmp_path, monkeypatch, whole):
    out = tmp_path / "run"

    def move():
        out.rename(tmp_path / "moved")
        out.symlink_to("moved")

    at_snapshot(monkeypatch, 3, move)
    train(out, SMALL_NETWORK, EACH_STEP, **RECIPE)
    assert result_of(tmp_path / "moved") == result_of(whole)


def test_deleted_directory_stays_deleted(tmp_path, monkeypatch):
    error = lose(monkeypatch, tmp_path / "run", lambda: shutil.rmtree(tmp_path / "run"))
    assert str(error) == (
        f"{tmp_path / 'run'} was deleted during its run, which was stopped, and nothing could be kept: begin it again."
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("names", [["run.lock"], ["config.json"], ["small_network.py"], "all files"])
def test_lost_files_are_written_again(tmp_path, monkeypatch, whole, names):
    out = tmp_path / "run"

    def remove():
        for path in [path for path in out.iterdir() if path.is_file()] if names == "all files" else names:
            (out / path).unlink()

    error = lose(monkeypatch, out, remove)
    assert str(error) == (
        f"Files of {out} were removed or replaced during its run, which was stopped and saved there: resume it, or "
        "remove what is left."
    )
    resume(out)
    assert result_of(out) == result_of(whole)


def test_run_taken_by_another_process_is_left(tmp_path, monkeypatch):
    out, other, before = tmp_path / "run", [], {}

    def take():
        (out / "run.lock").unlink()
        other.append(HeldDirectory(out))
        before.update(contents(out / "checkpoint"))

    error = lose(monkeypatch, out, take)
    assert f"{out} was taken over by process {os.getpid()} during its run, which was stopped" in str(error)
    assert contents(out / "checkpoint") == before
    other[0].close()


def test_figures_of_a_moved_run_touch_nobody_elses(tmp_path, monkeypatch, capsys, lenet_run):
    """It is moved while they are drawn."""
    out, before = tmp_path / "run", {}
    draw = results.figures.save_curves

    def move_and_draw(*arguments):
        out.rename(tmp_path / "moved")
        before.update(contents(shutil.copytree(lenet_run, out)))
        draw(*arguments)

    monkeypatch.setattr(results.figures, "save_curves", move_and_draw)
    assert main(["train", "lenet", *flags(**SMALL), "--out", str(out), "--quiet"]) == 1
    assert f"was moved to {tmp_path / 'moved'} during its run" in capsys.readouterr().err
    assert contents(out) == before
    assert (tmp_path / "moved" / "curves.png").exists()


def failing_lock(number):
    """As portalocker's, where the system's call fails."""

    def lock(*_):
        raise portalocker.exceptions.LockException(OSError(number, os.strerror(number)))

    return lock


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EINVAL])
def test_file_system_without_locks(tmp_path, monkeypatch, caplog, number):
    """One warning; and of two processes that train in one directory, the first stops."""

    monkeypatch.setattr(portalocker, "lock", failing_lock(number))
    train(tmp_path / "run", **SMALL)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"the file system of {tmp_path / 'run'} has no locks ({os.strerror(number)}): do not start another process "
        "in it"
    ]
    run = RunDirectory.open(tmp_path / "run")
    with run.locked():
        run.write_history(run.history)
        (run.directory / "run.lock").write_text("17\n")
        with pytest.raises(DirectoryLost, match="taken over by process 17 during its run"):
            run.write_history(run.history)


def test_lock_that_fails_otherwise_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(portalocker, "lock", failing_lock(errno.EIO))
    with pytest.raises(RunError, match=r"cannot be written \(Input/output error\): choose another one"):
        train(tmp_path / "run", **SMALL)


ADVICE = {
    errno.ENOSPC: "make room and resume the run",
    errno.EDQUOT: "make room and resume the run",
    errno.EROFS: "see that it can be written and resume the run",
    errno.EACCES: "see that it can be written and resume the run",
}


@pytest.mark.parametrize(("number", "name"), zip(ADVICE, ["history.csv", "curves.png"] * 2))
def test_file_that_cannot_be_written_is_named(tmp_path, monkeypatch, fails, name, number):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    function = {"history.csv": (directory_module, "write_history"), "curves.png": (results.figures, "save_curves")}
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(*function[name], fail)
        line = fails("train", "lenet", *flags(**SMALL), "--out", out, "--quiet")
    assert line == (
        f"gluon-cnn: {out / name} cannot be written ({os.strerror(number)}): {ADVICE[number]} (--resume).\n"
    )
    command("train", "lenet", "--resume", "--out", out, "--quiet")


def test_stop_is_reported_though_nothing_can_be_drawn(tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(results.figures, "save_curves", fail)
    with interrupted_after(6):
        assert main(["train", "lenet", *flags(**RECIPE), "--out", str(tmp_path / "run")]) == 130
    printed = capsys.readouterr()
    assert f"train lenet --out {tmp_path / 'run'} --resume" in printed.err
    assert f"{tmp_path / 'run' / 'curves.png'} cannot be written (No space left on device)" in printed.out


@pytest.mark.parametrize("name", ["file", "FIFO", "dangling", "file/run", "n" * 256, "/".join(["n" * 200] * 20)])
def test_impossible_directory_is_refused_at_once(tmp_path, monkeypatch, name):
    (tmp_path / "file").write_text("precious")
    os.mkfifo(tmp_path / "FIFO")
    (tmp_path / "dangling").symlink_to("nowhere")
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr("gluon_cnn.training.train_run.load_data", None)  # nothing is loaded
    with pytest.raises(RunError, match=r"is not a directory: choose|is too long for a run: choose"):
        train(tmp_path / name, **SMALL)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", [b"run\xff\xe9", b"n" * 255])
def test_directory_of_an_unusual_name(tmp_path, name):
    out = tmp_path / os.fsdecode(name)
    command("train", SMALL_NETWORK, *flags(**SMALL), "--out", out, "--quiet")
    command("train", SMALL_NETWORK, "--resume", "--epochs", "2", "--out", out, "--quiet")
    command("evaluate", out)
    command("compare", out)
    command("report", tmp_path)
    assert RunDirectory.open(out).epochs_done == 2

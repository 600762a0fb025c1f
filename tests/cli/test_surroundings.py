"""What a command does where standard streams are closed or full, or the environment is odd: its work, or one line."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest
from runs import CLI, history_of, small

from gluon_cnn.cli import main
from gluon_cnn.errors import DataError


def shell(words, redirections="", **environment):
    """Run a command of the program in a shell, with redirections; its exit code, and what it printed."""
    line = f"set -o pipefail; {shlex.join([*CLI, *map(str, words)])} {redirections}"
    done = subprocess.run(
        ["bash", "-c", line],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert "Traceback" not in done.stdout + done.stderr
    assert "Exception ignored" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("words", [["train", "--help"], ["report", "no-such-directory"]])
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", ">&- 2>&- <&-", "| true", "2>&1 | true"])
def test_streams_that_are_closed(words, closed):
    code, out, error = shell(words, closed)
    failed = words[0] == "report"
    assert code == int(failed)
    if failed and "2>" not in closed:
        assert error == "gluon-cnn: no-such-directory is not a directory: name one that holds runs.\n"
    if failed and closed == "2>&-":
        assert out.startswith("gluon-cnn: ")  # where it can still be read
    elif "2>" in closed:
        assert error == ""


@pytest.mark.parametrize("words", [["--version"], ["train", "--help"], ["data"]])
def test_output_that_cannot_be_written_is_one_line(words):
    full = "gluon-cnn: standard output or a file: No space left on device.\n"
    assert shell(words, "> /dev/full") == (1, "", full)


def test_run_without_streams_is_whole(tmp_path):
    words = ["train", "lenet", *small(64, 32, 32), "--out", tmp_path / "run"]
    assert shell(words, ">&- 2>&- <&-") == (0, "", "")
    assert len(history_of(tmp_path / "run")) == 1
    assert (tmp_path / "run" / "curves.png").exists()


def test_run_continues_where_output_is_full(tmp_path):
    words = ["train", "lenet", *small(64, 32, 32), "--out", tmp_path / "run"]
    code, _, error = shell(words, "> /dev/full")
    assert code == 0
    assert error.startswith("gluon-cnn: standard output cannot be written (No space left on device)")
    assert error.count("\n") == 1
    assert len(history_of(tmp_path / "run")) == 1


def test_figure_that_fails_does_not_fail_the_run(tmp_path):
    words = ["train", "lenet", *small(64, 32, 32), "--out", tmp_path / "run"]
    code, out, _ = shell(words, MPLBACKEND="nonsense", PYTHONWARNINGS="error")
    assert code == 0
    assert "curves.png was not drawn: Matplotlib cannot be imported" in out
    assert "change or unset MPLBACKEND='nonsense'" in out
    assert not (tmp_path / "run" / "curves.png").exists()


def test_measured_threads_are_those_that_openmp_gives(tmp_path):
    words = ["train", "lenet", *small(64, 32, 32), "--threads", "auto", "--out", tmp_path / "run"]
    assert shell(words, OMP_THREAD_LIMIT="1")[0] == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["settings"]["measured_threads"] == 1


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OMP_NUM_THREADS", "²", ["summary", "lenet"]),
        ("OMP_NUM_THREADS", "100000", ["launch", "-n", "2", "--", "train", "lenet", "--kvstore", "dist_sync"]),
        ("TQDM_NCOLS", "abc", ["report", "no-such-directory"]),
        ("DMLC_ROLE", "foo", ["train", "lenet"]),
        ("MXNET_HOME", "~no-such-user", ["data"]),
    ],
)
def test_variable_that_is_wrong_is_one_line(name, value, words):
    code, out, error = shell(words, **{name: value})
    assert (code, out) == (1, "")
    assert error.startswith("gluon-cnn: ")
    assert error.count("\n") == 1
    assert name in error


def test_doctor_shows_every_wrong_variable(capsys, monkeypatch):
    monkeypatch.setenv("MXNET_ENGINE_TYPE", "x")
    monkeypatch.setenv("OMP_STACKSIZE", "16k")
    monkeypatch.setenv("MXNET_HOME", "~no-such-user")
    assert main(["doctor"]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "problem environment MXNET_ENGINE_TYPE is 'x'; it must be ThreadedEnginePerDevice" in text
    assert "problem environment OMP_STACKSIZE is '16k'; it must be from 256K to 1G → change or unset it" in text
    assert "~no-such-user is in the home directory of a user who has none" in text


def test_user_without_home_is_told_what_to_set(monkeypatch):
    from gluon_cnn.data.verified import data_home

    def no_home(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("MXNET_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", no_home)
    with pytest.raises(DataError, match=r"set MXNET_HOME to a directory for data sets"):
        data_home()

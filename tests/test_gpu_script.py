"""``benchmarks/on_a_gpu.py``: what fails in it is one line, and does not keep the other steps from being taken."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "on_a_gpu.py"
#: The script with two short commands, after that of --first.
PROGRAM = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
import on_a_gpu
def steps(args):
    if args.first:
        yield "first", args.first
    yield "selftest", [sys.executable, "-c", "raise SystemExit(1)"]
    yield "last", [sys.executable, "-c", "print(1)"]
on_a_gpu.steps, on_a_gpu.DEVICE = steps, ""
sys.argv[:2] = ["on_a_gpu.py"]
on_a_gpu.main()
"""


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    spec = importlib.util.spec_from_file_location("on_a_gpu", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def begin(*words):
    command = [sys.executable, "-c", PROGRAM, str(SCRIPT.parent), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rows(out):
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def test_program_that_is_not_there_is_a_row(tmp_path):
    process = begin(tmp_path, "--rehearse", "--first", "/no/such/program x")
    printed, error = process.communicate()
    assert (process.returncode, error) == (0, "")
    assert "/no/such/program x cannot be started" in printed
    assert [(row["step"], row["code"]) for row in rows(tmp_path)] == [("first", 127), ("selftest", 1), ("last", 0)]
    process = begin(tmp_path, "--rehearse", "--first", "true")  # what failed is tried again, and nothing else
    process.communicate()
    assert [(row["step"], row["code"]) for row in rows(tmp_path)[3:]] == [("first", 0)]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--rehearse", "--first", "it's"], "--first"),
        (["--data-dir", "nowhere"], "nowhere"),
        (["--rehearse", "--ctx", "tpu"], "There is no context 'tpu'"),
        (["--rehearse", "--ctx", "cpu:0,1"], "name one device"),
    ],
)
def test_bad_arguments_are_one_line(words, reason, tmp_path, script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["on_a_gpu.py", str(tmp_path / "out"), *words])
    with pytest.raises(SystemExit, match="2"):
        script.main()
    assert reason in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_file_in_place_of_the_directory_is_one_line(tmp_path, script, monkeypatch, capsys):
    (tmp_path / "out").write_text("mine")
    monkeypatch.setattr(script, "DEVICE", "")
    monkeypatch.setattr(sys, "argv", ["on_a_gpu.py", str(tmp_path / "out"), "--rehearse"])
    with pytest.raises(SystemExit, match="2"):
        script.main()
    assert "File exists" in capsys.readouterr().err.splitlines()[-1]


def test_damaged_rows_are_left_out(tmp_path):
    good = {"step": "last", "code": 0, "stopped": False}
    damaged = [
        json.dumps(good),
        '{"code": 0}',
        "[]",
        "3",
        '{"step": [], "code": 0, "stopped": false}',
        "\ufffd",
        '{"st',
    ]
    (tmp_path / "results.jsonl").write_text("\n".join(damaged))
    printed, error = begin(tmp_path, "--rehearse").communicate()
    assert error == ""
    assert "last: done before" in printed
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    assert lines[: len(damaged)] == damaged
    assert [json.loads(line)["step"] for line in lines[len(damaged) :]] == ["selftest"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_the_command_and_writes_its_row(number, tmp_path):
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    process = begin(tmp_path, "--rehearse", "--first", f"{sys.executable} -c '{code}'")
    output = tmp_path / "first.out"
    while process.poll() is None and not (output.exists() and output.read_text()):
        time.sleep(0.05)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (128 + number, "")
    assert [(row["step"], row["stopped"]) for row in rows(tmp_path)] == [("first", True)]
    with pytest.raises(ProcessLookupError):
        os.kill(int(output.read_text()), 0)

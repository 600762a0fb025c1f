"""``gluon-cnn launch``: what it runs, and what is wrong with its arguments."""

import sys

import pytest

from gluon_cnn.cli import launch as command
from gluon_cnn.cli import main


@pytest.fixture
def launched(monkeypatch):
    """What was launched: positional and other arguments, in a list."""
    calls = []

    def launch(*args, **options):
        calls.append((*args, options))
        return 7

    monkeypatch.setattr(command, "launch", launch)
    return calls


@pytest.mark.parametrize(
    ("words", "program"),
    [
        (["train", "lenet", "--quick"], [sys.executable, "-m", "gluon_cnn.cli", "train", "lenet", "--quick"]),
        (["examples/x.py", "--out", "--"], [sys.executable, "examples/x.py", "--out", "--"]),
        (["python", "mine.py", "-n", "3"], ["python", "mine.py", "-n", "3"]),
    ],
)
def test_command_or_program_follows_the_dashes(launched, words, program):
    assert main(["launch", "-n", "2", "--", *words]) == 7
    assert launched == [(program, 2, None, {"launcher": "local", "host_file": None, "others": []})]


def test_unknown_options_go_to_mxnets_launcher(launched):
    words = "-n 4 -s 2 --launcher ssh -H hosts --sync-dst-dir /x -- true"
    assert main(["launch", *words.split()]) == 7
    options = {"launcher": "ssh", "host_file": "hosts", "others": ["--sync-dst-dir", "/x"]}
    assert launched == [(["true"], 4, 2, options)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-n 2", "A command is missing after --"),
        ("-n 2 --", "A command is missing after --"),
        ("-- true", "-n/--num-workers"),
        ("-n 1 -- no-such-program", "There is no program no-such-program"),
        ("-n 0 -- true", "num_workers is 0; it must be a whole number of 1 or more (--num-workers)."),
        ("-n two -- true", "num_workers is 'two'; it must be a whole number (--num-workers)."),
        ("-n 1 -s 0 -- true", "num_servers is 0"),
        ("-n 1 --jobname x -- true", "The launcher on this machine has no arguments --jobname x"),
        ("-n 1 --launcher cloud -- true", "launcher is 'cloud'; it must be one of local, ssh"),
        ("-n 1 --launcher ssh -- true", "The launcher ssh needs a file with a host a line (--host-file)."),
        ("-n 1 --launcher ssh -H none -- true", "There is no host file none: name one that exists (--host-file)."),
        ("-n 1 --launcher slurm -- true it's", "with a ' in it"),
    ],
)
def test_wrong_argument_is_one_line(fails, words, message):
    assert message in fails("launch", *words.split())

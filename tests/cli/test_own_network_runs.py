"""Networks of one's own on the command line: ``gluon-cnn train mynet.py:net``."""

import pytest
from runs import command, small

from gluon_cnn import load_run
from gluon_cnn.cli import main

NET = """
from mxnet.gluon import nn

def net(channels=8):
    net = nn.HybridSequential()
    net.add(nn.Conv2D(channels, 3, activation="relu"), nn.GlobalAvgPool2D(), nn.Dense(10))
    return net
"""
SMALL = [*small(32, 32, 32), "--quiet"]


@pytest.fixture
def file(tmp_path, monkeypatch):
    """mynet.py in the current directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynet.py").write_text(NET)
    return tmp_path / "mynet.py"


def test_run_keeps_the_file_and_its_options(file):
    command("train", "mynet.py:net", "--set", "channels=4", *SMALL, "--out", "run")
    file.unlink()
    run = load_run("run")
    assert run.recipe.options == {"channels": 4}
    assert run.recipe.name == "mynet.py:net"
    assert run.network("cpu")[0].weight.shape == (4, 1, 3, 3)
    command("evaluate", "run")


def test_run_is_resumed_with_the_same_file(file, fails):
    command("train", "mynet.py:net", *SMALL, "--out", "run")
    command("train", "mynet.py:net", *SMALL, "--epochs", "2", "--out", "run", "--resume")
    assert load_run("run").epochs_done == 2
    file.write_text(NET.replace("relu", "tanh"))
    error = fails("train", "mynet.py:net", "--out", "run", "--resume")
    assert "The file of mynet.py:net has changed since run was begun" in error
    file.unlink()
    command("train", "run/mynet.py:net", *SMALL, "--epochs", "3", "--out", "run", "--resume")


def test_run_is_named_after_its_network(file, tmp_path):
    command("train", "mynet.py:net", "--set", "channels=4", *SMALL)
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.startswith("mynet.py-net-")
    assert "channels4" in run.name


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("mynet.py:no", "", "mynet.py has no function 'no'"),
        ("other.py:net", "", "other.py cannot be read"),
        ("mynet.py:net", "--set channels=few", "channels is 'few'; it must be a whole number (--set channels=...)."),
        ("mynet.py:net", "--set chanels=4", "did you mean channels?"),
        ("mynet.py:net", "--init published", "init is 'published'"),
    ],
)
def test_what_is_wrong_with_it_is_named(file, fails, model, options, message):
    assert message in fails("train", model, *options.split(), *SMALL, "--out", "run")


def test_summary_shows_its_layers(file, capsys):
    assert main(["summary", "mynet.py:net", "--resize", "12"]) == 0
    assert "1×8×10×10" in capsys.readouterr().out

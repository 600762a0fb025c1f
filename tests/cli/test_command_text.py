"""Commands as text: the one that trains a run gives its recipe and settings again; the one that resumes it works."""

import json
import shlex
import signal
import sys

import pytest
from runs import CLI

from gluon_cnn import get_recipe
from gluon_cnn.cli import main
from gluon_cnn.cli.command import resume_command, train_command
from gluon_cnn.cli.train import asked_settings, make_train_parser, recipe_of
from gluon_cnn.errors import RunStopped
from gluon_cnn.training.directory import RunDirectory
from gluon_cnn.training.settings import Settings

OWN = """
from mxnet.gluon import nn

def net(channels=8, activation="relu", bias=True):
    net = nn.HybridSequential()
    net.add(nn.Conv2D(channels, 3, activation=activation, use_bias=bias), nn.GlobalAvgPool2D(), nn.Dense(10))
    return net
"""
SCHEDULE = {"lr_schedule": "cosine", "warmup_epochs": 2, "epochs": 12}
SIZES = {"data": "sample", "train_size": 100, "test_size": 50, "side": 64, "batch_size": 7}
CHANGES = [
    ("lenet", {}),
    ("lenet", {"edition": "en", "seed": 3, "init": "own"}),
    ("nin", {"edition": "adam", "lr": 1e-5}),
    ("alexnet", {"options": {"padding": 1}, "clip_gradient": 0.5, "momentum": 0.9, "optimizer": "nag"}),
    ("nin", {"options": {"final_relu": False, "num_mlp_layers": 1}, "augment": True, "amp": True}),
    ("vgg11", {**SIZES, **SCHEDULE, "options": {"ratio": 8}}),
    ("gluoncv:cifar_resnet20_v1", {**SCHEDULE, "edition": "en"}),
    ("alexnet2012", {}),
    ("alexnet2012", {"optimizer": "adam", "augment": False, "normalize": "off"}),
    ("alexnet2012", {"data": "folder", "side": 99}),
    ("alexnet2012", {"data": "records", "short_side": None, "batch_size": 128}),
    ("nin", {"data": "folder", "batch_size": 16, "lr": 0.1}),
    ("nin2013", {"data": "idx", "lr_schedule": None, "weight_decay": 0.0}),
]


def parse(command):
    """The recipe and the settings that a command asks for."""
    words = shlex.split(command)
    args = make_train_parser().parse_args(words[words.index("train") + 1 :])
    return recipe_of(args), Settings(**asked_settings(args)), args


@pytest.mark.parametrize(("model", "changes"), CHANGES)
def test_command_of_a_run_gives_its_recipe(model, changes, tmp_path):
    recipe = get_recipe(model, **changes)
    command = train_command(RunDirectory(tmp_path / "a run", recipe))
    found, settings, args = parse(command)
    assert (found, settings, args.out) == (recipe, Settings(), str(tmp_path / "a run"))


def test_command_of_the_books_recipe_is_short():
    assert train_command(RunDirectory("runs/x", get_recipe("nin"))) == (
        "gluon-cnn train nin --edition zh-v1 --seed 0 --out runs/x"
    )


def test_command_prefers_flags_to_set():
    recipe = get_recipe("nin", side=96, momentum=0.5, final_relu=False, seed=1)
    assert train_command(RunDirectory("x", recipe)) == (
        "gluon-cnn train nin --edition zh-v1 --resize 96 --init own --seed 1 --set momentum=0.5 --set final_relu=off "
        "--out x"
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"ctx": "cpu:0,1", "hybrid": False, "threads": 1, "data_dir": "/some where", "checkpoint_every": 5},
        {"threads": "auto", "kvstore": "local"},
    ],
)
def test_command_of_a_run_gives_its_settings(settings):
    run = RunDirectory("x", get_recipe("lenet"), Settings(**settings))
    assert parse(train_command(run))[1] == run.settings


def test_measured_threads_are_no_part_of_a_command():
    run = RunDirectory("x", get_recipe("lenet"), Settings(threads="auto", measured_threads=2))
    assert parse(train_command(run))[1] == Settings(threads="auto")


def test_command_of_a_job_launches_its_workers():
    run = RunDirectory("x", get_recipe("lenet", workers=2), Settings(kvstore="dist_sync"))
    command = train_command(run)
    assert command.startswith("gluon-cnn launch -n 2 -- train lenet ")
    assert "--kvstore dist_sync" in command


def test_command_of_an_own_network_gives_its_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynet.py").write_text(OWN)
    recipe = get_recipe("mynet.py:net", channels=4, activation="tanh", bias=False)
    assert parse(train_command(RunDirectory("x", recipe)))[0] == recipe


def test_run_keeps_the_command_that_began_it(tmp_path):
    words = ["train", "lenet", "--data", "sample", "--epochs", "1", "--set", "train_size=32", "--quiet"]
    out = tmp_path / "a run"
    assert main([*words, "--out", str(out)]) == 0
    config = json.loads((out / "config.json").read_text())
    assert config["command"] == shlex.join(["gluon-cnn", *words, "--out", str(out)])


def test_stopped_run_says_how_to_resume_it(tmp_path, monkeypatch, capsys):
    def stop(run, **options):
        raise RunStopped("stopped by SIGINT, and saved", signal.SIGINT)

    monkeypatch.setattr("gluon_cnn.training.train_run.train_run", stop)
    out = tmp_path / "a run"
    assert main(["train", "lenet", "--kvstore", "local", "--data", "sample", "--out", str(out)]) == 130
    line = capsys.readouterr().err
    command = shlex.split(line.partition("resume it with: ")[2])
    assert line.startswith("gluon-cnn: stopped by SIGINT, and saved; resume it with: ")
    assert command[-7:] == ["train", "lenet", "--kvstore", "local", "--out", str(out), "--resume"]


def test_resumed_example_is_the_example(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["examples/train_lenet.py", "--quick"])
    args = make_train_parser().parse_args(["lenet"])
    args.example = True
    run = RunDirectory("x", get_recipe("lenet"))
    expected = [sys.executable, "examples/train_lenet.py", "--out", "x", "--resume"]
    assert shlex.split(resume_command(run, args)) == expected


def test_resumed_worker_is_launched_again(monkeypatch):
    monkeypatch.setenv("DMLC_NUM_WORKER", "2")
    monkeypatch.setenv("DMLC_NUM_SERVER", "1")
    monkeypatch.setattr("gluon_cnn.cli.command._this_program", lambda: CLI)
    run = RunDirectory("x", get_recipe("lenet", workers=2), Settings(kvstore="dist_sync"))
    command = shlex.split(resume_command(run, make_train_parser().parse_args(["lenet"])))
    rest = "launch -n 2 -s 1 -- train lenet --kvstore dist_sync --out x --resume"
    assert command == [*CLI, *rest.split()]

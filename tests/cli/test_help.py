"""Help texts, and which commands work without MXNet."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from gluon_cnn import get_recipe
from gluon_cnn.cli import COMMANDS, main
from gluon_cnn.cli.changes import FIELDS
from gluon_cnn.data import FASHION_MNIST
from gluon_cnn.training.directory import RunDirectory
from gluon_cnn.training.history import EpochResult
from gluon_cnn.training.recipes import book_recipe

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = [command.__name__.rpartition(".")[2].replace("_", "-") for command in COMMANDS]


@pytest.fixture
def help_of(capsys):
    """A function that gives the help text of a command."""

    def text(*words):
        with pytest.raises(SystemExit) as end:
            main([*words, "--help"])
        assert end.value.code == 0
        return capsys.readouterr().out

    return text


def run_example(name, *flags):
    """Run an example as a program; the exit code."""
    argv = sys.argv
    sys.argv = [str(EXAMPLES / name), *flags]
    try:
        with pytest.raises(SystemExit) as end:
            runpy.run_path(sys.argv[0], run_name="__main__")
        return end.value.code
    finally:
        sys.argv = argv


@pytest.mark.parametrize("name", ["", *NAMES])
def test_every_help_text_has_examples(name, help_of):
    assert "examples:\n  gluon-cnn" in help_of(*name.split())


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("name", ["", *NAMES])
def test_help_fits_the_terminal(name, columns, help_of, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    text, _, _ = help_of(*name.split()).partition("\nexamples:")
    words = text[text.index("\n\n") :]  # after the usage, whose words argparse keeps in a column
    assert all(len(line) <= columns for line in words.splitlines())


def test_list_of_commands_has_them_all(help_of):
    text = help_of()
    assert all(f"\n    {name}" in text for name in NAMES)
    assert "write report.html and report.md" in text


def test_help_of_train_lists_every_setting(help_of):
    text = help_of("train")
    for name in FIELDS:
        flag = "--resize" if name == "side" else f"--{name.replace('_', '-')}"
        assert f"\n  {name}=" in text or f"\n  {flag} " in text


def test_network_of_the_help_text_can_be_trained(help_of, tmp_path, monkeypatch):
    lines = help_of("train").splitlines()
    start = lines.index("  from mxnet.gluon import nn")
    end = next(number for number, line in enumerate(lines) if line.startswith("  gluon-cnn train mynet.py:net"))
    (tmp_path / "mynet.py").write_text("\n".join(line[2:] for line in lines[start:end]))
    monkeypatch.chdir(tmp_path)
    small = ["--data", "sample", "--set", "train_size=32", "--set", "test_size=32", "--epochs", "1", "--quiet"]
    assert main([*lines[end].split()[1:3], "--set", "channels=8", *small]) == 0


@pytest.mark.parametrize("name", ["lenet", "alexnet", "vgg", "nin"])
def test_help_of_an_example_is_its_own(name, capsys):
    assert run_example(f"train_{name}.py", "--help") == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: train_{name}.py [-h] [--edition NAME] [--quick]")
    assert "MODEL" not in text
    assert f"  python {EXAMPLES / f'train_{name}.py'} --quick\n" in text


@pytest.mark.parametrize("name", ["lenet", "alexnet", "vgg", "nin"])
def test_each_example_trains_its_network(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sizes = ["--set", "train_size=64", "--set", "test_size=32", *([] if name == "lenet" else ["--resize", "67"])]
    assert run_example(f"train_{name}.py", "--data", "sample", "--batch-size", "32", "--epochs", "1", *sizes) == 0
    assert capsys.readouterr().out.startswith(f"training {'vgg11' if name == 'vgg' else name} on ")
    config = json.loads(next(tmp_path.glob("runs/*/config.json")).read_text())
    assert config["command"].startswith(f"python {EXAMPLES / f'train_{name}.py'} --data sample ")


def test_error_of_an_example_names_its_flags(capsys):
    assert run_example("train_lenet.py", "--epochs", "0") == 1
    assert "epochs is 0; it must be a whole number of 1 or more (--epochs)." in capsys.readouterr().err


WITHOUT_MXNET = """
import sys
from gluon_cnn.cli import main

def end(*argv):
    try:
        return main(list(argv))
    except SystemExit as asked:
        return asked.code

run, runs = sys.argv[1:]
assert end("--help") == end("--version") == end("train", "--help") == end("launch", "--help") == 0
assert end("compare", run) == end("compare", run, run) == end("report", runs) == 0
assert end("launch", "-n", "0", "--", "true") == 1
assert "mxnet" not in sys.modules, "imported"
"""


def test_help_and_comparisons_do_not_import_mxnet(tmp_path):
    recipe = get_recipe("lenet")
    run = RunDirectory(tmp_path / "run", recipe, book=book_recipe(recipe))
    run.dataset = FASHION_MNIST
    run.directory.mkdir()
    run.write_config("gluon-cnn train lenet", threads=1)
    run.write_history([EpochResult(epoch, 1.0, 0.5, 0.5, 3.0, 9000.0, 0) for epoch in range(1, 6)])
    command = [sys.executable, "-c", WITHOUT_MXNET, str(run.directory), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert (tmp_path / "report.html").exists()
    assert (run.directory / "comparison.json").exists()

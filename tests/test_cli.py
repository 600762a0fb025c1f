"""The command line: what it prints, and one line and exit code 1 for every bad input."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL_RUN
from PIL import Image

from gluon_cnn.cli import main
from gluon_cnn.data import CLASSES, SAMPLE, read_fashion_mnist
from gluon_cnn.training import Run

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize("example", ["lenet", "alexnet", "vgg", "nin"])
def test_each_example_trains(example, tmp_path):
    small = ["--data", "sample", "--train-size", "64", "--test-size", "32", "--batch-size", "32", "--epochs", "1"]
    size = [] if example == "lenet" else ["--resize", "67"]
    command = [sys.executable, str(EXAMPLES / f"train_{example}.py"), *small, *size]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("training ")
    assert re.match(r"epoch 1, loss \d\.\d{4}, train acc 0\.\d{3}, test acc 0\.\d{3}, time", lines[1])
    assert lines[-2].startswith("compared with nothing, for it is not the book's recipe: ")
    assert lines[-1].startswith("the run is in runs/")
    assert (tmp_path / lines[-1].split()[-1] / "history.csv").exists()


def test_runs_of_one_name_get_directories_of_their_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["train", "lenet", *SMALL_RUN]) == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["lenet-zh-v1-seed0", "lenet-zh-v1-seed0-2"]


def test_quick_says_that_its_numbers_are_not_the_books(tmp_path, capsys):
    small = ["--data", "sample", "--train-size", "32", "--test-size", "32", "--batch-size", "32"]
    assert main(["train", "nin", "--quick", *small, "--out", str(tmp_path / "run")]) == 0
    assert "its numbers are not the book's" in capsys.readouterr().out
    recipe = Run.open(tmp_path / "run").recipe
    assert (recipe.epochs, recipe.resize, recipe.init) == (1, 96, "seed")


def test_quiet_prints_nothing(tmp_path, capsys):
    assert main(["train", "lenet", *SMALL_RUN, "--quiet", "--out", str(tmp_path / "run")]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_quiet_is_quiet_where_mxnet_itself_logs(tmp_path):
    command = [sys.executable, "-m", "gluon_cnn.cli", "train", "lenet", "--edition", "en", *SMALL_RUN, "--quiet"]
    result = subprocess.run([*command, "--out", str(tmp_path / "run")], capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("", "")


def test_evaluate_measures_what_the_history_says(lenet_run, capsys):
    history = (lenet_run / "history.csv").read_text().splitlines()
    assert main(["evaluate", str(lenet_run)]) == 0
    accuracy = float(history[-1].split(",")[3])
    assert capsys.readouterr().out == f"test accuracy {accuracy:.4f} on 128 test images of the sample, after epoch 2\n"
    assert main(["evaluate", str(lenet_run), "--checkpoint", "best"]) == 0


def test_predict_prints_every_class_with_its_probability(lenet_run, tmp_path, capsys):
    path = tmp_path / "shoe.png"
    Image.fromarray(read_fashion_mnist(SAMPLE)[1].images[9]).save(path)
    assert main(["predict", str(lenet_run), str(path), str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == lines[11] == str(path)
    names, probabilities = zip(*(line.strip().rsplit(None, 1) for line in lines[1:11]))
    assert sorted(names) == sorted(CLASSES)
    values = np.array(probabilities, float)
    assert values.sum() == pytest.approx(1, abs=1e-3)
    assert (np.diff(values) <= 0).all()
    assert lines[1:11] == lines[12:]


def test_predict_of_a_dark_picture(lenet_run, tmp_path, capsys):
    image = read_fashion_mnist(SAMPLE)[1].images[9]
    outputs = []
    for pixels, flags in ((image, []), (255 - image, ["--invert"])):
        Image.fromarray(pixels).save(tmp_path / "shoe.png")
        main(["predict", str(lenet_run), *flags, str(tmp_path / "shoe.png")])
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


def test_summary_of_every_network(capsys):
    for model, parameters in (("nin", "1,992,166"), ("lenet", "44,426"), ("vgg", "43,093,322")):
        assert main(["summary", model]) == 0
        assert parameters in capsys.readouterr().out


def test_data_says_where_it_is(capsys):
    assert main(["data", "--data-dir", str(SAMPLE)]) == 0
    assert f"2,000 training and 500 test images in {SAMPLE}" in capsys.readouterr().out


def test_module_of_the_data(tmp_path):
    command = [sys.executable, "-m", "gluon_cnn.data", "--data-dir", str(tmp_path / "none")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "does not exist" in result.stderr


@pytest.mark.parametrize("command", ["", "train", "evaluate", "predict", "summary", "data", "doctor"])
def test_help_has_examples(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([*command.split(), "--help"])
    assert end.value.code == 0
    assert "examples:\n  gluon-cnn" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["train"], "MODEL"),
        (["train", "resnet"], "no network 'resnet'; use one of alexnet, lenet, nin, vgg11"),
        (["train", "lenet", "--optimizer", "magic"], "optimizer is 'magic'"),
        (["train", "lenet", "--edition", "fr"], "edition is 'fr'; it must be one of zh-v1, en, adam"),
        (["train", "lenet", "--ctx", "tpu"], "no context 'tpu'"),
        (["train", "lenet", "--batch-size", "0"], "batch_size is 0"),
        (["train", "lenet", "--batch-size", "-3"], "batch_size is -3"),
        (["train", "lenet", "--batch-size", "many"], "invalid int value: 'many'"),
        (["train", "lenet", "--epochs", "0"], "epochs is 0"),
        (["train", "lenet", "--epochs", "1.5"], "invalid int value: '1.5'"),
        (["train", "lenet", "--lr", "0"], "lr is 0"),
        (["train", "lenet", "--lr", "-1"], "lr is -1"),
        (["train", "lenet", "--lr", "nan"], "lr is nan"),
        (["train", "lenet", "--lr", "fast"], "invalid float value: 'fast'"),
        (["train", "lenet", "--resize", "0"], "resize is 0"),
        (["train", "lenet", "--resize", "-28"], "resize is -28"),
        (["train", "nin", "--resize", "50"], "67×67 pixels or more, not 50×50"),
        (["train", "lenet", "--seed", "-1"], "seed is -1"),
        (["train", "lenet", "--threads", "0"], "threads is 0"),
        (["train", "lenet", "--train-size", "9999"], "there are only 2000 images"),
        (["train", "lenet", "--resume"], "--resume needs --out"),
        (["train", "nin", "--edition", "adam", "--init", "book"], "no run of edition adam was published"),
        (["summary", "lenet", "--resize", "3"], "16×16 pixels or more"),
        (["evaluate", "no-such-run"], "holds no run"),
        (["predict", "no-such-run", "a.png"], "holds no run"),
    ],
)
def test_bad_input(arguments, message, fails, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if arguments[:1] == ["train"] and len(arguments) > 1:
        arguments = [*arguments, "--data", "sample"]
    assert message in fails(*arguments)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_change_on_resume(lenet_run, fails):
    resume = ["train", "lenet", "--out", lenet_run, "--resume", "--epochs"]
    assert "epochs is 0" in fails(*resume, 0)
    assert "begun for 2 epochs: --epochs may be more, but not 1" in fails(*resume, 1)


def test_sample_is_not_taken_for_the_full_set(fails, tmp_path):
    assert "use --data sample" in fails("train", "lenet", "--data-dir", SAMPLE, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_more_threads_than_processors(fails):
    assert "processors" in fails("train", "lenet", "--threads", 3_000_000_000)


def test_reader_of_the_output_may_go_away(tmp_path):
    command = [sys.executable, "-m", "gluon_cnn.cli", "train", "lenet", *SMALL_RUN, "--out", str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0
    assert (tmp_path / "run" / "history.csv").exists()


def test_terminal_without_a_sign_for_times():
    command = [sys.executable, "-m", "gluon_cnn.cli", "summary", "lenet"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "1?6?24?24" in result.stdout
    assert result.stderr == ""


def test_output_directory_of_another_run(lenet_run, fails):
    before = {path: path.stat().st_mtime_ns for path in lenet_run.rglob("*")}
    assert "holds another run: add --resume" in fails("train", "lenet", *SMALL_RUN, "--out", lenet_run)
    assert {path: path.stat().st_mtime_ns for path in lenet_run.rglob("*")} == before


def test_error_is_one_line_whatever_a_file_is_called(fails):
    assert "a b" in fails("train", "lenet", *SMALL_RUN, "--out", "/proc/a\nb")


def test_output_directory_with_something_else(tmp_path, fails):
    (tmp_path / "thesis.tex").touch()
    assert "is not empty and holds no run" in fails("train", "lenet", *SMALL_RUN, "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_output_directory_that_cannot_be_written(tmp_path, fails):
    (tmp_path / "file").touch()
    assert "cannot be written" in fails("train", "lenet", *SMALL_RUN, "--out", tmp_path / "file" / "run")
    assert "cannot be written" in fails("train", "lenet", *SMALL_RUN, "--out", "/proc/run")


def test_damaged_run(lenet_run, tmp_path, fails):
    run = tmp_path / "run"
    subprocess.run(["cp", "-r", lenet_run, run], check=True)
    parameters = run / "checkpoint" / "epoch-002" / "net.params"
    content = parameters.read_bytes()
    parameters.write_bytes(content[: len(content) // 2])
    assert "epoch-002 is damaged, for net.params" in fails("evaluate", run)
    parameters.write_bytes(content[:5000] + bytes([content[5000] ^ 1]) + content[5001:])
    assert "epoch-002 is damaged, for net.params" in fails("evaluate", run)
    parameters.write_bytes(content)
    settings = json.loads((run / "config.json").read_text())
    for broken in ("{", json.dumps({**settings, "settings": []}), json.dumps({**settings, "recipe": {"model": "nin"}})):
        (run / "config.json").write_text(broken)
        assert "cannot be read as a run's settings" in fails("evaluate", run)
    settings["recipe"].update(model="nin", resize=96, init="seed")
    (run / "config.json").write_text(json.dumps(settings))
    assert "is of another network" in fails("evaluate", run)


def test_run_without_a_checkpoint(lenet_run, tmp_path, fails):
    (tmp_path / "config.json").write_text((lenet_run / "config.json").read_text())
    assert "has no checkpoint yet" in fails("evaluate", tmp_path)


def test_what_only_mxnet_can_refuse_is_one_line_too(tmp_path, fails):
    assert "MXNet failed: " in fails("train", "lenet", *SMALL_RUN, "--lr", "1e300", "--out", tmp_path / "run")


def test_picture_that_is_none(lenet_run, tmp_path, fails):
    (tmp_path / "picture.png").write_text("no picture")
    assert "cannot be read as a picture" in fails("predict", lenet_run, tmp_path / "picture.png")

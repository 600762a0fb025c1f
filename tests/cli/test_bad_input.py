"""One line and exit code 1 for every bad input."""

import json
import shutil

import pytest
from runs import SMALL_RUN

from gluon_cnn.cli import main
from gluon_cnn.data import SAMPLE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "COMMAND"),
        ("fly", "invalid choice: 'fly'"),
        ("train", "MODEL"),
        ("train vit", "no network 'vit'; use one of alexnet, alexnet2012, densenet, googlenet, lenet, lenet_bn, nin, "),
        ("train lenet --edition fr", "edition is 'fr'; it must be one of zh-v1, en, adam (--edition)."),
        ("train lenet --ctx tpu", "no context 'tpu'; use auto, cpu, gpu, or a list such as gpu:0,1 (--ctx)."),
        ("train lenet --batch-size 0", "batch_size is 0; it must be a whole number of 1 or more (--batch-size)."),
        ("train lenet --batch-size -3", "batch_size is -3"),
        ("train lenet --batch-size many", "batch_size is 'many'; it must be a whole number (--batch-size)."),
        ("train lenet --epochs 0", "epochs is 0"),
        ("train lenet --epochs 1.5", "epochs is '1.5'; it must be a whole number"),
        ("train lenet --lr 0", "lr is 0"),
        ("train lenet --lr -1", "lr is -1"),
        ("train lenet --lr nan", "lr is nan"),
        ("train lenet --lr fast", "lr is 'fast'; it must be a number (--lr)."),
        ("train lenet --resize 0", "side is 0; it must be a whole number of 1 or more (--resize)."),
        ("train nin --resize 50", "67×67 pixels or more, not 50×50"),
        ("train lenet --seed -1", "seed is -1"),
        ("train lenet --threads 0", "threads is 0"),
        ("train lenet --threads some", "threads is 'some'; it must be a whole number of 1 or more, or auto"),
        ("train lenet --threads 3000", "processors"),
        ("train lenet --checkpoint-every 0", "checkpoint_every is 0"),
        ("train lenet --kvstore cloud", "kvstore is 'cloud'"),
        ("train lenet --set train_size=9999", "there are only 2000 images (--set train_size=...)."),
        ("train lenet --resume", "name its directory (--out)."),
        ("train nin --edition adam --init published", "no run of edition adam was published: use 'own' (--init)."),
        ("train lenet --momentum 0.9", "Unknown arguments: --momentum 0.9; use --set momentum=0.9."),
        ("train lenet --augment --quiet", "use --set augment=on."),
        ("train lenet --epoch 3", "Unknown arguments: --epoch 3; the nearest is --epochs."),
        ("train lenet three", "Unknown arguments: three; see gluon-cnn train --help."),
        ("reproduce --seeds x", "seeds is 'x'"),
        ("reproduce --momentum 0.9", "Unknown arguments: --momentum 0.9; see gluon-cnn reproduce --help."),
        ("train lenet --out=", "--out has no value; see gluon-cnn train --help."),
        ("train lenet --data-dir=--", "--data-dir has no value"),
        ("compare  --out", "expected one argument"),
        (
            "reproduce --models lenet_bn",
            "No run of lenet_bn was published in edition zh-v1: there are runs of ",
        ),
        ("export lenet_bn --initial published", "No run of lenet_bn was published: use one of lenet, "),
        ("export mynet.py:net --initial published", "No run of mynet.py:net was published"),
        ("export nix --initial published", "no network 'nix'"),
        (
            "export lenet --initial published --edition adam",
            "edition is 'adam'; it must be one of zh-v1, en (--edition).",
        ),
        ("export lenet --initial own", "initial is 'own'; it must be one of published (--initial)."),
        ("export lenet --initial published --out net.onnx", "net.onnx does not end with .safetensors"),
        ("export lenet --initial published --out no/net.safetensors", "is in no, which is not a directory"),
        ("export lenet --initial published --format onnx", "leave the others out (--format)."),
        ("export lenet --initial published --checkpoint best --preprocess", "leave the others out (--preprocess, --ch"),
        (
            "export runs --edition en",
            "A run has its own edition: leave it out, or ask for initial weights (--edition, ",
        ),
        (
            "reproduce --models 0",
            "no network '0'; use one of alexnet, alexnet2012, densenet, googlenet, lenet, lenet_bn, nin, ",
        ),
        ("train lenet --data sample --data-dir nowhere", "data_dir is "),
        ("train lenet --lr 1e300", "lr is 1e+300; it must be below 1e+30 (--lr)."),
        (f"train lenet --epochs {'9' * 5000}", "it must be a whole number with fewer digits (--epochs)."),
        (f"train {'9' * 5000}", "There is no network '9999"),
        (f"train gluon:{'9' * 5000}", "There is no network '9999"),
        (f"evaluate {'9' * 5000}", "gluon-cnn: 9999"),
        (f"train lenet --{'9' * 5000}", "Unknown arguments: --9999"),
        ("summary lenet --resize 3", "16×16 pixels or more"),
        ("evaluate no-such-run", "holds no run"),
        ("predict no-such-run a.png", "holds no run"),
        ("compare no-such-run", "holds no run"),
        ("report no-such-directory", "is not a directory"),
    ],
)
def test_bad_argument_is_one_line(arguments, message, fails, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = arguments.split()
    if arguments[:1] == ["train"] and len(arguments) > 1:
        arguments += ["--data", "sample"]
    line = fails(*arguments)
    assert message in line
    assert len(line) < 1100
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["", " ", "a\0b"])
@pytest.mark.parametrize("flag", ["--out", "--ctx", "--data-dir", None])
def test_empty_word_is_no_value(flag, word, fails):
    line = fails("evaluate", *([flag] if flag else []), word)
    assert ("has no value" if flag else "is empty") in line


def test_quick_on_resume_of_another_run_is_named(lenet_run, fails):
    line = fails("train", "lenet", "--out", lenet_run, "--resume", "--quick")
    assert "was begun for 2 epochs, not for the 1 of a quick run: leave quick out (--quick)." in line


def test_line_of_an_error_moves_no_cursor(fails):
    assert fails("train", "lenet", "--data", "\x1b[2Jx\r")[:-1].isprintable()


def test_epochs_may_only_grow_on_resume(lenet_run, fails):
    resume = ["train", "lenet", "--out", lenet_run, "--resume", "--epochs"]
    assert "epochs is 0" in fails(*resume, 0)
    assert "begun for 2 epochs, and cannot be resumed for 1" in fails(*resume, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("lenet --set momentum=0.5", "momentum 0, not 0.5"),
        ("lenet --seed 1", "seed 0, not 1"),
        ("lenet --edition en", "edition zh-v1, not en"),
        ("lenet --set num_classes=11", "no options, not num_classes 11"),
        ("nin", "model lenet, not nin"),
    ],
)
def test_recipe_cannot_change_on_resume(lenet_run, fails, arguments, message):
    error = fails("train", *arguments.split(), "--out", lenet_run, "--resume")
    assert message in error
    assert error.endswith("--out).\n")


def test_what_the_run_has_may_be_repeated(lenet_run, tmp_path):
    shutil.copytree(lenet_run, tmp_path / "run")
    repeated = ["--edition", "zh-v1", "--set", "momentum=0", "--set", "num_classes=10", *SMALL_RUN, "--epochs", "2"]
    assert main(["train", "LeNet", *repeated, "--quiet", "--resume", "--out", str(tmp_path / "run")]) == 0


def test_sample_is_not_taken_for_the_full_set(fails, tmp_path):
    assert "is the sample" in fails("train", "lenet", "--data-dir", SAMPLE, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_directory_of_another_run_is_left_alone(lenet_run, fails):
    before = {path: path.stat().st_mtime_ns for path in lenet_run.rglob("*")}
    message = "holds another run: resume it, or choose another directory (--resume, --out)."
    assert message in fails("train", "lenet", *SMALL_RUN, "--out", lenet_run)
    assert {path: path.stat().st_mtime_ns for path in lenet_run.rglob("*")} == before


def test_directory_with_something_else_is_left_alone(tmp_path, fails):
    (tmp_path / "thesis.tex").touch()
    assert "is not empty and holds no run" in fails("train", "lenet", *SMALL_RUN, "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_directory_that_cannot_be_written_is_named(tmp_path, fails):
    (tmp_path / "file").touch()
    assert "file is not a directory" in fails("train", "lenet", *SMALL_RUN, "--out", tmp_path / "file" / "run")
    assert "cannot be written" in fails("train", "lenet", *SMALL_RUN, "--out", "/proc/run")


def test_error_is_one_line_whatever_the_name(fails):
    assert "a b" in fails("train", "lenet", *SMALL_RUN, "--out", "/proc/a\nb")


def test_damaged_run_is_not_used(lenet_run, tmp_path, fails):
    run = tmp_path / "run"
    shutil.copytree(lenet_run, run)
    parameters = run / "checkpoint" / "epoch-002" / "net.params"
    content = parameters.read_bytes()
    for damaged in (content[: len(content) // 2], content[:5000] + bytes([content[5000] ^ 1]) + content[5001:]):
        parameters.write_bytes(damaged)
        assert "net.params" in fails("evaluate", run)
    parameters.write_bytes(content)
    config = json.loads((run / "config.json").read_text())
    for broken in ("{", json.dumps({**config, "settings": []}), json.dumps({**config, "recipe": {"model": "nin"}})):
        (run / "config.json").write_text(broken)
        assert "cannot be read as a run's settings" in fails("evaluate", run)
    config["recipe"].update(model="nin", side=96, init="own")
    (run / "config.json").write_text(json.dumps(config))
    assert "another network" in fails("evaluate", run)


def test_run_without_a_checkpoint_says_so(lenet_run, tmp_path, fails):
    (tmp_path / "config.json").write_text((lenet_run / "config.json").read_text())
    assert "has no checkpoint yet: resume its training." in fails("evaluate", tmp_path)


def test_file_that_is_no_picture_is_named(lenet_run, tmp_path, fails):
    (tmp_path / "picture.png").write_text("no picture")
    assert "cannot be read as a picture" in fails("predict", lenet_run, tmp_path / "picture.png")

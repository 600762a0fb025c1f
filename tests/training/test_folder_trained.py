"""What is done with a finished run on a folder of pictures of one's own."""

import json
import shutil

import mxnet as mx
import pytest
from folder_runs import train_on
from pictures import COLOURS, make_folder, picture, save
from runs import command

from gluon_cnn import load_run
from gluon_cnn.interop.onnx_network import OnnxNetwork
from gluon_cnn.training.setup import load_data

CLASSES = tuple(sorted(COLOURS))


def test_evaluate_says_whose_test_images(fruit_run, fruit, tmp_path, capsys, caplog):
    command("evaluate", fruit_run)
    assert "on 39 test images of fruit, after epoch 2" in capsys.readouterr().out
    other = tmp_path / "others"
    shutil.copytree(fruit, other)
    save(picture((1, 2, 3), 0), other / "apple" / "more.png")
    command("evaluate", fruit_run, "--data-dir", other)
    assert "others has other files than those that" in caplog.text


def test_evaluate_says_only_what_was_left_out(fruit, tmp_path, caplog):
    folder = shutil.copytree(fruit, tmp_path / "fruit")
    (folder / "leaf" / "text.png").write_text("text")
    (folder / "beside.txt").write_text("text")
    run = train_on(folder, tmp_path / "run", epochs=1, normalize="measured")
    assert "leaf/text.png cannot be read as a picture" in caplog.text
    assert "are not used: beside.txt" in caplog.text
    mean, deviation = (", ".join(f"{x:.6g}" for x in of) for of in (run.dataset.mean, run.dataset.deviation))
    assert f"measured on the training images: mean {mean}, deviation {deviation}" in run.log_path.read_text()
    caplog.clear()
    command("evaluate", run.directory)
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["1 of 201 pictures cannot be read, and is left out"]
    command("export", run.directory, "--out", tmp_path / "net.onnx")
    caplog.clear()
    command("evaluate", tmp_path / "net.onnx", "--data-dir", folder)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == warnings


def test_evaluate_refuses_other_classes(fruit_run, tmp_path, fails):
    other = make_folder(tmp_path / "others", 3, colours={"a": (1, 2, 3), "b": (200, 100, 0)})
    assert "others has the classes a, b, but" in fails("evaluate", fruit_run, "--data-dir", other)


def test_onnx_file_knows_the_classes(fruit_run, fruit, tmp_path, capsys):
    for words in ([], ["--preprocess"]):
        command("export", fruit_run, "--out", tmp_path / "net.onnx", *words)
        assert OnnxNetwork(tmp_path / "net.onnx").inputs.dataset.classes == CLASSES
        capsys.readouterr()
        command("evaluate", tmp_path / "net.onnx", "--data-dir", fruit)
        assert f"test accuracy {load_run(fruit_run).evaluate().accuracy:.4f} on 39 test" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["evaluate", "predict", "export", "inspect"])
def test_other_channels_in_config_are_named(fruit_run, fruit, tmp_path, fails, command):
    config = shutil.copytree(fruit_run, tmp_path / "run") / "config.json"
    content = json.loads(config.read_text())
    content["dataset"]["channels"] = 1
    config.write_text(json.dumps(content))
    words = [fruit / "leaf" / "3.jpg"] if command == "predict" else []
    assert "does not take images of 1×28×28, as its config.json says: restore" in fails(command, config.parent, *words)


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("recipe", "image_channels", 1),
        ("recipe", "normalize", "measured"),
        ("recipe", "short_side", 32),
        ("dataset", "side", 32),
        ("dataset", "cropped", True),
    ],
)
def test_changed_config_is_refused(fruit_run, tmp_path, fails, part, name, value):
    config = shutil.copytree(fruit_run, tmp_path / "run") / "config.json"
    content = json.loads(config.read_text())
    content[part][name] = value
    config.write_text(json.dumps(content))
    assert "its recipe and its dataset do not go together" in fails("evaluate", tmp_path / "run")


@pytest.mark.parametrize("words", [["compare"], ["report"]])
def test_run_is_not_compared(fruit_run, tmp_path, capsys, words):
    shutil.copytree(fruit_run, tmp_path / "run")
    command(*words, tmp_path / "run" if words == ["compare"] else tmp_path)
    report = tmp_path / "report.md"
    found = report.read_text() if report.exists() else capsys.readouterr().out
    assert "another data set, fruit" in found


def test_sizes_of_the_parts_take_every_class(fruit, tmp_path):
    run = train_on(fruit, tmp_path / "run", epochs=1, train_size=20, test_size=9)
    data = load_data(run.recipe, fruit, mx.cpu())
    assert [sorted(set(batches.labels.tolist())) for batches in (data.train, data.test)] == [[0, 1, 2]] * 2
    assert run.evaluate().images == 9


@pytest.mark.parametrize("classes", [10, 3])
def test_number_of_classes_can_be_asked_for(fruit, tmp_path, classes):
    run = train_on(fruit, tmp_path / "run", epochs=1, num_classes=classes)
    assert run.network()(mx.nd.zeros((1, 3, 28, 28))).shape == (1, classes)

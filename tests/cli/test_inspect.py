"""``gluon-cnn inspect``: the page of a run, someone's pictures, and what is refused."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from runs import SMALL_NETWORK, command, history_of, small

from gluon_cnn.cli import main
from gluon_cnn.data import SAMPLE, read_fashion_mnist

FEW = ["--images", "40", "--layers", "0,2"]


@pytest.fixture
def shoe(tmp_path):
    """A picture of an ankle boot or the like."""
    path = tmp_path / "shoe.png"
    Image.fromarray(read_fashion_mnist(SAMPLE).test.images[9]).save(path)
    return path


def page_of(directory):
    return (directory / "inspection.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def inspected(lenet_run, tmp_path_factory):
    """A copy of a run of LeNet, inspected with its defaults."""
    run = shutil.copytree(lenet_run, tmp_path_factory.mktemp("inspect") / "run")
    command("inspect", run)
    return run


def test_page_says_what_the_run_is(inspected, capsys):
    text = page_of(inspected / "inspection")
    accuracy = history_of(inspected)[-1].test_acc
    assert "What lenet has learned" in text
    assert "zh-v1: batches of 64, learning rate 0.9, 28×28 pixels, published initial weights, seed 0" in text
    assert "not the book&#39;s: " in text
    assert "the sample of Fashion-MNIST, second release, 10 classes" in text
    assert "the last one, after epoch 2 of 2" in text
    assert f"128 images, {accuracy:.1%} (" in text
    names = {path.name for path in (inspected / "inspection").iterdir()}
    assert {"inspection.html", "confusion.png", "filters.png", "excites-0.png", "edges.png"} <= names
    assert not [name for name in names if name.startswith(".")]


def test_answers_are_kept_for_the_report(inspected, tmp_path, capsys):
    run = shutil.copytree(inspected, tmp_path / "run")
    kept = json.loads((run / "answers.json").read_bytes())
    (run / "answers.json").unlink()
    for flags in (["--images", 40], ["--checkpoint", "best", "--images", 128]):
        command("inspect", run, "--layers", "0", *flags)
        assert not (run / "answers.json").exists()
    command("inspect", run, "--layers", "0")
    found = json.loads((run / "answers.json").read_bytes())
    assert (found["epoch"], found["counts"]) == (kept["epoch"], kept["counts"])
    assert [m["image"] for m in found["mistakes"]] == [m["image"] for m in kept["mistakes"]]


def test_run_is_as_it_was(inspected, capsys):
    assert main(["evaluate", str(inspected)]) == 0
    capsys.readouterr()
    command("inspect", inspected, *FEW, "--quiet", "--checkpoint", "best")
    assert capsys.readouterr().out == ""
    assert "the best one, after epoch" in page_of(inspected / "inspection")
    command("compare", inspected)


def test_pictures_are_looked_at_beside_bad_ones(lenet_run, shoe, tmp_path, capsys):
    out = tmp_path / "out"
    (tmp_path / "no\npicture.png").write_text("no picture")
    names = [str(tmp_path / "no\npicture.png"), str(shoe), str(tmp_path / "none.png")]
    flags = [*FEW, "--classes", "Shirt, 3", "--channels", "3", "--out", str(out)]
    assert main(["inspect", str(lenet_run), names[0], *flags, *names[1:]]) == 1
    printed = capsys.readouterr()
    assert printed.out == f"{out}/inspection.html\n"
    first, second = printed.err.splitlines()
    assert first.startswith(f"gluon-cnn: {tmp_path}/no picture.png cannot be read as a picture")
    assert second.startswith(f"gluon-cnn: {tmp_path}/none.png cannot be read as a picture (No such file")
    text = page_of(out)
    assert str(shoe) in text
    assert ">for shirt, " in text
    assert ">for dress, " in text
    assert len(re.findall(">channel 3, of ", text)) == 2
    assert not list(out.glob("maps-2.png"))
    assert not (lenet_run / "inspection").exists()


def test_without_a_picture_nothing_is_written(lenet_run, tmp_path, fails):
    assert "cannot be read as a picture" in fails(
        "inspect", lenet_run, tmp_path / "none.png", "--out", tmp_path / "out"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--images", "0"], "images is 0; it must be a whole number of 1 or more (--images)"),
        (["--images", "129"], "only 128 test images (--images)"),
        (["--images", "x"], "images is 'x'"),
        (["--layers", "7.1"], "has no layer '7.1'"),
        (["--layers", "0,,2"], "layers is '0,,2'; write them with commas in between"),
        (["--channels", "6", "--layers", "0"], "no channel 6 in layer 0, which has 6, from 0 to 5"),
        (["--channels", "a"], "channels is 'a'; write numbers from 0 on, such as 3,5 (--channels)"),
        (["--channels", "-1"], "channels is '-1'; write numbers from 0 on"),
        (["--channels", "99999999999"], "channels is '99999999999'"),
        (["--classes", "horse"], "no class 'horse'; use a number from 0 to 9, or one of t-shirt, trouser"),
        (["--classes", "10"], "no class '10'"),
        (["--out", f"{__file__}/page"], "is not a directory"),
        (["--out", "x" * 300], "cannot be written (File name too long): choose another name (--out)"),
        (["--release", "third"], "release"),
        (["--pictures", "shoe.png"], "Unknown arguments: --pictures shoe.png"),
        (["--ctx", "tpu"], "tpu"),
    ],
)
def test_bad_values_are_refused(flags, message, lenet_run, tmp_path, fails):
    out = [] if "--out" in flags else ["--out", tmp_path / "out"]
    assert message in fails("inspect", lenet_run, *flags, *out)
    assert list(tmp_path.iterdir()) == []
    assert not (lenet_run / "inspection").exists()


def test_runs_that_cannot_be_inspected(lenet_run, tmp_path, fails):
    assert "holds no run" in fails("inspect", tmp_path)
    run = shutil.copytree(lenet_run, tmp_path / "run")
    shutil.rmtree(run / "checkpoint")
    assert "has no checkpoint yet" in fails("inspect", run)
    config = json.loads((run / "config.json").read_text())
    config["framework"] = "PyTorch"
    (run / "config.json").write_text(json.dumps(config))
    assert "was trained by PyTorch" in fails("inspect", run)
    assert not (run / "inspection").exists()


def test_directory_that_cannot_be_written(lenet_run, tmp_path, fails, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)  # root can write everywhere
    message = f"{tmp_path} cannot be written: choose another directory (--out)."
    assert message in fails("inspect", lenet_run, "--out", tmp_path / "a" / "b")


def test_network_of_the_package(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command("inspect", "pretrained:lenet", "--data-dir", SAMPLE, "--layers", "0", "--ctx", "cpu")
    assert [path.name for path in tmp_path.iterdir()] == ["inspection"]
    text = page_of(tmp_path / "inspection")
    assert "<dd>pretrained:lenet</dd>" in text
    assert "published initial weights, seed 3</dd>" in text


def test_network_of_ones_own(tmp_path, capsys):
    command("train", SMALL_NETWORK, *small(64, 32, 32), "--out", tmp_path / "run", "--quiet")
    command("inspect", tmp_path / "run")
    text = page_of(tmp_path / "run" / "inspection")
    assert "What small_network.py:net has learned" in text
    assert "A filter of 3×3 is too small to be compared with a Gabor" in text
    assert np.all([path.stat().st_size for path in (tmp_path / "run" / "inspection").iterdir()])

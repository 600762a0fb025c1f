"""``gluon-cnn predict``: what it prints, shows and warns of."""

import io
import json
import os
import subprocess
import sys
import weakref

import numpy as np
import pytest
from PIL import Image
from runs import CLI

from gluon_cnn.cli import main
from gluon_cnn.cli import predict as command
from gluon_cnn.data import FASHION_MNIST, SAMPLE, read_fashion_mnist

SHOE = read_fashion_mnist(SAMPLE).test.images[9]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder to be in: with a photograph, an image of the data set, an empty picture, and files that are none."""
    monkeypatch.chdir(tmp_path)
    photograph = np.full((300, 250), 250, np.uint8)
    photograph[60:200, 50:190] = 255 - np.asarray(Image.fromarray(SHOE).resize((140, 140)))
    Image.fromarray(photograph).save("photo.jpg")
    Image.fromarray(SHOE).save("Shoe.PNG")
    Image.new("RGB", (60, 60)).save("black.webp")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_text("no picture")
    (tmp_path / "more.png").mkdir()
    return tmp_path


@pytest.fixture
def predict(lenet_run, capsys):
    """A function that runs the command; its exit code, and what it printed, as lines."""

    def run(*words):
        capsys.readouterr()
        code = main(["predict", str(lenet_run), *map(str, words)])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return run


def test_folders_pictures_are_answered_in_order(predict, folder):
    code, out, err = predict(folder)
    assert (code, err) == (0, [f"gluon-cnn: {folder}: 1 folder in it passed over; name each to see its pictures."])
    assert [line for line in out if not line.startswith(" ")] == [
        str(folder / name) for name in ("Shoe.PNG", "black.webp", "photo.jpg")
    ]
    assert "  dark ground: not inverted; 28×28 already: not cropped" in out
    assert "  light ground: inverted; cropped to the object" in out
    assert [line for line in out if "warning" in line] == [
        "  warning: it is empty: nothing in it differs from its ground, so do not trust this:"
    ]


def test_pictures_stand_anywhere_between_flags(predict, folder):
    code, out, err = predict("photo.jpg", "--as-is", "Shoe.PNG", "--ctx", "cpu", "black.webp")
    assert (code, err) == (0, [])
    assert [line for line in out if not line.startswith(" ")] == ["photo.jpg", "Shoe.PNG", "black.webp"]
    code, _, (line,) = predict("photo.jpg", "--as-it", "Shoe.PNG")
    assert code == 1
    assert "Unknown arguments: --as-it Shoe.PNG; the nearest is --as-is" in line


def test_folder_of_folders_says_so(predict, folder):
    (folder / "more.png" / "inside").mkdir()
    code, _, (line,) = predict("more.png")
    assert code == 1
    assert "more.png holds no picture (.png, .jpg, .jpeg, .webp, .bmp) outside its folders: name a folder" in line


def test_four_classes_are_printed_in_per_cent(predict, folder):
    _, out, _ = predict("Shoe.PNG")
    names, shares = zip(*(line[:-2].rsplit(None, 1) for line in out[2:]))
    assert len(names) == 4
    assert {name.strip() for name in names} <= set(FASHION_MNIST.classes)
    assert all(line.endswith(" %") for line in out[2:])
    assert len(set(map(len, out[2:]))) == 1
    assert sorted(map(float, shares), reverse=True) == list(map(float, shares))


def test_json_has_every_class_and_error(predict, folder):
    (folder / "bad.png").write_text("no picture")
    code, out, err = predict("--json", "photo.jpg", "bad.png", "black.webp", "none")
    photo, bad, black, none = json.loads("\n".join(out))
    assert code == 1
    assert [line.split(" cannot")[0] for line in err] == ["gluon-cnn: bad.png", "gluon-cnn: none"]
    assert (bad["path"], none["path"]) == ("bad.png", "none")
    assert "cannot be read as a picture" in bad["error"]
    assert photo["done"] == ["light ground: inverted", "cropped to the object"]
    assert photo["warning"] is None
    assert 0 < photo["unlikeness"] < 1
    assert sorted(item["class"] for item in photo["classes"]) == sorted(FASHION_MNIST.classes)
    assert sum(item["probability"] for item in photo["classes"]) == pytest.approx(1, abs=1e-5)
    assert black["warning"].startswith("it is empty")


def test_one_bad_picture_does_not_cost_the_others(predict, folder):
    (folder / "no\npicture.png").write_text("no picture")
    code, out, err = predict("no\npicture.png", "Shoe.PNG", "none.png", "more.png", "Shoe.PNG")
    assert code == 1
    assert [line for line in out if not line.startswith(" ")] == ["Shoe.PNG"] * 2
    first, second, third = err
    assert first.startswith("gluon-cnn: no picture.png cannot be read as a picture")
    assert second.startswith("gluon-cnn: none.png cannot be read as a picture (No such file")
    assert third.startswith("gluon-cnn: more.png holds no picture")


def test_large_claims_are_one_line(predict, folder):
    header = b"BM" + bytes(12) + b"".join(v.to_bytes(4, "little") for v in (40, 50_000, 50_000)) + b"\1\0\x18\0"
    (folder / "huge.bmp").write_bytes(header + bytes(24))
    code, out, (line,) = predict("huge.bmp")
    assert (code, out) == (1, [])
    assert "claims 50000×50000" in line


@pytest.mark.parametrize("content", ["picture", "nothing", "text"])
def test_standard_input_is_a_picture(predict, folder, monkeypatch, content):
    content = {"picture": (folder / "photo.jpg").read_bytes(), "nothing": b"", "text": b"no picture"}[content]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    code, out, err = predict("-")
    if len(content) > 10:
        assert (code, out[0], err) == (0, "-", [])
        assert out[1:] == predict("photo.jpg")[1][1:]
    else:
        assert (code, out) == (1, [])
        assert err[0].startswith("gluon-cnn: standard input cannot be read as a picture (it is ")


def test_closed_standard_input_is_empty(lenet_run):
    command = [*CLI, "predict", str(lenet_run), "-"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, preexec_fn=lambda: os.close(0), timeout=120
    )
    assert done.returncode == 1
    assert done.stderr.startswith("gluon-cnn: standard input cannot be read as a picture")
    assert done.stderr.count("\n") == 1


def test_show_draws_each_picture_beside_what_was_seen(predict, folder):
    (folder / "bad.png").write_text("no picture")
    plain = predict("photo.jpg", "bad.png", "Shoe.PNG")
    assert predict("photo.jpg", "bad.png", "Shoe.PNG", "--show", "seen.png") == plain
    with Image.open("seen.png") as image:
        pixels = np.asarray(image)
    assert pixels.shape[1:] == (2 * 224 + 3 * 16, 3)
    seen = [row[4::8, 4::8, 0] for row in (pixels[top : top + 224, 256 : 256 + 224] for top in range(len(pixels)))]
    assert any(image.shape == SHOE.shape and (image == SHOE).all() for image in seen)
    assert not list(folder.glob(".gluon-cnn-*"))


def test_figure_is_not_a_picture_of_its_folder(predict, folder):
    first = predict(folder, "--show", folder / "seen.png")
    assert predict(folder, "--show", folder / "seen.png") == first


@pytest.mark.parametrize("name", ["mine.png", "Shoe.PNG", "linked.png", "damaged.png"])
def test_figure_never_replaces_a_folders_picture(predict, folder, tmp_path_factory, name):
    outside = tmp_path_factory.mktemp("outside") / "linked.png"
    Image.fromarray(SHOE).save(outside)
    (folder / "linked.png").symlink_to(outside)
    Image.new("RGB", (60, 60)).save("mine.png")
    (folder / "damaged.png").write_text("no picture")
    figure = outside if name == "linked.png" else folder / name
    before = figure.read_bytes()
    code, out, (line,) = predict("photo.jpg", folder, "--show", figure)
    assert (code, out) == (1, [])
    assert line == f"gluon-cnn: {figure} would replace one of the pictures: name another file (--show)."
    assert figure.read_bytes() == before


def test_show_says_how_many_it_leaves_out(predict, folder):
    code, _, err = predict(*["Shoe.PNG"] * 51, "--show", "seen.png")
    assert (code, err) == (0, ["seen.png shows the first 50 of 51 pictures"])


@pytest.mark.parametrize(("flags", "most"), [([], 0), (["--json"], 0), (["--show", "seen.png"], 3)])
def test_only_pictures_to_show_stay_in_memory(predict, folder, monkeypatch, flags, most):
    read, kept, alive = command.read_for, [], []

    def counted(*args):
        alive.append(sum(one() is not None for one in kept))
        picture = read(*args)
        kept.extend((weakref.ref(picture.original), weakref.ref(picture.image)))
        return picture

    monkeypatch.setattr(command, "read_for", counted)
    monkeypatch.setattr("gluon_cnn.data.seen.MOST_SEEN", 3)
    code, _, _ = predict(*["photo.jpg"] * 9, *flags)
    assert (code, len(kept)) == (0, 18)
    assert max(alive) <= 2 * (most + 1)  # the last one is in the hands of the loop


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("none/seen.png", "There is no directory none for seen.png"),
        ("photo.jpg/seen.png", "There is no directory photo.jpg for seen.png"),
        ("seen.jpg", "show is seen.jpg, but it is a PNG"),
        ("Shoe.PNG", "Shoe.PNG would replace one of the pictures"),
        ("more.png", "more.png is not a regular file"),
    ],
)
def test_figure_that_cannot_be_written_is_one_line(predict, folder, file, message):
    before = (folder / "Shoe.PNG").read_bytes()
    code, out, (line,) = predict("Shoe.PNG", "--show", file)
    assert (code, out) == (1, [])
    assert message in line
    assert "(--show)" in line
    assert (folder / "Shoe.PNG").read_bytes() == before


def test_as_is_and_invert_leave_the_picture_whole(predict, folder):
    assert predict("photo.jpg", "--as-is")[1][1] == "  left as it is"
    assert predict("photo.jpg", "--as-is", "--invert")[1][1] == "  left as it is; inverted, as asked"
    assert predict("Shoe.PNG", "--invert")[1][1].startswith("  dark ground, but inverted, as asked")


def test_unlike_picture_is_warned_of(predict, folder):
    stripes = (np.arange(280) // 20 % 2 * 255).astype(np.uint8) * np.ones((280, 1), np.uint8)
    Image.fromarray(stripes).save("stripes.png")
    _, out, _ = predict("stripes.png", "Shoe.PNG")
    (warning,) = [line for line in out if "warning" in line]
    assert "unlike the images of Fashion-MNIST" in warning


def test_network_of_own_pictures_sees_them_as_trained(folder, tmp_path, capsys, fails):
    draw = np.random.default_rng(0)
    for name in ("cat", "dög"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for number in range(5):
            pixels = draw.integers(0, 256, (30, 40, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "own" / name / f"{number}.png")
    sizes = ["--data", "own", "--batch-size", "4", "--epochs", "1"]
    assert main(["train", "lenet", *sizes, "--quiet", "--out", "mine"]) == 0
    capsys.readouterr()
    assert main(["predict", "mine", "own/cat/1.png", "black.webp", "--json"]) == 0
    cat, black = json.loads(capsys.readouterr().out)
    assert cat["done"] == ["resized and cut to the middle 28×28, as in training"]
    assert {item["class"] for item in cat["classes"]} == {"cat", "dög"}
    assert (cat["unlikeness"], cat["warning"]) == (None, None)
    assert black["warning"] == "it is empty: it has one colour only"
    for flag in ("--as-is", "--invert"):
        assert f"({flag})" in fails("predict", "mine", "own/cat/1.png", flag)

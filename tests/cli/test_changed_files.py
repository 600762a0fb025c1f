"""Files of ours that somebody or something has changed: one line that names the file, exit code 1, and nothing lost."""

import hashlib
import json
import os
import shutil

import pytest
from our_runs import published_history, write_run
from PIL import Image

from gluon_cnn.errors import GluonCNNError
from gluon_cnn.training.run import load_run


def put(*path_and_value):
    """A change of JSON: another value in some place, which may be new."""
    *path, name, value = path_and_value

    def change(content):
        inner = content
        for step in path:
            inner = inner[step]
        inner[name] = value
        return content

    return change


def without(*path):
    """A change of JSON: one of its names is gone."""
    *path, name = path

    def change(content):
        inner = content
        for step in path:
            inner = inner[step]
        del inner[name]
        return content

    return change


def nested(depth, inner=0):
    for _ in range(depth):
        inner = [inner]
    return inner


#: What nothing of ours has in any place.
ANYWHERE = {
    "NaN": float("nan"),
    "infinite": float("inf"),
    "10^400": 10**400,
    "2^63": 2**63,
    "NUL": "a\0b",
    "lone surrogate": "\ud800",
    "deep": nested(30),
    "long text": "x" * 100_000,
}
CONFIG = {
    **{f"options of {name}": put("recipe", "options", "padding", value) for name, value in ANYWHERE.items()},
    **{f"without {name}": without(name) for name in ("recipe", "settings", "book", "dataset")},
    "without epochs": without("recipe", "epochs"),
    "without classes": without("dataset", "classes"),
    "recipe null": put("recipe", None),
    "options null": put("recipe", "options", None),
    "unknown setting": put("recipe", "colour", "red"),
    "unknown way": put("settings", "colour", "red"),
    "model a number": put("recipe", "model", 3),
    "model above": put("recipe", "model", "../../lenet"),
    "source without a file": put("recipe", "source", "0" * 64),
    "file without a source": put("recipe", "model", "mynet.py:net"),
    "file above without a source": lambda content: {
        **content,
        "recipe": {**content["recipe"], "model": "../mynet.py:net", "edition": None, "init": "own"},
        "book": None,
    },
    "epochs a text": put("recipe", "epochs", "2"),
    "epochs a fraction": put("recipe", "epochs", 2.5),
    "epochs too many": put("recipe", "epochs", 10**9),
    "seed below 0": put("recipe", "seed", -1),
    "lr true": put("recipe", "lr", True),
    "side 0": put("recipe", "side", 0),
    "threads x": put("settings", "threads", "x"),
    "threads 0": put("settings", "threads", 0),
    "ctx 3": put("settings", "ctx", 3),
    "hybrid 1": put("settings", "hybrid", 1),
    "kvstore cloud": put("settings", "kvstore", "cloud"),
    "data_dir a list": put("settings", "data_dir", ["/tmp"]),
    "no classes": put("dataset", "classes", []),
    "class a number": put("dataset", "classes", 0, 7),
    "class without a name": put("dataset", "classes", 0, ""),
    "two classes of a name": put("dataset", "classes", 0, "bag"),
    "side of images": put("dataset", "side", 10**6),
    "images in colour": put("dataset", "channels", 3),
    "book a list": put("book", []),
    "difference alone": put("book", "differences", "epochs", [2]),
    "difference of nothing": put("book", "differences", "colour", [1, 2]),
    "other difference": put("book", "differences", "epochs", [3, 5]),
    "resumed 3": put("resumed", 3),
    "resumed by nothing": put("resumed", [None]),
    "machine null": put("machine", None),
    "cores a text": put("machine", "cores", "two"),
    "version 2": put("versions", "mxnet", 2),
    "command null": put("command", None),
    "diverged null": put("diverged", None),
    "a list": lambda content: [content],
    "a number": lambda content: 3,
}
MANIFEST = {
    **{f"recipe of {name}": put("state", "recipe", "lr", value) for name, value in ANYWHERE.items()},
    **{f"without {name}": without(name) for name in ("format", "state", "files")},
    "format 1": put("format", 1),
    "state null": put("state", None),
    "unknown field": put("state", "colour", "red"),
    "epoch a text": put("state", "epoch", "2"),
    "step below 0": put("state", "step", -1),
    "history of another length": put("state", "epoch", 7),
    "accuracy 7": put("state", "history", 0, "test_acc", 7),
    "row without a loss": without("state", "history", 0, "train_loss"),
    "sums of nothing": put("state", "sums", [{"colour": 3}]),
    "scaler of nothing": put("state", "loss_scaler", {"colour": 3}),
    "dead classes a text": put("state", "dead_classes", ["bag"]),
    "without the states": without("files", "trainer.states"),
    "size a text": put("files", "net.params", "bytes", "many"),
    "another seed": put("state", "recipe", "seed", 7),
}
ROW = b"1,0.9,0.6,0.7,2.5,1000.0,0\n"
HEADER = b"epoch,train_loss,train_acc,test_acc,seconds,examples_per_sec,dead_classes\n"
HISTORY = {
    "NaN": ROW.replace(b"0.9", b"nan"),
    "infinite": ROW.replace(b"2.5", b"inf"),
    "10^400": ROW.replace(b"0", b"9" * 400, 1),
    "10^400 classes": ROW.replace(b",0\n", b"," + b"9" * 400),
    "1e39": ROW.replace(b"0.9", b"1e39"),
    "accuracy 7": ROW.replace(b"0.7", b"7"),
    "seconds below 0": ROW.replace(b"2.5", b"-2.5"),
    "underscore": ROW.replace(b"1000.0", b"1_000"),
    "words": ROW.replace(b"0.9", b"much"),
    "NUL": ROW.replace(b"0.9", b"0.9\0"),
    "not UTF-8": ROW.replace(b"0.9", b"\xff"),
    "short": b"1,0.9\n",
    "empty cells": b",,,,,,\n",
    "semicolons": ROW.replace(b",", b";"),
    "epoch 2 first": ROW.replace(b"1,", b"2,", 1),
    "too many epochs": b"".join(b"%d%b" % (epoch, ROW[1:]) for epoch in range(1, 8)),
    "without end": ROW * 100_000,
    "long cell": ROW.replace(b"0.9", b"9" * 200_000),
}
#: Of any text file.
BYTES = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "zeros": lambda content: bytes(len(content)),
    "not UTF-8": lambda content: content + b"\xff",
    "UTF-16": lambda content: content.decode().encode("utf-16"),
    "brackets": lambda content: b"[" * 100_000,
    "braces": lambda content: b'{"a":' * 100_000,
    "digits": lambda content: b"9" * 1_000_000,
    "9 MB": lambda content: content + b" " * 9_000_000,
}


@pytest.fixture(scope="module")
def kept(lenet_run, tmp_path_factory):
    """A run with one checkpoint, a run by the book's recipe, and a picture; not to be changed."""
    directory = tmp_path_factory.mktemp("kept")
    shutil.copytree(lenet_run, directory / "run")
    shutil.rmtree(directory / "run" / "checkpoint" / "epoch-001")
    write_run(directory / "book", published_history())
    Image.new("L", (28, 28)).save(directory / "picture.png")
    return directory


@pytest.fixture
def run(kept, tmp_path):
    """A copy of the run with one checkpoint."""
    return shutil.copytree(kept / "run", tmp_path / "runs" / "run")


def reading_commands(run, kept):
    """The commands that read a run's config.json and manifest.json."""
    return [
        ["evaluate", run],
        ["predict", run, kept / "picture.png"],
        ["inspect", run],
        ["compare-runs", run, kept / "run"],
        ["export", run, "--format", "symbol"],
        ["train", "lenet", "--resume", "--out", run, "--epochs", 3],
    ]


def hash_of(content):
    """What a manifest has as its own SHA-256."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_json(path, change):
    content = change(json.loads(path.read_bytes()))
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("way", CONFIG)
def test_changed_settings_are_refused(way, run, kept, fails):
    write_json(run / "config.json", CONFIG[way])
    before = (run / "config.json").read_bytes()
    for arguments in [*reading_commands(run, kept), ["compare", run], ["report", run.parent]]:
        assert f"{run}/config.json cannot be read as a run's settings (" in fails(*arguments)
    with pytest.raises(GluonCNNError, match="restore it or start a new run"):
        load_run(run)
    assert (run / "config.json").read_bytes() == before


@pytest.mark.parametrize("way", MANIFEST)
def test_changed_manifest_is_refused(way, run, kept, fails):
    """Although its hash was made to fit."""

    def change(content):
        content.pop("sha256")
        changed = MANIFEST[way](content)
        return {"sha256": hash_of(changed), **changed}

    write_json(run / "checkpoint" / "epoch-002" / "manifest.json", change)
    for arguments in reading_commands(run, kept):
        assert "checkpoint" in fails(*arguments)
    assert [path.name for path in (run / "checkpoint").iterdir()] == ["epoch-002"]


@pytest.mark.parametrize("way", HISTORY)
def test_changed_history_is_refused(way, kept, tmp_path, fails):
    book = shutil.copytree(kept / "book", tmp_path / "runs" / "book")
    (book / "history.csv").write_bytes(HEADER + HISTORY[way])
    for arguments in (["compare", book], ["report", book.parent]):
        assert f"{book}/history.csv cannot be read as a run's history (" in fails(*arguments)
    assert sorted(path.name for path in book.parent.rglob("*.*")) == ["config.json", "history.csv"]


@pytest.mark.parametrize("way", BYTES)
def test_other_bytes_are_refused(way, run, kept, fails):
    manifest = run / "checkpoint" / "epoch-002" / "manifest.json"
    manifest.write_bytes(BYTES[way](manifest.read_bytes()))
    for arguments in reading_commands(run, kept):
        assert "manifest.json is not as it was written" in fails(*arguments) or "(epoch-002)" in fails(*arguments)
    for path in (run / "config.json", kept / "book" / "history.csv"):
        changed = shutil.copytree(path.parent, run.parent.parent / path.stem) / path.name
        changed.write_bytes(BYTES[way](path.read_bytes()))
        if way != "empty" or path.stem == "config":  # a history without rows is one of a run that has just begun
            assert f"{changed} cannot be read" in fails("compare", changed.parent)


@pytest.mark.parametrize("kind", ["FIFO", "directory", "endless", "loop"])
def test_no_file_at_all_is_not_waited_for(kind, run, kept, fails):
    book = shutil.copytree(kept / "book", run.parent / "book")
    manifest = run / "checkpoint" / "epoch-002" / "manifest.json"
    for path, arguments in [(manifest, ["evaluate", run]), (run / "config.json", ["evaluate", run])]:
        replace(path, kind)
        assert path.name in fails(*arguments)
    replace(book / "history.csv", kind)
    assert "history.csv" in fails("compare", book)


def replace(path, kind):
    path.unlink()
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "endless" else path.name)

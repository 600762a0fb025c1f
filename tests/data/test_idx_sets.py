"""Data sets in four IDX files of any names: found, their classes, and what does not fit together."""

import gzip
import lzma
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from runs import command, history_of

from gluon_cnn.data import kind_of
from gluon_cnn.data.idx_sets import find_idx, read_idx
from gluon_cnn.errors import DataError

MNIST = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
EMNIST = tuple(
    f"emnist-letters-{part}-{kind}" for part in ("train", "test") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
)
DOTTED = ("train-images.idx3-ubyte", "train-labels.idx1-ubyte", "test-images.idx3-ubyte", "test-labels.idx1-ubyte")
PACK = {"": lambda content: content, ".gz": gzip.compress, ".xz": lzma.compress}


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def arrays(labels=range(10), side=28, train=40, test=20):
    stream, labels = np.random.RandomState(0), np.array(list(labels))
    found = []
    for number in (train, test):
        found += [stream.randint(0, 256, (number, side, side)), labels[np.arange(number) % len(labels)]]
    return found


def write(folder, names=MNIST, packed="", **options):
    found = arrays(**options)
    for name, array in zip(names, found):
        (folder / f"{name}{packed}").write_bytes(PACK[packed](idx(array)))
    return found


@pytest.mark.parametrize("names", [MNIST, EMNIST, DOTTED], ids=["mnist", "emnist", "dotted"])
@pytest.mark.parametrize("packed", PACK)
def test_files_are_found_by_their_names(tmp_path, names, packed):
    write(tmp_path, names, packed)
    assert kind_of(tmp_path) == "idx"
    assert [path.name for path in find_idx(tmp_path).values()] == [f"{name}{packed}" for name in names]


@pytest.mark.parametrize("labels", [range(10), range(1, 27), [0, 3, 200]])
def test_classes_are_the_labels_found(tmp_path, labels):
    images, _, _, test_labels = write(tmp_path, labels=labels)
    dataset = read_idx(tmp_path)
    assert dataset.info.classes == tuple(f"class {label}" for label in labels)
    assert (dataset.info.channels, dataset.info.side) == (1, 28)
    assert (dataset.train.images == images).all()
    assert dataset.info.names_of(dataset.test.labels) == [f"class {label}" for label in test_labels]


def test_letters_are_turned_upright(tmp_path):
    images, *_ = write(tmp_path, EMNIST, labels=range(1, 27))
    dataset = read_idx(tmp_path)
    assert (dataset.train.images == images.transpose(0, 2, 1)).all()
    assert any("turned upright" in note for note in dataset.notes)
    assert any("the 26 classes are the labels from 1 to 26" in note for note in dataset.notes)


def test_renamed_letters_are_another_data_set(tmp_path):
    """Without their name they would not be turned, and a resumed run would go on with other images."""
    write(tmp_path, EMNIST)
    before = read_idx(tmp_path).info
    for old, new in zip(EMNIST, MNIST):
        (tmp_path / old).rename(tmp_path / new)
    after = read_idx(tmp_path).info
    assert after.sha256 != before.sha256
    for name in MNIST:
        (tmp_path / name).rename(tmp_path / name.replace("t10k", "test"))
    assert read_idx(tmp_path).info.sha256 == after.sha256


def test_classes_of_fashion_mnist_have_names(tmp_path):
    for part, number in (("train", 60_000), ("t10k", 10_000)):
        labels = Path(__file__).with_name("first_release") / f"{part}-labels-idx1-ubyte.gz"
        shutil.copy(labels, tmp_path)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(np.zeros((number, 1, 1))))
    assert read_idx(tmp_path).info.classes[9] == "ankle boot"


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("name", [None, "odd-idx1-ubyte", "train-image-idx3-ubyte.gz"])
def test_missing_file_is_named_by_its_kind(tmp_path, number, name, fails):
    write(tmp_path)
    path = tmp_path / MNIST[number]
    path.rename(tmp_path / name) if name else path.unlink()
    part, kind = MNIST[number].replace("t10k", "test").split("-")[:2]
    line = fails("data", tmp_path)
    assert f"has no IDX file with {part} and {kind} in its name: put all four files of a data set there" in line


@pytest.mark.parametrize("name", ["test-images.png", "labels.csv", "notes about images.txt"])
def test_other_files_make_no_data_set_of_arrays(tmp_path, name):
    (tmp_path / name).touch()
    assert kind_of(tmp_path) == "folder"


def change(name, array):
    return lambda folder: (folder / name).write_bytes(idx(array))


WRONG = {
    "missing": (lambda folder: (folder / MNIST[3]).unlink(), "no IDX file with test and labels in its name"),
    "several": (lambda folder: write(folder, DOTTED), "has several files of train images"),
    "fewer labels": (change(MNIST[1], np.arange(39)), "holds 40 images, and train-labels-idx1-ubyte 39 labels"),
    "no labels": (change(MNIST[1], np.zeros((40, 2, 2))), "holds no labels, but an array of 3 axes"),
    "no images": (change(MNIST[0], np.zeros(40)), "holds no images, but an array of 1 axes"),
    "other sizes": (change(MNIST[2], np.zeros((20, 14, 14))), "14×14 and 28×28 pixels: they must be squares of one"),
    "no squares": (lambda folder: [change(MNIST[n], np.zeros((20 * (2 - n // 2), 28, 14)))(folder) for n in (0, 2)],
                   "28×14 pixels: they must be squares"),
    "no pixels": (lambda folder: [change(MNIST[n], np.zeros((20 * (2 - n // 2), 0, 0)))(folder) for n in (0, 2)],
                  "0×0 pixels"),
    "one class": (lambda folder: write(folder, labels=[4]), "has one class, 4: two are needed"),
    "another class": (change(MNIST[3], np.full(20, 77)), "has a label 77, which no training image has"),
    "cut off": (lambda folder: (folder / MNIST[0]).write_bytes(idx(np.zeros((40, 28, 28)))[:-1]), "is truncated"),
    "too long": (lambda folder: (folder / MNIST[0]).write_bytes(idx(np.zeros((40, 28, 28))) + b"x"), "is too long"),
    "empty": (lambda folder: (folder / MNIST[0]).write_bytes(b""), "is not an IDX file"),
    "endless": (lambda folder: (folder / MNIST[0]).write_bytes(struct.pack(">HBB3I", 0, 8, 3, *[2**32 - 1] * 3)),
                "more than there is memory"),
    "of another type": (lambda folder: (folder / MNIST[0]).write_bytes(struct.pack(">HBBI", 0, 13, 1, 4)),
                        "is not an IDX file"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_files_that_do_not_fit_are_one_line(tmp_path, name):
    spoil, problem = WRONG[name]
    write(tmp_path)
    spoil(tmp_path)
    with pytest.raises(DataError) as caught:
        read_idx(tmp_path)
    assert problem in str(caught.value)


@pytest.mark.parametrize("packed", [".gz", ".xz"])
def test_packed_files_that_are_damaged(tmp_path, packed):
    write(tmp_path, packed=packed)
    path = tmp_path / f"{MNIST[0]}{packed}"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path)


def test_network_is_trained_on_them(tmp_path):
    (tmp_path / "letters").mkdir()
    write(tmp_path / "letters", EMNIST, ".gz", labels=range(1, 27), train=104, test=52)
    flags = ["--epochs", 1, "--out", tmp_path / "run", "--quiet"]
    command("train", "lenet", "--data", tmp_path / "letters", *flags)
    command("evaluate", tmp_path / "run")
    assert len(history_of(tmp_path / "run")) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "lenet", "--channels", 3, "--data"], "image_channels is 3, which the idx data set does not take"),
        (["train", "lenet", "--test-share", 0.5, "--data"], "test_share is 0.5, which the idx data set does not take"),
        (["data", "--to-records", "idx.rec"], "holds IDX files, not files of pictures, so it cannot become records"),
    ],
)
def test_what_is_for_pictures_is_refused(tmp_path, monkeypatch, fails, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "letters").mkdir()
    write(tmp_path / "letters")
    assert message in fails(*words, tmp_path / "letters")
    assert [path.name for path in tmp_path.iterdir()] == ["letters"]

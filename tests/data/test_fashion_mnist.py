"""Finding, verifying and reading Fashion-MNIST: the real one, the sample, and broken ones."""

import gzip
import lzma
import os
import shutil
import struct

import mxnet as mx
import numpy as np
import pytest

from gluon_cnn import GluonCNNError, get_fashion_mnist_labels
from gluon_cnn.data import SAMPLE, find_fashion_mnist, places, read_fashion_mnist, verified
from gluon_cnn.data.idx import parse_idx

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.fixture(scope="session")
def full():
    """The directory of the full data set."""
    return find_fashion_mnist()


@pytest.fixture
def copy(full, tmp_path):
    """A directory with the full set, compressed as it was found."""
    directory = tmp_path / "copy"
    directory.mkdir()
    for file in full.iterdir():
        if "ubyte" in file.name:
            shutil.copy(file, directory)
    return directory


def path_in(directory, name):
    return next(directory.glob(name + "*"))


def rewrite(directory, name, content):
    """Replace a file by an uncompressed one."""
    path_in(directory, name).unlink()
    (directory / name).write_bytes(content)


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def test_full_set(full):
    _, train, test, *_ = read_fashion_mnist(full)
    assert train.images.shape == (60_000, 28, 28)
    assert test.images.shape == (10_000, 28, 28)
    assert train.images.dtype == np.uint8
    assert train.labels.dtype == np.int32
    assert (np.bincount(train.labels) == 6_000).all()
    assert (np.bincount(test.labels) == 1_000).all()


def test_sample_takes_each_class_in_turn(full):
    for sample, whole, number in zip(read_fashion_mnist(SAMPLE)[1:], read_fashion_mnist(full)[1:], (200, 50)):
        chosen = np.stack([np.flatnonzero(whole.labels == label)[:number] for label in range(10)], axis=1).ravel()
        assert (sample.images == whole.images[chosen]).all()
        assert (sample.labels == whole.labels[chosen]).all()
    assert sum(file.stat().st_size for file in SAMPLE.iterdir()) < 1_000_000


@pytest.mark.parametrize("uncompressed", [IMAGES, LABELS])
def test_files_may_be_compressed_or_not(copy, uncompressed):
    with gzip.open(path_in(copy, uncompressed)) as file:
        rewrite(copy, uncompressed, file.read())
    assert len(read_fashion_mnist(copy).train.labels) == 60_000


def test_only_a_changed_file_is_read_again(copy):
    first = read_fashion_mnist(copy).train.images
    assert read_fashion_mnist(copy).train.images is first
    os.utime(path_in(copy, IMAGES), (1, 1))
    assert read_fashion_mnist(copy).train.images is not first


def test_places_in_their_order(full, copy, tmp_path, monkeypatch):
    monkeypatch.setenv("MXNET_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(places, "DEBIAN_PLACE", copy)
    assert find_fashion_mnist() == copy
    home = tmp_path / "home" / "datasets" / "fashion-mnist"
    shutil.copytree(copy, home)
    assert find_fashion_mnist() == home
    assert find_fashion_mnist(full) == full
    path_in(home, LABELS).unlink()  # not complete, so the next place it is
    assert find_fashion_mnist() == copy


def test_sample_by_a_relative_path(monkeypatch):
    monkeypatch.chdir(SAMPLE.parent)
    assert len(read_fashion_mnist("sample").train.labels) == 2_000


def test_names_of_the_classes():
    for array in (list, np.array, mx.nd.array, mx.np.array, lambda numbers: [mx.nd.array([n]) for n in numbers]):
        assert get_fashion_mnist_labels(array([0, 9, 6])) == ["t-shirt", "ankle boot", "shirt"]


def flip_a_bit(directory):
    path = path_in(directory, IMAGES)
    with gzip.open(path) as file:
        content = bytearray(file.read())
    content[30_000_000] ^= 1
    rewrite(directory, IMAGES, bytes(content))


def truncate_compressed(directory):
    path = path_in(directory, IMAGES)
    os.truncate(path, path.stat().st_size // 2)


def truncate_uncompressed(directory):
    rewrite(directory, LABELS, idx(np.zeros(60_000))[:-10])


def wrong_magic(directory):
    rewrite(directory, IMAGES, b"\x89PNG" + bytes(100))


def other_images(directory):
    rewrite(directory, IMAGES, idx(np.zeros((60_000, 28, 28))))


def fewer_labels(directory):
    with lzma.open(SAMPLE / (LABELS + ".xz")) as file:
        rewrite(directory, LABELS, file.read())


def label_of_ten(directory):
    rewrite(directory, LABELS, idx(np.full(60_000, 10)))


def labels_for_images(directory):
    rewrite(directory, IMAGES, idx(np.zeros(60_000)))


def not_gzip(directory):
    path_in(directory, LABELS).write_bytes(b"<html>404</html>")


def huge_header(directory):
    rewrite(directory, IMAGES, struct.pack(">HBB3I", 0, 8, 3, 4_000_000_000, 28, 28))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip_a_bit, "SHA-256 differs"),
        (truncate_compressed, "cannot be read"),
        (truncate_uncompressed, "is truncated: its header promises 60000 bytes and 59990 follow"),
        (wrong_magic, "is not an IDX file"),
        (other_images, "SHA-256 differs"),
        (fewer_labels, "SHA-256 differs"),
        (label_of_ten, "label of 10"),
        (labels_for_images, r"holds an array of shape \(60000,\)"),
        (not_gzip, "cannot be read"),
        (huge_header, "is truncated"),
    ],
)
def test_damaged_files_are_named(copy, damage, message, fails):
    damage(copy)
    with pytest.raises(GluonCNNError, match=message):
        read_fashion_mnist(copy)
    assert str(copy) in fails("train", "lenet", "--data-dir", copy, "--out", copy / "run")
    assert not (copy / "run").exists()


def test_counts_that_differ(monkeypatch):
    read = verified.read_file

    def without_the_last_label(directory, name):
        file = read(directory, name)
        return file._replace(array=file.array[:-1]) if "labels" in name else file

    monkeypatch.setattr(verified, "read_file", without_the_last_label)
    with pytest.raises(GluonCNNError, match="2000 train images and 1999 labels"):
        read_fashion_mnist(SAMPLE)


def test_directories_without_the_files(tmp_path, fails):
    assert "does not exist" in fails("data", "--data-dir", tmp_path / "none")
    assert f"holds no {IMAGES}, {IMAGES}.gz or {IMAGES}.xz: name one with" in fails("data", "--data-dir", tmp_path)


@pytest.mark.parametrize("content", [b"", b"\0\0", b"\0\0\x08\x03", b"\0\0\x08\x01\0\0\0", b"\0\0\x09\x01" + bytes(4)])
def test_short_or_foreign_bytes_are_no_idx_file(content):
    with pytest.raises(GluonCNNError):
        parse_idx(content, "a file")


def test_parsed_array_is_what_was_written():
    array = np.arange(24).reshape(2, 3, 4)
    assert (parse_idx(idx(array), "a file") == array).all()

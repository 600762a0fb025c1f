"""A data set of one's own: a folder with a folder of pictures for each class."""

import os
import shutil
import unicodedata

import numpy as np
import pytest
from pictures import COLOURS, make_folder, picture, save

from gluon_cnn import load_data_folder
from gluon_cnn.data import read_folder
from gluon_cnn.data.decoded import decode
from gluon_cnn.data.folder_files import find_pictures
from gluon_cnn.data.own import split
from gluon_cnn.errors import SettingError

CLASSES = tuple(sorted(COLOURS))


@pytest.fixture
def folder(tmp_path):
    """Five pictures of each of three classes, in one part."""
    return make_folder(tmp_path / "fruit")


def names_of(pictures, label=None):
    return {name for name, own in zip(pictures.names, pictures.labels) if label in (None, own)}


def test_folder_is_a_data_set_of_squares(tmp_path):
    root = make_folder(tmp_path / "fruit", 6, ("train", "test"), endings=("png", "jpg", "webp", "bmp"))
    dataset = read_folder(root, 16)
    info = dataset.info
    assert (info.name, info.classes, info.channels, info.side, len(info.sha256)) == ("fruit", CLASSES, 3, 16, 64)
    assert (dataset.train.images.shape, dataset.train.images.dtype) == ((18, 16, 16, 3), np.uint8)
    assert dataset.train.labels.tolist() == [0] * 6 + [1] * 6 + [2] * 6
    for part, held in (("train", dataset.train), ("test", dataset.test)):
        names = sorted(path.relative_to(root).as_posix() for path in (root / part).rglob("*.*"))
        expected = [
            (decode((root / name).read_bytes(), name, 16, 3), CLASSES.index(name.split("/")[1])) for name in names
        ]
        pairs = [(image.tobytes(), label) for image, label in zip(held.images, held.labels)]
        assert sorted(pairs) == sorted((image.tobytes(), label) for image, label in expected)
    assert sorted(dataset.files) == sorted(path.relative_to(root).as_posix() for path in root.rglob("*.*"))


@pytest.mark.parametrize("parts", [("",), ("train", "test")])
def test_first_test_images_have_several_classes(tmp_path, parts):
    test = read_folder(make_folder(tmp_path, 40, parts), 8).test
    assert set(test.labels[:6]) == {0, 1, 2}


@pytest.mark.parametrize(
    ("parts", "train", "test", "unused"),
    [
        (("train", "test"), "train", "test", 0),
        (("train", "val"), "train", "val", 0),
        (("train", "validation"), "train", "validation", 0),
        (("Train", "TEST"), "Train", "TEST", 0),
        (("train", "val", "test"), "train", "test", 1),
        (("train",), "train", None, 0),
        (("",), "", None, 0),
    ],
)
def test_parts_are_found_by_their_names(tmp_path, parts, train, test, unused):
    found = find_pictures(make_folder(tmp_path, 2, parts))
    assert found.classes == CLASSES
    assert all(name.startswith(train) for name in found.train.names)
    assert found.test is None if test is None else all(name.startswith(test) for name in found.test.names)
    assert len(found.notes) == unused


def test_test_part_without_classes_is_not_it(tmp_path):
    root = make_folder(tmp_path, 2, ("train", "val"))
    save(picture((1, 2, 3), 0), root / "test" / "1.png")
    found = find_pictures(root)
    assert found.test.names[0].startswith("val/")
    assert found.notes == (f"{root / 'test'} is not used",)


def test_train_can_be_a_class(tmp_path):
    found = find_pictures(make_folder(tmp_path, 2, colours={"bus": (9, 9, 9), "train": (1, 2, 3), "tram": (4, 5, 6)}))
    assert found.classes == ("bus", "train", "tram")


def test_what_systems_leave_is_ignored(folder):
    before = read_folder(folder, 8)
    for name in (
        ".DS_Store",
        "apple/Thumbs.db",
        "leaf/desktop.ini",
        "__MACOSX/apple/._1.png",
        ".git/x",
        "leaf/.x/1.png",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"litter")
    (folder / ".link").symlink_to("/")
    after = read_folder(folder, 8)
    assert (after.info, after.notes) == (before.info, ())


def test_folders_within_a_class_belong_to_it(folder):
    save(picture((1, 2, 3), 0), folder / "leaf" / "oak" / "old" / "1.png")
    found = find_pictures(folder)
    assert "leaf/oak/old/1.png" in names_of(found.train, 1)


@pytest.mark.parametrize("name", ["äpfel", "りんご", "a b", 'it\'s "1"', "-x", "new\nline", "\x1b[2J"])
def test_any_names(tmp_path, name):
    root = make_folder(tmp_path, 2, colours={name: (200, 0, 0), "other": (0, 200, 0)})
    (root / name / "0.png").rename(root / name / f"{name}.png")
    (root / name / f"{name}2.png").write_bytes(b"no picture")
    dataset = read_folder(root, 8)
    (own,) = set(dataset.info.classes) - {"other"}
    assert all(character >= " " for character in own + "".join(dataset.notes))
    assert dataset.train.images.shape[0] == 2


def test_names_need_not_be_utf8(folder):
    other = folder / os.fsdecode(b"caf\xe9")
    try:
        (folder / "leaf").rename(other)
    except OSError:
        pytest.skip("the file system takes UTF-8 only")
    (other / "1.png").rename(other / os.fsdecode(b"\xff.png"))
    dataset = read_folder(folder, 8)
    assert dataset.info.classes == ("apple", r"caf\xe9", "łąka")
    assert len(dataset.train.labels) + len(dataset.test.labels) == 15


def test_accents_in_either_form_are_one_class(tmp_path):
    for part, form in (("train", "NFC"), ("test", "NFD")):
        colours = {unicodedata.normalize(form, "café"): (200, 0, 0), "tea": (0, 200, 0)}
        make_folder(tmp_path, 2, (part,), colours)
    assert find_pictures(tmp_path).classes == ("café", "tea")


@pytest.mark.parametrize(("share", "tested"), [(0.2, 1), (0.5, 2), (0.01, 1), (0.99, 4)])
def test_split_takes_a_share_of_each_class(folder, share, tested):
    found = find_pictures(folder)
    train, test = split(found.train, found.classes, 0, share)
    assert sorted(train + test) == list(range(15))
    assert [sum(found.train.labels[test] == label) for label in range(3)] == [tested] * 3


def test_split_follows_the_seed_and_the_names(tmp_path):
    found = find_pictures(make_folder(tmp_path, 20))
    parts = {seed: split(found.train, found.classes, seed, 0.2) for seed in (0, 1)}
    assert parts[0] != parts[1]
    save(picture((1, 2, 3), 0), tmp_path / "leaf" / "another.png")
    more = find_pictures(tmp_path)
    before = names_of(found.train.take(parts[0][1]))
    after = names_of(more.train.take(split(more.train, more.classes, 0, 0.2)[1]))
    assert len(before ^ after) <= 2


def test_hash_is_of_names_classes_and_bytes(folder, tmp_path):
    def sha256(root, **options):
        return read_folder(root, 8, **options).info.sha256

    begun = sha256(folder)
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy)
    assert sha256(copy, seed=1) == sha256(copy, test_share=0.5) == begun
    (copy / "leaf").rename(copy / "leaves")
    renamed = sha256(copy)
    (copy / "leaves").rename(copy / "leaf")
    (copy / "leaf" / "0.png").rename(copy / "leaf" / "zero.png")
    moved = sha256(copy)
    (copy / "leaf" / "zero.png").rename(copy / "leaf" / "0.png")
    assert sha256(copy) == begun
    with (copy / "apple" / "0.png").open("ab") as file:
        file.write(b"\0")
    assert len({begun, renamed, moved, sha256(copy)}) == 4


@pytest.mark.parametrize(("mode", "found"), [("L", 1), ("RGB", 3)])
def test_grey_or_colour_is_found_or_asked_for(tmp_path, mode, found):
    root = make_folder(tmp_path, 2, mode=mode)
    assert read_folder(root, 8).info.channels == found
    assert read_folder(root, 8, channels=1).train.images.shape[1:] == (8, 8)
    assert read_folder(root, 8, channels=3).train.images.shape[1:] == (8, 8, 3)


def test_pictures_that_cannot_be_read_are_named(folder):
    for name in ("apple/bad.png", "leaf/notes.txt"):
        (folder / name).write_bytes(b"no picture")
    (folder / "README.md").write_text("beside the classes")
    dataset = read_folder(folder, 8)
    assert len(dataset.train.labels) + len(dataset.test.labels) == 15
    notes = "\n".join(dataset.notes)
    assert f"files beside the folders in {folder} are not used: README.md" in notes
    assert "apple/bad.png cannot be read as a picture" in notes
    assert "leaf/notes.txt cannot be read as a picture" in notes
    assert dataset.left_out == "2 of 17 pictures cannot be read, and are left out"
    assert len(dataset.notes) == 3


def test_unreadable_pictures_leave_no_part_without_a_class(tmp_path):
    root = make_folder(tmp_path, 3)
    found = find_pictures(root)
    tested = found.train.take(split(found.train, found.classes, 0, 0.2)[1]).names
    for name in tested:
        (root / name).write_bytes(b"no picture")
    dataset = read_folder(root, 8)
    assert (dataset.train.labels.tolist(), sorted(dataset.test.labels)) == ([0, 1, 2], [0, 1, 2])
    assert (len(dataset.notes), dataset.left_out) == (3, "3 of 9 pictures cannot be read, and are left out")


def test_batches_are_cut_out_and_normalised(folder):
    whole, _ = load_data_folder(folder, 100, 20, seed=0)
    cut, _ = load_data_folder(folder, 100, 16, short_side=20, normalize="measured", seed=0)
    (images, labels), (pieces, same) = next(iter(whole)), next(iter(cut))
    images, pieces = images.asnumpy(), pieces.asnumpy()
    assert (labels.asnumpy() == same.asnumpy()).all()
    axes = (0, 2, 3)
    mean, deviation = images.mean(axes, dtype="float64"), images.std(axes, dtype="float64")
    expected = (images - mean.reshape(-1, 1, 1)) / deviation.reshape(-1, 1, 1)
    np.testing.assert_allclose(pieces, expected[:, :, 2:18, 2:18], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"short_side": 8}, "side is 16, and cannot be cut out of a short_side of 8"),
        ({"short_side": 0}, "short_side is 0"),
        ({"normalize": (1, 2, 3)}, r"normalize is \(1, 2, 3\)"),
        ({"normalize": "0,0,0,1,1,1", "channels": 1}, "normalize has 3 means, but the images of fruit are grey"),
    ],
)
def test_settings_of_batches_are_refused(folder, options, message):
    with pytest.raises(SettingError, match=message):
        load_data_folder(folder, 4, 16, **options)


def test_batches_are_the_pictures(folder):
    train, test = load_data_folder(folder, 4, 16, seed=0)
    assert (len(train), len(test), len(train.labels), len(test.labels)) == (3, 1, 12, 3)
    X, y = next(iter(test))
    assert (X.shape, X.dtype, sorted(y.asnumpy())) == ((3, 3, 16, 16), np.float32, [0, 1, 2])
    expected = read_folder(folder, 16).test.images.transpose(0, 3, 1, 2) / np.float32(255)
    assert (X.asnumpy() == expected).all()

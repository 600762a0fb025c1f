"""A data set of one's own: a folder with a folder of pictures for each class."""

import os
import shutil
import socket
import tempfile
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from pictures import COLOURS, make_folder, picture, save

from gluon_cnn import load_data_folder
from gluon_cnn.data import kind_of, read_folder
from gluon_cnn.data.decoded import decode
from gluon_cnn.data.folder_files import find_pictures
from gluon_cnn.data.own import split
from gluon_cnn.errors import DataError, GluonCNNError, SettingError

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
    assert dataset.test.labels.tolist() == [0] * 6 + [1] * 6 + [2] * 6
    names = sorted(path.relative_to(root).as_posix() for path in (root / "test").rglob("*.*"))
    expected = [decode((root / name).read_bytes(), name, 16, 3) for name in names]
    assert (dataset.test.images == expected).all()
    assert sorted(dataset.files) == sorted(path.relative_to(root).as_posix() for path in root.rglob("*.*"))


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
    assert "2 of 17 pictures cannot be read, and are left out" in notes
    assert len(dataset.notes) == 4


def test_unreadable_pictures_leave_no_part_without_a_class(tmp_path):
    root = make_folder(tmp_path, 3)
    found = find_pictures(root)
    tested = found.train.take(split(found.train, found.classes, 0, 0.2)[1]).names
    for name in tested:
        (root / name).write_bytes(b"no picture")
    dataset = read_folder(root, 8)
    assert (dataset.train.labels.tolist(), dataset.test.labels.tolist()) == ([0, 1, 2], [0, 1, 2])
    assert len(dataset.notes) == 4


def test_batches_are_the_pictures(folder):
    train, test = load_data_folder(folder, 4, 16, seed=0)
    assert (len(train), len(test), len(train.labels), len(test.labels)) == (3, 1, 12, 3)
    X, y = next(iter(test))
    assert (X.shape, X.dtype, y.asnumpy().tolist()) == ((3, 3, 16, 16), np.float32, [0, 1, 2])
    expected = read_folder(folder, 16).test.images.transpose(0, 3, 1, 2) / np.float32(255)
    assert (X.asnumpy() == expected).all()


def link_out(root):
    (root / "leaf" / "link.png").symlink_to("/etc/hostname")


def link_around(root):
    (root / "leaf" / "around").symlink_to(root)


def link_to_nothing(root):
    (root / "leaf" / "link").symlink_to("nothing")


def linked_class(root):
    (root / "class").symlink_to(root / "leaf")


def a_fifo(root):
    os.mkfifo(root / "leaf" / "fifo.png")


def a_socket(root):
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(os.path.relpath(root / "leaf" / "socket"))  # because its whole path may be too long


def empty_class(root):
    (root / "zebra").mkdir()


def unreadable_class(root):
    (root / "zebra").mkdir()
    (root / "zebra" / "1.png").write_bytes(b"no picture")
    (root / "zebra" / "2.png").write_bytes(b"no picture")


def single_picture(root):
    save(picture((1, 2, 3), 0), root / "zebra" / "1.png")


def one_class(root):
    for name in ("leaf", "łąka"):
        shutil.rmtree(root / name)


def no_class(root):
    one_class(root)
    shutil.rmtree(root / "apple")
    save(picture((1, 2, 3), 0), root / "1.png")


def other_classes(root):
    for part, names in (("train", ("apple", "leaf")), ("test", ("apple", "łąka"))):
        for name in names:
            shutil.copytree(root / name, root / part / name)


def parts_without_classes(root):
    for part in ("train", "test"):
        save(picture((1, 2, 3), 0), root / part / "1.png")


def same_class_twice(root):
    for form in ("NFC", "NFD"):
        save(picture((1, 2, 3), 0), root / unicodedata.normalize(form, "é") / "1.png")


def no_pictures(root):
    for path in root.rglob("*.png"):
        path.write_bytes(b"no picture")


def too_deep(root):
    save(picture((1, 2, 3), 0), root.joinpath("leaf", *"abcdefghijklmnopqrstuvwxyz", "1.png"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (link_out, "link.png is a link, and a data set has none"),
        (link_around, "around is a link"),
        (link_to_nothing, "link is a link"),
        (linked_class, "class is a link"),
        (a_fifo, "fifo.png is neither a file nor a folder: take it away"),
        (a_socket, "socket is neither a file nor a folder"),
        (empty_class, "The class zebra has no picture in"),
        (unreadable_class, "The class zebra has no picture that can be read: add some"),
        (single_picture, "The class zebra has only one picture that can be read, which cannot be split"),
        (one_class, "has only one class, apple: make a folder"),
        (no_class, "has no classes: make a folder"),
        (other_classes, r"train has classes that .*test has not \(leaf\)"),
        (parts_without_classes, "train has no classes"),
        (same_class_twice, "two folders with the name é"),
        (no_pictures, "The class apple has no training picture that can be read"),
        (too_deep, "is more than 20 folders deep"),
    ],
)
def test_what_is_no_data_set_is_said(folder, damage, message):
    damage(folder)
    with pytest.raises(DataError, match=message):
        read_folder(folder, 8)


@pytest.mark.parametrize("place", ["/dev/null", "/dev/zero", __file__, "missing", "\0", "x" * 5000, None])
def test_place_that_is_no_folder(place):
    with pytest.raises(DataError, match=r"is no|cannot be read|name its folder|There is no data set"):
        read_folder(place, 8)
    if place:
        with pytest.raises(DataError):
            kind_of(place)


@pytest.mark.parametrize("what", ["picture", "folder"])
def test_what_may_not_be_read_is_said(what):
    with tempfile.TemporaryDirectory() as place:  # pytest's own would not let another user in
        root = make_folder(Path(place) / "fruit", 2)
        for path in (Path(place), root):
            path.chmod(0o755)
        locked = root / "leaf" / "0.png" if what == "picture" else root / "leaf"
        locked.chmod(0)
        root_user = os.geteuid() == 0
        if root_user:
            os.seteuid(65534)
        try:
            with pytest.raises(DataError, match=r"cannot be read \(Permission denied\)"):
                read_folder(root, 8)
        finally:
            if root_user:
                os.seteuid(0)
            locked.chmod(0o755)


def test_picture_that_changes_meanwhile_is_noticed(folder):
    pictures = find_pictures(folder).train
    save(picture((1, 2, 3), 9), folder / pictures.names[0])
    (folder / pictures.names[1]).unlink()
    for index in (0, 1):
        with pytest.raises(DataError, match=r"has changed since|No such file"):
            pictures.encoded(index)


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ({"side": 0}, ("side",)),
        ({"side": 8, "channels": 2}, ("channels",)),
        ({"side": 8, "test_share": 0}, ("test_share",)),
        ({"side": 8, "test_share": 1}, ("test_share",)),
        ({"side": 8, "seed": -1}, ("seed",)),
    ],
)
def test_wrong_values_are_refused(folder, options, settings):
    with pytest.raises(SettingError) as raised:
        read_folder(folder, **options)
    assert raised.value.settings == settings


def test_share_of_a_folder_with_parts_is_refused(tmp_path):
    root = make_folder(tmp_path, 2, ("train", "test"))
    with pytest.raises(GluonCNNError, match=r"test_share is 0.3, but .* has a test part of its own"):
        read_folder(root, 8, test_share=0.3)

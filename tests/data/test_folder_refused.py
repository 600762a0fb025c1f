"""Folders that are no data set: each is refused with one error."""

import os
import shutil
import socket
import tempfile
import unicodedata
from pathlib import Path

import pytest
from pictures import make_folder, picture, save

from gluon_cnn.data import kind_of, read_folder
from gluon_cnn.data.folder_files import find_pictures
from gluon_cnn.errors import DataError, GluonCNNError, SettingError


@pytest.fixture
def folder(tmp_path):
    """Five pictures of each of three classes, in one part."""
    return make_folder(tmp_path / "fruit")


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


def only_a_test_part(root):
    for name in ("apple", "leaf", "łąka"):
        shutil.move(root / name, root / "Test" / name)


def parts_for_tests_alone(root):
    only_a_test_part(root)
    shutil.copytree(root / "Test", root / "val")


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
        (only_a_test_part, "has only Test, of a test part: put train beside it, with the same classes"),
        (parts_for_tests_alone, "has only Test, val, of a test part: put train"),
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

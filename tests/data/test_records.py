"""Pictures in record files: MXNet's format, the data set in it, and files that are none."""

import json
import os
import struct
import subprocess
import sys
from types import SimpleNamespace

import mxnet as mx
import numpy as np
import pytest
from record_files import CLASSES, encoded, make_folder, make_records, write_plain

from gluon_cnn.data import folder_files, records
from gluon_cnn.data.folder import read_folder_of
from gluon_cnn.data.record_file import join_parts, read_spans, write_record
from gluon_cnn.data.record_pictures import read_file
from gluon_cnn.data.records import find_records, read_records
from gluon_cnn.data.to_records import write_records
from gluon_cnn.errors import DataError

RECIPE = SimpleNamespace(
    side=28, short_side=None, image_channels=None, seed=0, test_share=0.2, train_size=None, test_size=None
)
MAGIC = struct.pack("<I", 0xCED7230A)
CONTENTS = [
    b"",
    b"a",
    b"abcd",
    MAGIC,
    2 * MAGIC,
    b"abcd" + MAGIC,
    b"a" + MAGIC,
    MAGIC + b"x",
    b"ab" + 3 * MAGIC + b"cd",
]


def same(one, other):
    """Whether two data sets have the same images and labels."""
    return all(
        (a.images[:] == b.images[:]).all() and (a.labels == b.labels).all()
        for a, b in ((one.train, other.train), (one.test, other.test))
    )


def test_format_is_mxnets_own(tmp_path):
    ours, theirs = tmp_path / "ours.rec", tmp_path / "theirs.rec"
    with open(ours, "wb") as file:
        for content in CONTENTS:
            write_record(file, content)
    writer = mx.recordio.MXRecordIO(str(theirs), "w")
    for content in CONTENTS:
        writer.write(content)
    writer.close()
    stored = theirs.read_bytes()
    assert ours.read_bytes() == stored
    with open(theirs, "rb") as file:
        spans = list(read_spans(file))
    assert [span.content for span in spans] == CONTENTS
    assert [join_parts(stored[span.begin : span.end]) for span in spans] == CONTENTS


def test_records_equal_their_folder(tmp_path):
    path = make_records(tmp_path / "animals.rec")
    folder, ours = read_folder_of(tmp_path / "pictures", RECIPE), read_records(path, RECIPE)
    assert ours.info.classes == folder.info.classes == CLASSES
    assert ours.info.channels == 3
    assert same(folder, ours)


@pytest.mark.parametrize("again", [False, True], ids=["of a folder", "of records"])
def test_records_are_split_as_their_folder(tmp_path, again):
    folder, path = make_folder(tmp_path / "pictures", train=15, test=0), tmp_path / "animals.rec"
    (folder / "cat" / os.fsdecode(b"odd\xff\n.png")).write_bytes(encoded(500, 1))
    write_records(folder_files.find_pictures(folder), path, lambda *_: None)
    if again:
        found, _ = records.find_pictures(path)
        path = tmp_path / "again.rec"
        write_records(found, path, lambda *_: None)
    for seed in (0, 1):
        recipe = SimpleNamespace(**{**vars(RECIPE), "seed": seed})
        assert same(read_folder_of(folder, recipe), read_records(path, recipe))


def test_names_that_decide_the_split_belong_to_the_data_set(tmp_path):
    path = make_records(tmp_path / "animals.rec", test=0)
    before, beside = read_records(path, RECIPE).info, tmp_path / "animals.rec.json"
    stored = json.loads(beside.read_text())
    beside.write_text(json.dumps({**stored, "keys": stored["keys"][::-1]}))
    assert read_records(path, RECIPE).info.sha256 != before.sha256
    beside.write_text(json.dumps({**stored, "keys": stored["keys"][:-1]}))
    with pytest.raises(DataError, match=r"does not belong to animals.rec, which has other records"):
        read_records(path, RECIPE)


def test_mxnet_reads_what_is_written(tmp_path):
    path = make_records(tmp_path / "animals.rec")
    header, content = mx.recordio.unpack(mx.recordio.MXRecordIO(str(path), "r").read())
    assert (header.label, header.id) == (0, 0)
    assert content == (tmp_path / "pictures" / "train" / "bear" / "0.png").read_bytes()


def test_labels_name_classes_of_other_programs(tmp_path):
    path = tmp_path / "other.rec"
    writer = mx.recordio.MXRecordIO(str(path), "w")
    for index in range(12):
        label = [np.array([3.0]), 7, 9.0][index % 3]
        writer.write(mx.recordio.pack(mx.recordio.IRHeader(0, label, index, 0), encoded(index)))
    writer.close()
    dataset = read_records(path, RECIPE)
    assert dataset.info.classes == ("class 3", "class 7", "class 9")
    assert np.bincount(dataset.train.labels).tolist() == [3, 3, 3]
    assert np.bincount(dataset.test.labels).tolist() == [1, 1, 1]


def test_one_file_is_split_by_the_seed(tmp_path):
    path = write_plain(tmp_path / "all.rec", [0, 1] * 20)
    datasets = [read_records(path, SimpleNamespace(**{**vars(RECIPE), "seed": seed})) for seed in (0, 0, 1)]
    assert same(*datasets[:2])
    assert not same(*datasets[1:])
    assert same(datasets[0], read_records(path.rename(tmp_path / "renamed.rec"), RECIPE))


@pytest.mark.parametrize(
    ("names", "given", "expected"),
    [
        (["train.rec", "test.rec"], "", ("train.rec", "test.rec")),
        (["train.rec", "val.rec"], "train.rec", ("train.rec", "val.rec")),
        (["cifar_train.rec", "cifar_test.rec"], "", ("cifar_train.rec", "cifar_test.rec")),
        (["a.rec", "a-test.rec"], "a.rec", ("a.rec", "a-test.rec")),
        (["a.rec"], "", ("a.rec", None)),
    ],
)
def test_test_part_is_found_by_its_name(tmp_path, names, given, expected):
    for name in names:
        (tmp_path / name).touch()
    found = find_records(tmp_path / given)
    assert tuple(path and path.name for path in found) == expected


def test_several_files_are_not_guessed_at(tmp_path):
    for name in ("a.rec", "b.rec"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"holds 2 \.rec files that could be the training part"):
        find_records(tmp_path)


def with_label(header):
    """A record file with whole labels but for the last record's, whose header is given."""

    def write(path):
        write_plain(path, [0, 1] * 4)
        with open(path, "ab") as file:
            write_record(file, header + encoded(0))

    return write


def cut(end, more=b""):
    def write(path):
        stored = write_plain(path, [0, 1] * 4, lambda *which: encoded(*which) + more).read_bytes()
        path.write_bytes(stored[:end])

    return write


WRONG = {
    "cut off": (cut(-500), "cannot be read at record 7, because the file ends within it"),
    "cut in a header": (cut(3), "at record 0, because the file ends within it"),
    "cut in the padding": (cut(-1, more=b"odd"), "at record 7, because the file ends within it"),
    "a picture": (lambda path: path.write_bytes(encoded(0)), "at record 0, because it begins with"),
    "nothing": (lambda path: path.write_bytes(b""), "holds no record"),
    "half a label": (with_label(struct.pack("<IfQQ", 0, 0.5, 0, 0)), "at record 8, because its label is 0.5"),
    "no number": (with_label(struct.pack("<IfQQ", 0, float("nan"), 0, 0)), "its label is nan, not a whole number"),
    "below zero": (with_label(struct.pack("<IfQQ", 0, -1, 0, 0)), "its label is -1, not a whole number"),
    "labels of boxes": (with_label(struct.pack("<IfQQ4f", 4, 0, 0, 0, 1, 2, 3, 4)), "it has 4 labels instead of one"),
    "one class": (lambda path: write_plain(path, [5] * 9), "pictures of one class only, class 5"),
    "one of a class": (lambda path: write_plain(path, [0, 0, 0, 1]), "class 1 has only one picture"),
    "no pictures": (lambda path: write_plain(path, [0, 1] * 4, lambda *_: b"text"), "8 pictures cannot be read"),
    "a record of another kind": (lambda path: path.write_bytes(MAGIC + b"\3\0\0\0abc\0"), "it has 3 bytes, too few"),
    "a middle without a beginning": (lambda path: path.write_bytes(MAGIC + b"\0\0\0\x40"), "it is not whole"),
    "a length without end": (lambda path: path.write_bytes(MAGIC + b"\xff\xff\xff\x1f"), "the file ends within it"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files_are_one_line(tmp_path, name):
    write, problem = WRONG[name]
    write(tmp_path / "train.rec")
    with pytest.raises(DataError) as caught:
        read_records(tmp_path / "train.rec", RECIPE)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_file_ends_a_command(fails, tmp_path):
    cut(-500)(tmp_path / "train.rec")
    line = fails("train", "lenet", "--data", tmp_path / "train.rec", "--out", tmp_path / "run")
    assert "train.rec cannot be read at record 7" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"records": 23}, "does not belong to animals.rec"),
        ({"classes": ["bear", "cat"]}, "has the label 2, but names of 2 classes"),
        ({"classes": []}, "does not name the classes of animals.rec"),
        ({"classes": ["bear", "", "cat"]}, "does not name the classes of animals.rec .*length >= 1"),
        ({"classes": ["bear", "cat", "bear"]}, r"does not name the classes of animals.rec \(it has two classes 'bear'"),
        ({"sha256": "0" * 64}, "does not belong to animals.rec"),
    ],
)
def test_names_of_other_records_are_refused(tmp_path, change, problem):
    path = make_records(tmp_path / "animals.rec", test=0)
    beside = tmp_path / "animals.rec.json"
    beside.write_text(json.dumps({**json.loads(beside.read_text()), **change}))
    with pytest.raises(DataError, match=problem):
        read_records(path, RECIPE)


def test_pictures_that_cannot_be_read_are_named(tmp_path):
    path = write_plain(tmp_path / "all.rec", [0, 1] * 20, lambda index, _: encoded(index) if index != 7 else b"text")
    dataset = read_records(path, RECIPE)
    assert len(dataset.train.labels) + len(dataset.test.labels) == 39
    assert any("all.rec, record 7 cannot be read as a picture" in note for note in dataset.notes)
    assert dataset.left_out == "1 of 40 pictures cannot be read, and is left out"


def test_file_that_changes_is_noticed(tmp_path):
    path = write_plain(tmp_path / "all.rec", [0, 1] * 20)
    pictures = read_file(path).pictures
    with open(path, "ab") as file:
        file.write(b"more")
    with pytest.raises(DataError, match="has changed since the training began"):
        pictures.encoded(0)


READ = """
import resource, sys
from types import SimpleNamespace
import numpy as np, psutil
from gluon_cnn.data.records import read_records
assert "mxnet" not in sys.modules
limit = psutil.Process().memory_info().vms + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
recipe = SimpleNamespace(
    side=800, short_side=None, image_channels=None, seed=0, test_share=0.2, train_size=None, test_size=None
)
dataset = read_records(sys.argv[1], recipe)
assert "read ahead" in dataset.stored[0], dataset.stored
batches = [np.arange(start, start + 4) for start in range(0, len(dataset.train.images) - 4, 4)]
print(sum(int(images.sum()) > 0 for images in dataset.train.images.batches(batches)), len(batches))
"""


def test_file_larger_than_the_memory_is_read(tmp_path):
    memory = 160 << 20  # bytes, of which threads take a part
    picture = encoded(0, size=(1200, 1000), kind="BMP")  # which is large, and quick to decode
    path = write_plain(tmp_path / "large.rec", [0, 1] * 40, lambda *_: picture)
    assert path.stat().st_size > memory
    environment = {"MALLOC_ARENA_MAX": "1", "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", READ, str(path), str(memory)]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert ended.returncode == 0, ended.stderr
    done, batches = ended.stdout.split()
    assert done == batches

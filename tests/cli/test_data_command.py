"""The data command: what it says of a data set of one's own, and the records that it writes."""

import json
import shutil
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
from PIL import Image
from record_files import CLASSES, encoded, make_folder, write_plain

from gluon_cnn.cli import main
from gluon_cnn.data import to_records
from gluon_cnn.data.record_pictures import read_file


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "animals")


@pytest.fixture
def says(capsys):
    """A function that runs a command, which must succeed, and returns the lines that it prints."""

    def run(*argv):
        capsys.readouterr()
        assert main([str(argument) for argument in argv]) == 0
        return capsys.readouterr().out.splitlines()

    return run


def test_classes_sizes_and_formats(folder, says):
    (folder / "train" / "bear" / "more.bmp").write_bytes(encoded(999, size=(100, 80), kind="BMP"))
    (folder / "test" / "кот" / "tiny.png").write_bytes(encoded(998, size=(3, 4)))
    lines = says("data", folder)
    assert lines[0] == f"animals, a folder of pictures in {folder}: 3 classes"
    assert [line.split() for line in lines[1:6]] == [
        ["class", "training", "test"],
        ["bear", "9", "4"],
        ["cat", "8", "4"],
        ["кот", "8", "5"],
        ["all", "25", "13"],
    ]
    assert "sizes: smallest 3×4, median 36×30, largest 100×80 pixels" in lines
    assert "formats: 19 PNG RGB, 18 JPEG RGB, 1 BMP RGB; a network gets colour images" in lines
    assert "imbalance: bear has the most training pictures, 1.1 times as many as cat" in lines
    assert lines[-1] == "in both parts: 0 pictures"


def test_grey_pictures_are_said_to_be(tmp_path, says):
    for name in ("a", "b"):
        (tmp_path / "grey" / name).mkdir(parents=True)
        for number in range(2):
            image = Image.fromarray(np.full((9, 9), 100 + number, np.uint8))
            image.convert(["L", "RGB"][number]).save(tmp_path / "grey" / name / f"{number}.png")
    lines = says("data", tmp_path / "grey")
    assert "formats: 2 PNG L, 2 PNG RGB; a network gets grey images" in lines
    assert "There is no test part: a training splits one off by its seed" in lines
    assert "twice: 2 pictures" in lines


def test_pictures_that_cannot_be_read_are_each_named(folder, says):
    (folder / "train" / "cat" / "text.jpg").write_text("text")
    (folder / "test" / "bear" / "half.png").write_bytes(encoded(5)[:200])
    lines = says("data", folder)
    assert sum("train/cat/text.jpg cannot be read as a picture" in line for line in lines) == 1
    assert sum("test/bear/half.png cannot be read as a picture" in line for line in lines) == 1
    assert "left out of a training: 2 pictures that cannot be read" in lines


def test_same_picture_in_both_parts(folder, says):
    shutil.copy(folder / "train" / "cat" / "2.png", folder / "test" / "cat" / "copy.png")
    Image.open(folder / "train" / "bear" / "0.png").save(folder / "test" / "bear" / "again.bmp")
    lines = says("data", folder)
    assert "in both parts: test/cat/copy.png is train/cat/2.png, the same bytes" in lines
    assert "in both parts: test/bear/again.bmp is train/bear/0.png, the same pixels" in lines
    assert lines[-1] == "in both parts: 2 pictures"


def test_look_as_json(folder, says):
    found = json.loads("\n".join(says("data", folder, "--json")))
    assert found["classes"] == list(CLASSES)
    assert found["counts"] == {"training": [8, 8, 8], "test": [4, 4, 4]}
    assert found["channels"] == 3


def test_records_are_written_and_look_the_same(folder, tmp_path, says):
    (folder / "train" / "cat" / "text.jpg").write_text("text")
    lines = says("data", folder, "--to-records", tmp_path / "animals.rec")
    assert (
        f"{tmp_path / 'animals.rec'}: 24 pictures, verified; the names of its classes are in animals.rec.json" in lines
    )
    assert "left out: 1 picture that cannot be read" in lines
    of_folder, of_records = (
        json.loads("\n".join(says("data", place, "--json"))) for place in (folder, tmp_path / "animals.rec")
    )
    for name in ("classes", "counts", "sizes", "forms", "channels"):
        assert of_folder[name] == of_records[name]
    assert (of_records["notes"], of_records["unreadable"]) == (["the test part is animals-test.rec"], [])


def test_pictures_are_kept_byte_by_byte(folder, tmp_path, says):
    says("data", folder, "--to-records", tmp_path / "train.rec")
    pictures = read_file(tmp_path / "train.rec").pictures
    files = sorted(path for path in (folder / "train").rglob("*") if path.is_file())
    assert [pictures.encoded(index) for index in range(len(pictures))] == [path.read_bytes() for path in files]
    assert (tmp_path / "test.rec").exists()


def test_records_of_records(folder, tmp_path, says, fails):
    says("data", folder, "--to-records", tmp_path / "one.rec")
    says("data", tmp_path / "one.rec", "--to-records", tmp_path / "two.rec")
    assert (tmp_path / "one.rec").read_bytes() == (tmp_path / "two.rec").read_bytes()
    line = fails("data", tmp_path / "one.rec", "--to-records", tmp_path / "one.rec")
    assert "is the file that is read: choose another name (--to-records)" in line


@pytest.mark.parametrize("place", [".", f"train/{CLASSES[0]}", "new/.."])
def test_records_in_their_folder_are_refused(folder, fails, place):
    (folder / "new").mkdir()
    before = sorted(folder.rglob("*"))
    line = fails("data", folder, "--to-records", folder / place / "animals.rec")
    assert "is in the folder that is read, as a picture is: choose another place (--to-records)" in line
    assert sorted(folder.rglob("*")) == before


def test_stale_test_part_is_not_taken_over(folder, tmp_path, fails):
    write_plain(tmp_path / "animals-val.rec", [0, 1])
    line = fails("data", folder, "--to-records", tmp_path / "animals.rec")
    assert "animals-val.rec is there, and would be taken for the test part of animals.rec" in line


def test_nothing_half_written_is_left(folder, tmp_path, fails, monkeypatch):
    def lost(file, content):
        write_record(file, content[:-1] + b"!")

    write_record = to_records.write_record
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(to_records, "write_record", lost)
    line = fails("data", folder, "--to-records", tmp_path / "out" / "animals.rec")
    assert "animals.rec does not hold what was written to it" in line
    assert list((tmp_path / "out").iterdir()) == []


def test_full_disk_is_one_line(folder, tmp_path, fails):
    (tmp_path / "out").mkdir()
    with mock.patch.object(to_records, "write_record", side_effect=OSError(28, "No space left on device")):
        line = fails("data", folder, "--to-records", tmp_path / "out" / "animals.rec")
    assert "No space left on device" in line
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("make", "flags", "problem"),
    [
        (lambda path: None, [], "There is no data set"),
        (lambda path: path.mkdir(), [], "has no classes"),
        (lambda path: path.write_text("text"), [], "is no data set"),
        (make_folder, ["--release", "first"], "are about Fashion-MNIST"),
        (make_folder, ["--to-records", "out.txt"], "does not end in .rec"),
        (
            make_folder,
            ["--to-records", "nowhere/out.rec"],
            "There is no folder nowhere for out.rec: make it, or name another",
        ),
    ],
)
def test_what_cannot_be_looked_at(tmp_path, fails, monkeypatch, make, flags, problem):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "place")
    line = fails("data", tmp_path / "place", *flags)
    assert problem in line
    assert flags or "--data-dir" not in line  # which a data set of one's own does not take


def test_class_without_a_readable_picture(folder, fails):
    for path in (folder / "test" / "cat").iterdir():
        path.write_text("text")
    assert "The class cat has no test picture that can be read" in fails("data", folder)


def test_nothing_to_look_at(fails):
    assert "There is nothing to look at" in fails("data", "--json")


def test_data_set_is_looked_at_without_mxnet(folder, tmp_path):
    code = "import sys; sys.modules['mxnet'] = None; from gluon_cnn.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "data", str(folder)]

    for more in ([], ["--to-records", str(tmp_path / "animals.rec")]):
        ended = subprocess.run([*command, *more], capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0, ended.stderr

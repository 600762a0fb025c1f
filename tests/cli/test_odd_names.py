"""Files whose names are not UTF-8, or move a cursor, as the commands show them."""

import json
import os

import pytest
from record_files import encoded, make_folder

from gluon_cnn.cli import main

#: A readable picture and one that is none; as they are shown.
NAMES = {b"bad\xff\x1b[31m.png": "bad\\xff\\x1b[31m.png", b"two\xfe.png": "two\\xfe.png"}


@pytest.fixture
def folder(tmp_path):
    folder = make_folder(tmp_path / "animals", test=0)
    for name, content in zip(NAMES, (encoded(0), b"text")):
        (folder / "bear" / os.fsdecode(name)).write_bytes(content)
    return folder


@pytest.fixture
def printed(capsys):
    def run(*argv, code=0):
        capsys.readouterr()
        assert main([str(argument) for argument in argv]) == code
        return "".join(capsys.readouterr())

    return run


def test_pictures_of_a_data_set(folder, printed, tmp_path):
    lines, listed = printed("data", folder), printed("data", folder, "--json")
    written = printed("data", folder, "--to-records", tmp_path / "animals.rec")
    good, bad = NAMES.values()
    assert f"bear/{good} is bear/0.png" in lines
    assert json.loads(listed)["same_bytes"] == [["bear/0.png", f"bear/{good}"]]
    assert json.loads(listed)["unreadable"][0].startswith(f"bear/{bad} cannot be read")
    assert f"bear/{bad} cannot be read" in lines
    assert f"bear/{bad} cannot be read" in written


def test_predicted_pictures(folder, printed):
    lines = printed("predict", "pretrained:lenet", folder / "bear", code=1)
    assert all(f"{folder / 'bear'}/{name}" in lines for name in NAMES.values())
    listed = printed("predict", "pretrained:lenet", folder / "bear", "--json", code=1).partition("gluon-cnn: ")
    for name in (b"bad\\xff\x1b[31m.png".decode(), "two\\xfe.png"):
        assert json.dumps(f"{folder / 'bear'}/{name}") in "".join(listed)

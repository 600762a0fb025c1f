"""What a user is told to type to install this package again, by what is known of where it came from."""

import json
import re
from pathlib import Path

import pytest

from gluon_cnn.runtime import installation

UNKNOWN = 'pip install "/path/to/gluon-cnn[cpu]", with the path of your clone of gluon-cnn'


@pytest.fixture
def hint(tmp_path, monkeypatch):
    """The hint for the extra ``cpu`` where pip has recorded something, with ``{here}`` for an existing folder."""

    def hint(record, folder="packages"):
        info = tmp_path / folder / "gluon_cnn-0.1.0.dist-info"
        info.mkdir(parents=True)
        (tmp_path / "with space").mkdir()
        (info / "direct_url.json").write_bytes(record.replace("{here}", str(tmp_path)).encode())
        monkeypatch.setattr(installation, "_SOURCE", installation._source(tmp_path / folder))
        return installation.install_hint("cpu").replace(str(tmp_path), "{here}")

    return hint


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"url": "file://{here}/with%20space", "dir_info": {}}, 'pip install "{here}/with space[cpu]"'),
        ({"url": "file://localhost{here}", "dir_info": {}}, 'pip install "{here}[cpu]"'),
        ({"url": "file://{here}/gone", "dir_info": {}}, UNKNOWN),
        ({"url": "file://elsewhere{here}", "dir_info": {}}, UNKNOWN),
        ({"url": "https://a.test/x.whl", "archive_info": {}}, 'pip install "gluon-cnn[cpu] @ https://a.test/x.whl"'),
        (
            {"url": "https://a.test/g.git", "vcs_info": {"vcs": "git", "commit_id": "12ab"}},
            'pip install "gluon-cnn[cpu] @ git+https://a.test/g.git@12ab"',
        ),
        ({"url": "https://a.test/g.git", "vcs_info": {"vcs": "git"}}, UNKNOWN),
        ({"url": "https://me:secret@a.test/x.whl"}, 'pip install "gluon-cnn[cpu] @ https://a.test/x.whl"'),
        ({"url": "https://me:sec@ret@a.test:8/x.whl"}, 'pip install "gluon-cnn[cpu] @ https://a.test:8/x.whl"'),
        ({"url": "https://token@a.test/x.whl"}, 'pip install "gluon-cnn[cpu] @ https://a.test/x.whl"'),
        ({"url": "https://me:sec/ret@a.test/x.whl"}, UNKNOWN),
        ({"url": "https://a.test/x.whl?token=secret"}, UNKNOWN),
        ({"url": "git@a.test:g.git", "vcs_info": {"vcs": "git", "commit_id": "12ab"}}, UNKNOWN),
        (
            {"url": "ssh://git@a.test/g.git", "vcs_info": {"vcs": "git", "commit_id": "12ab"}},
            'pip install "gluon-cnn[cpu] @ git+ssh://git@a.test/g.git@12ab"',
        ),
        (
            {"url": "https://me:secret@a.test/g.git#subdirectory=a", "vcs_info": {"vcs": "git", "commit_id": "12ab"}},
            'pip install "gluon-cnn[cpu] @ git+https://a.test/g.git@12ab#subdirectory=a"',
        ),
        (
            {"url": "https://a.test/g.git", "vcs_info": {"vcs": "git", "commit_id": "12ab"}, "subdirectory": "a b"},
            'pip install "gluon-cnn[cpu] @ git+https://a.test/g.git@12ab#subdirectory=a%20b"',
        ),
        ({"url": "https://a.test/\n$(x)"}, UNKNOWN),
        ({"url": "https://a.test/$(x)`"}, "pip install 'gluon-cnn[cpu] @ https://a.test/$(x)`'"),
        ({"url": "gluon-cnn"}, UNKNOWN),
        ({"url": "http://[a"}, UNKNOWN),
        ({"url": "file:///a%00b"}, UNKNOWN),
        ({"url": None}, UNKNOWN),
        ({"url": ["file://{here}"]}, UNKNOWN),
        ({}, UNKNOWN),
        ([], UNKNOWN),
        (5, UNKNOWN),
    ],
)
def test_hint_names_what_pip_recorded(hint, record, expected):
    assert hint(json.dumps(record)) == expected


@pytest.mark.parametrize("record", ["", "{", "[" * 100_000, '{"url": "file:\\ud800"}'])
def test_damaged_record_gives_the_general_hint(hint, record):
    assert hint(record) == UNKNOWN


def test_wheel_without_a_record_gives_the_general_hint(tmp_path):
    assert installation._source(tmp_path) == (None, "")
    (tmp_path / "setup.py").write_text("from setuptools import setup\nsetup(name='another')\n")
    assert installation._source(tmp_path) == (None, "")
    assert installation._source(tmp_path / "nowhere") == (None, "")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("clone of it", 'pip install -e "{here}[cpu]"'), ('a"b', "pip install -e '{here}[cpu]'"), ("a\nb", UNKNOWN)],
)
def test_checkout_is_named_as_a_shell_takes_it(tmp_path, monkeypatch, name, expected):
    checkout = tmp_path / name
    checkout.mkdir()
    (checkout / "setup.py").write_text('setup(\n    name="gluon-cnn",\n)\n')
    monkeypatch.setattr(installation, "_SOURCE", installation._source(checkout))
    assert installation.install_hint("cpu").replace(str(checkout), "{here}") == expected


def test_no_hint_names_the_package_alone():
    """No index has it, so whoever puts one of its name there would be installed."""
    tree = Path(__file__).parents[2]
    files = [
        tree / "README.md",
        *tree.glob("docs/*.md"),
        *tree.glob("examples/**/*.ipynb"),
        *tree.glob("gluon_cnn/**/*.py"),
    ]
    for path in files:
        named = re.search(r'install ([^\n]* )?"?gluon-cnn(\[[\w,]*\])?(?! @ )["\s`]', path.read_text(encoding="utf-8"))
        assert not named, (path, named[0])

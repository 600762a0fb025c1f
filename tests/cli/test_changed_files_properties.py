"""Any change at all of a run's files: a command does its work, or says in one line why not; never a traceback."""

import contextlib
import io
import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from our_runs import published_history, write_run
from test_changed_files import put, without

from gluon_cnn.cli import main


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A run by the book's recipe; not to be changed."""
    return write_run(tmp_path_factory.mktemp("kept") / "book", published_history()).directory


@pytest.fixture
def fresh_copy(book, tmp_path, monkeypatch):
    """A function that puts a new copy of the run in the place of the one before; figures are not drawn."""
    monkeypatch.setattr("gluon_cnn.comparison.figures.save_comparison", lambda *arguments: None)

    def copy():
        shutil.rmtree(tmp_path / "book", ignore_errors=True)
        return shutil.copytree(book, tmp_path / "book")

    return copy


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["lenet", "own", "auto", 5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def places(content, path=()):
    """The paths to everything in some JSON."""
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for name, value in inner:
        yield (*path, name)
        yield from places(value, (*path, name))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(data=st.data())
def test_any_settings_end_with_a_code(data, fresh_copy):
    directory = fresh_copy()
    content = json.loads((directory / "config.json").read_bytes())
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(list(places(content))))
        (without(*path) if data.draw(st.booleans()) else put(*path, data.draw(json_values)))(content)
    (directory / "config.json").write_text(json.dumps(content), encoding="utf-8")
    refuse_traceback(["compare", str(directory)])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(name=st.sampled_from(["config.json", "history.csv"]), at=st.floats(0, 1), piece=st.binary(max_size=4))
def test_any_bytes_end_with_a_code(name, at, piece, fresh_copy):
    directory = fresh_copy()
    content = (directory / name).read_bytes()
    place = int(at * len(content))
    (directory / name).write_bytes(content[:place] + piece + content[place + len(piece) :])
    refuse_traceback(["compare", str(directory)])


def refuse_traceback(argv):
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = main(argv)
    assert (code, error.getvalue().count("\n")) in ((0, 0), (1, 1))

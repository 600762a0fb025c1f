"""Where a report says that its runs err: matrices, pictures, pages, and files that somebody changed."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from our_runs import published_history, write_made_up_answers, write_run

from gluon_cnn.cli import main
from gluon_cnn.comparison.mistakes import mistakes_of
from gluon_cnn.comparison.report import write_report


@pytest.fixture
def run(tmp_path):
    """A run with answers, alone in a directory; one that is not compared, for which no figures are drawn."""
    run = write_run(tmp_path / "run", published_history(), edition="adam")
    write_made_up_answers(run)
    return run


def report_of(run):
    """The report's two texts."""
    write_report(run.directory.parent)
    return [(run.directory.parent / f"report.{form}").read_text(encoding="utf-8") for form in ("html", "md")]


def test_matrix_and_worst_mistakes_are_shown(run):
    html, markdown = report_of(run)
    for text in (html, markdown):
        assert "80 of 100 right; most often, t-shirt is taken for" in text
        assert "ankle boot" in text
    assert html.count('<td class="right"') == 10
    assert html.count('<td class="wrong"') == 90
    assert html.count("data:image/png;base64,") == 9
    assert "ankle boot, taken for trouser (98.0%)" in " ".join(html.split())
    assert "| t-shirt | 8 | 1 | 1 |  |  |  |  |  |  |  |" in markdown
    assert "ankle boot taken for trouser (98.0%, image 95)" in markdown


def test_page_of_a_run_is_linked(run):
    html, markdown = report_of(run)
    assert "inspection.html" not in html + markdown
    page = run.directory / "inspection" / "inspection.html"
    page.parent.mkdir()
    page.touch()
    html, markdown = report_of(run)
    assert '<a href="run/inspection/inspection.html">run</a>' in html
    assert "[run](run/inspection/inspection.html)" in markdown


def test_answers_of_an_earlier_epoch_are_not_shown(run):
    run.checkpoints.mkdir()
    write_made_up_answers(run, epoch=4)
    for text in report_of(run):
        assert "of 100 right" not in text
        assert "gluon-cnn inspect run" in text


@pytest.mark.parametrize("classes", [1, 16, 17, 300])
def test_any_number_of_classes_is_shown(run, classes):
    write_made_up_answers(run, classes)
    html, markdown = report_of(run)
    assert f"of {10 * classes:,} right" in html
    assert ("The commonest mistakes" in html) == ("The commonest mistakes" in markdown) == (classes > 16)


CHANGES = {
    "no JSON": "{",
    "a list": "[]",
    "other epoch": {"epoch": "5"},
    "class beyond": {"counts": [[0, 10, 3]]},
    "mistake beyond": {"mistakes": [{"image": 0, "label": 0, "answer": 99, "confidence": 0.5}]},
    "many classes": {"classes": 10**9},
    "count below 0": {"counts": [[0, 0, -1]]},
    "confidence 2": {"mistakes": [{"image": 0, "label": 0, "answer": 1, "confidence": 2}]},
    "markup": {"mistakes": [{"image": 0, "label": 0, "answer": 1, "confidence": 1, "picture": '"><script>'}]},
    "many mistakes": {"mistakes": 10 * [{"image": 0, "label": 0, "answer": 1, "confidence": 1}]},
    "unknown field": {"colour": "red"},
}


@pytest.mark.parametrize("way", CHANGES)
def test_changed_answers_are_one_line(run, way, capsys):
    path = run.directory / "answers.json"
    changed = CHANGES[way]
    if isinstance(changed, dict):
        changed = json.dumps({**json.loads(path.read_text()), **changed})
    path.write_text(changed)
    assert main(["report", str(run.directory.parent)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"gluon-cnn: {path} cannot be read (")
    assert line.endswith(f"gluon-cnn inspect {run.directory} writes it anew.")
    for text in (run.directory.parent / "report.html", run.directory.parent / "report.md"):
        assert "answers.json cannot be read" in text.read_text(encoding="utf-8")
        assert "<script" not in text.read_text(encoding="utf-8")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**40) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def places(content, path=()):
    """The paths to everything in some JSON."""
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for name, value in inner:
        yield (*path, name)
        yield from places(value, (*path, name))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(data=st.data())
def test_any_answers_are_read_or_refused(run, data):
    write_made_up_answers(run)
    path = run.directory / "answers.json"
    content = json.loads(path.read_text())
    *place, name = data.draw(st.sampled_from(list(places(content))))
    inner = content
    for step in place:
        inner = inner[step]
    inner[name] = data.draw(json_values)
    path.write_text(json.dumps(content))
    found, error = mistakes_of(run.directory.parent, run)
    assert error is None or found["said"] is None

"""Any strings at all on the command line: it does what it is asked, or says in one line why not; never a traceback, and
never a file outside of the directories that it was given."""

import contextlib
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gluon_cnn.cli import main
from gluon_cnn.cli.changes import FIELDS
from gluon_cnn.data import SAMPLE

# Nothing is trained here: what a run does with settings that were accepted is tested elsewhere.
words = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["0", "-1", "1", "3", "96", "1e3", "nan", "inf", "1e400", "lenet", "NIN", "en", "adam", "sgd", "gpu", "cpu:0,1",
         "gpu:99", "..", "/", "~", "x" * 300, "0-3", "9999999999", "a\nb", "\x00", "../up", "runs/x", "own", "sample",
         "published", "x.py:net", "on", "none", "step"]
    ),
)  # fmt: skip
flags = st.sampled_from(
    ["--edition", "--epochs", "--lr", "--batch-size", "--resize", "--seed", "--init", "--data", "--resume",
     "--no-hybrid", "--quick", "--ctx", "--threads", "--data-dir", "--checkpoint-every", "--checkpoint", "--invert",
     "--as-is", "--show", "--json", "--models", "--seeds", "--out", "--format", "--preprocess", "--amp", "--momentum",
     "--layers", "--channels", "--classes", "--images", "gluoncv:", "x.onnx", "onnx", "cosine", "--set", "--"]
)  # fmt: skip
names = st.sampled_from([*FIELDS, "final_relu", "padding", "model", "workers", "source", "momentun", ""])
pairs = st.builds("--set={}={}".format, names, words)
commands = st.sampled_from(
    ["train", "evaluate", "predict", "inspect", "summary", "compare", "compare-runs", "reproduce", "report", "data",
     "export"]
)  # fmt: skip
arguments = st.lists(st.one_of(words, flags, pairs, st.tuples(flags, words)), max_size=6)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A directory to be in, without data to find or to download."""
    (tmp_path / "up" / "here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "up" / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("gluon_cnn.data.find_fashion_mnist", lambda *place: SAMPLE)
    for module in ("comparison.reproduce", "training.train_run"):  # the first imports the second
        monkeypatch.setattr(f"gluon_cnn.{module}.train_run", lambda run, **options: run.refuse_taken())
    return tmp_path


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=300, deadline=None
)
@given(command=st.one_of(commands, words), rest=arguments)
def test_any_arguments_end_with_a_code(workplace, command, rest):
    argv = [command]
    for item in rest:
        argv += item if isinstance(item, tuple) else [item]
    argv = [argument if argument.startswith("-") else argument.lstrip("/~") for argument in argv]
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            code = main(argv)
        except SystemExit as asked:  # for help
            code = asked.code
    assert code in (0, 1)
    if code == 1:
        lines = error.getvalue().splitlines()
        assert all(line.startswith("gluon-cnn: ") for line in lines)
        # These continue beside what they cannot read, and name each of it.
        assert len(lines) == 1 or (command in ("compare", "predict", "inspect") and 1 < len(lines) <= len(argv))
    assert {path.name for path in workplace.iterdir()} <= {"up", "home"}

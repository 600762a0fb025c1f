import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from our_runs import published_history, write_run
from runs import SMALL_RUN

from gluon_cnn.cli import main
from gluon_cnn.comparison.compare import compare_run
from gluon_cnn.comparison.published import published_runs
from gluon_cnn.comparison.results import has_results, write_results
from gluon_cnn.training.directory import RunDirectory

DOCUMENTED = Path(__file__).parents[2] / "docs" / "runs"
HEADER = b"epoch,train_loss,train_acc,test_acc,seconds,examples_per_sec\n"


@pytest.fixture
def published_run_as_ours(tmp_path):
    """A function that writes a published run as a directory of ours, and returns that."""

    def write(number=0, seed=0, model="lenet", **changes):
        directory = tmp_path / "runs" / f"{model}-{changes.get('init', 'published')}-{seed}"
        write_run(directory, published_history(model, number), model, seed=seed, **changes)
        return directory

    return write


def test_compare_one_run(published_run_as_ours, capsys):
    directory = published_run_as_ours(3)
    # A run that is named twice is one run.
    assert main(["compare", str(directory), f"{directory}/../{directory.name}"]) == 0
    out = capsys.readouterr().out
    assert "lenet, zh-v1, seed 0, from published initial weights, beside 15 published runs" in out
    assert "verdict: inside the published range at every epoch" in out
    assert "s on a Tesla M60 and " in out
    table = out[: out.index("verdict:")].splitlines()[1:]
    assert max(map(len, table)) <= 80
    comparison = json.loads((directory / "comparison.json").read_text())
    assert comparison["epochs"][4]["train_loss"]["ours"] == published_runs("lenet", "zh-v1")[3].history[4].train_loss
    assert (directory / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_samples_of_different_weights_are_kept_apart(published_run_as_ours, capsys):
    published = [published_run_as_ours(number, seed=number) for number in range(2)]
    own = [published_run_as_ours(number, seed=number, init="own") for number in range(2, 4)]
    assert main(["compare", *map(str, [*own, *published])]) == 0
    out = capsys.readouterr().out
    assert "2 runs from published initial weights (seeds 0, 1), beside 15 published runs" in out
    assert "2 runs from own initial weights (seeds 2, 3), beside 15 published runs" in out
    assert out.count("Mann–Whitney U") == 6
    assert "collapsed: 0 of 2 ours, 0 of 15 published" in out
    runs = published[0].parent
    samples = json.loads((runs / "comparison-lenet-zh-v1.json").read_text())
    assert [(s["initial_weights"], s["seeds"]) for s in samples] == [("published", [0, 1]), ("own", [2, 3])]
    assert (runs / "comparison-lenet-zh-v1.png").is_file()
    assert all((directory / "comparison.json").is_file() for directory in [*published, *own])


def test_comparison_says_what_the_release_is_worth(published_run_as_ours, capsys):
    second = [published_run_as_ours(number, seed=number, release="second") for number in range(2)]
    assert main(["compare", str(second[0])]) == 0
    said = (
        "data: the second release of Fashion-MNIST; the published runs had the first, which splits the images "
        "differently"
    )
    assert said in capsys.readouterr().out
    first = [published_run_as_ours(number, seed=number, release="first") for number in range(2, 4)]
    assert main(["compare", str(first[0])]) == 0
    assert "data: the first release of Fashion-MNIST, as in the published runs" in capsys.readouterr().out
    assert main(["compare", *map(str, [*first, *second])]) == 0
    out = capsys.readouterr().out
    assert out.count("2 runs from published initial weights") == 2
    assert out.count(said) == 1
    samples = json.loads((first[0].parent / "comparison-lenet-zh-v1.json").read_text())
    assert [(s["release"], s["seeds"]) for s in samples] == [("first", [2, 3]), ("second", [0, 1])]


def test_comparisons_go_where_they_are_told(published_run_as_ours, tmp_path):
    directories = [published_run_as_ours(0), published_run_as_ours(0, model="nin")]
    assert main(["compare", *map(str, directories), "--out", str(tmp_path / "there")]) == 0
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == [
        "comparison-lenet-zh-v1.json",
        "comparison-lenet-zh-v1.png",
        "comparison-nin-zh-v1.json",
        "comparison-nin-zh-v1.png",
    ]
    assert main(["compare", str(directories[0]), "--out", str(tmp_path / "one")]) == 0
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["comparison.json", "comparison.png"]
    assert not list((tmp_path / "runs").rglob("comparison*"))


def test_runs_beside_bad_ones_are_compared(published_run_as_ours, tmp_path, capsys):
    good = [published_run_as_ours(number, seed=number) for number in range(2)]
    without_sample, damaged, begun = (published_run_as_ours(seed=seed) for seed in (5, 6, 7))
    config = (without_sample / "config.json").read_text()
    (without_sample / "config.json").write_text(config.replace('"published_as": "lenet"', '"published_as": "vit"'))
    (damaged / "config.json").write_text("{")
    (begun / "history.csv").unlink()
    bad = [without_sample, damaged, begun, tmp_path / "nowhere"]
    (tmp_path / "loop").symlink_to("loop")
    assert main(["compare", *map(str, [bad[0], good[0], *bad[1:], good[1], tmp_path / "loop"])]) == 1
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert [line.startswith("gluon-cnn: ") for line in lines] == [True] * 5
    for line, reason in zip(lines, ("No run of vit was published", "cannot be read", "has no history.csv", "no run")):
        assert reason in line
    assert "2 runs from published initial weights (seeds 0, 1), beside 15 published runs" in printed.out
    assert {path.parent for path in (tmp_path / "runs").rglob("comparison.json")} == set(good)


def test_run_of_another_recipe_is_not_compared(published_run_as_ours, tmp_path, capsys):
    other = write_run(tmp_path / "other", published_history(epochs=2), epochs=2).directory
    assert main(["compare", str(other)]) == 0
    assert "not compared: 2 epochs instead of 5" in capsys.readouterr().out
    assert not (other / "comparison.json").exists()
    assert main(["compare", str(other), str(published_run_as_ours())]) == 0
    out = capsys.readouterr().out
    assert "not compared" in out
    assert "verdict: inside" in out


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("history.csv", None, "has no history.csv"),
        ("history.csv", b"", "has no epoch"),
        ("history.csv", b"epoch,train_loss\n1,x\n", "cannot be read as a run's history"),
        ("history.csv", b"\x00\xff", "cannot be read as a run's history"),
        ("history.csv", HEADER + b"2,2,0,0,1,1\n", "1, 2, 3"),
        ("history.csv", HEADER + b"1,nan,0,0,1,1\n", "row 1: Expected `float`"),
        ("config.json", None, "holds no run"),
        ("config.json", b"{", "cannot be read as a run's settings"),
        ("config.json", b"[]", "cannot be read as a run's settings"),
        ("config.json", (b'"machine": {', b'"machine": null, "was": {'), "cannot be read as a run's settings"),
        ("config.json", (b'"gluon-cnn train"', b"null"), "cannot be read as a run's settings"),
        ("config.json", (b'"published_as": "lenet"', b'"published_as": "vit"'), "No run of vit was published"),
        ("config.json", (b'"zh-v1"', b'"adam"'), "init is 'published'"),
    ],
)
def test_compare_of_a_broken_run(published_run_as_ours, fails, file, content, reason):
    path = published_run_as_ours() / file
    if content is None:
        path.unlink()
    elif isinstance(content, tuple):
        path.write_bytes(path.read_bytes().replace(*content))
    else:
        path.write_bytes(content)
    assert reason in fails("compare", path.parent)
    assert not list(path.parent.glob("comparison*"))


def test_training_by_another_recipe_is_not_compared(tmp_path, capsys):
    assert main(["train", "lenet", *SMALL_RUN, "--out", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    assert "not compared: 1 epoch instead of 5" in out
    assert "verdict" not in out
    assert not (tmp_path / "run" / "comparison.json").exists()


def test_training_by_the_books_recipe_is_compared(published_run_as_ours, capsys, monkeypatch):
    directory = published_run_as_ours(2)

    # All but its training, which takes the full data set and a minute.
    def train_run(run, **options):
        run.book = RunDirectory.open(directory).book

    monkeypatch.setattr("gluon_cnn.training.train_run.train_run", train_run)
    assert main(["train", "lenet", "--out", str(directory), "--resume"]) == 0
    assert "verdict: inside the published range at every epoch" in capsys.readouterr().out
    assert {"curves.png", "comparison.json", "comparison.png"} <= {path.name for path in directory.iterdir()}


def test_results_of_fewer_epochs_are_not_final(published_run_as_ours):
    run = RunDirectory.open(published_run_as_ours())
    history = run.history
    run.write_history(history[:3])
    write_results(run)
    assert not has_results(run)
    run.write_history(history)  # newer than what shows three epochs
    assert not has_results(run)
    write_results(run)
    assert has_results(run)
    # More epochs than the book's: the comparison, which was of another recipe, goes.
    run.book = dataclasses.replace(run.book, differences={"epochs": [6, 5]})
    run.recipe = dataclasses.replace(run.recipe, epochs=6)
    assert write_results(run) is None
    assert not list(run.directory.glob("comparison*"))


def test_somebody_elses_comparison_stays(published_run_as_ours):
    run = RunDirectory.open(published_run_as_ours())
    run.book = dataclasses.replace(run.book, differences={"epochs": [6, 5]})
    for text in ("my notes", '{"mine": 1}'):
        (run.directory / "comparison.json").write_text(text)
        (run.directory / "comparison.png").write_text("my picture")
        assert write_results(run) is None
        assert (run.directory / "comparison.json").read_text() == text
        assert (run.directory / "comparison.png").read_text() == "my picture"


def test_directory_above_runs_names_one_of_them(published_run_as_ours, fails):
    directory = published_run_as_ours()
    assert f"name a run's directory, such as {directory}" in fails("compare", directory.parent)


def test_comparing_and_reporting_do_not_import_mxnet(published_run_as_ours):
    directory = published_run_as_ours()
    code = """
import sys
from pathlib import Path
from gluon_cnn.cli import main
assert main(["compare", sys.argv[1]]) == 0
assert main(["report", str(Path(sys.argv[1]).parent)]) == 0
for name in ("compare", "figures", "published", "report", "results", "statistics", "verdict", "words"):
    assert f"gluon_cnn.comparison.{name}" in sys.modules, name
print("mxnet" in sys.modules)
"""
    process = subprocess.run([sys.executable, "-c", code, str(directory)], capture_output=True, text=True, timeout=100)
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.splitlines()[-1] == "False"


def test_runs_of_the_documents_can_be_compared():
    runs = [RunDirectory.open(path.parent) for path in DOCUMENTED.rglob("config.json")]
    assert all(run.epochs_done for run in runs)
    comparable = [run for run in runs if not run.reasons_not_compared]
    assert len(comparable) == len(list(DOCUMENTED.rglob("comparison.json"))) > 40
    for run in comparable[:3]:
        kept = json.loads((run.directory / "comparison.json").read_text())
        assert json.loads(json.dumps(compare_run(run))) == kept

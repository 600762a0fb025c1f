import json

import pytest
from conftest import SMALL_RUN

from gluon_cnn.book import published_runs
from gluon_cnn.cli import main
from gluon_cnn.results import has_results, remove_results, write_results
from gluon_cnn.training import Run, get_recipe, read_history


@pytest.fixture
def published_run_as_ours(tmp_path):
    """A function that writes a published run as a directory of ours: ``(number, seed, ...)``."""

    def write(number=0, seed=0, model="lenet", **changes):
        recipe = get_recipe(model, seed=seed, **changes)
        directory = tmp_path / "runs" / f"{model}-{recipe.init}-{seed}"
        directory.mkdir(parents=True)
        run = Run(directory, recipe, {})
        run.write_config("gluon-cnn train", 2)
        history = published_runs(model, "zh-v1")[number].history
        run.write_history([r._replace(examples_per_sec=1000.0, dead_classes=0) for r in history])
        return directory

    return write


def test_compare_one_run(published_run_as_ours, capsys):
    directory = published_run_as_ours(3)
    assert main(["compare", str(directory)]) == 0
    out = capsys.readouterr().out
    assert "lenet, zh-v1, seed 0, from the published initial weights, beside 15 published runs" in out
    assert "verdict: inside the published range at every epoch" in out
    assert "s on a Tesla M60 and " in out
    table = out[: out.index("verdict:")].splitlines()[1:]
    assert max(map(len, table)) <= 80
    comparison = json.loads((directory / "comparison.json").read_text())
    assert comparison["epochs"][4]["train_loss"]["ours"] == published_runs("lenet", "zh-v1")[3].history[4].train_loss
    assert (directory / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_compare_several_runs_keeps_kinds_of_weights_apart(published_run_as_ours, capsys):
    replayed = [published_run_as_ours(number, seed=number) for number in range(3)]
    own = [published_run_as_ours(number, seed=number, init="seed") for number in range(3, 5)]
    assert main(["compare", *map(str, [*replayed, *own])]) == 0
    out = capsys.readouterr().out
    assert "3 runs from the published initial weights (seeds 0, 1, 2), beside 15 published runs" in out
    assert "2 runs from initial weights of their own (seeds 3, 4), beside 15 published runs" in out
    assert out.count("Mann–Whitney U") == 6
    assert "collapsed: 0 of 3 ours, 0 of 15 published" in out
    runs = replayed[0].parent
    samples = json.loads((runs / "comparison-lenet-zh-v1.json").read_text())
    assert [(s["initial_weights"], s["seeds"]) for s in samples] == [("replayed", [0, 1, 2]), ("own", [3, 4])]
    assert (runs / "comparison-lenet-zh-v1.png").is_file()
    assert all((directory / "comparison.json").is_file() for directory in [*replayed, *own])


def test_comparisons_of_several_runs_go_where_they_are_told(published_run_as_ours, tmp_path):
    directories = [published_run_as_ours(0), published_run_as_ours(0, model="nin")]
    assert main(["compare", *map(str, directories), "--out", str(tmp_path / "there")]) == 0
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == [
        "comparison-lenet-zh-v1.json",
        "comparison-lenet-zh-v1.png",
        "comparison-nin-zh-v1.json",
        "comparison-nin-zh-v1.png",
    ]


def test_a_run_of_another_recipe_is_compared_with_nothing(lenet_run, published_run_as_ours, capsys):
    assert main(["compare", str(lenet_run)]) == 0
    assert "is compared with nothing, for it is not the book's recipe: epochs 2, not 5" in capsys.readouterr().out
    assert not (lenet_run / "comparison.json").exists()
    assert main(["compare", str(lenet_run), str(published_run_as_ours())]) == 0
    out = capsys.readouterr().out
    assert "compared with nothing" in out
    assert "verdict: inside" in out


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("history.csv", None, "has no history.csv"),
        ("history.csv", b"", "has no epoch"),
        ("history.csv", b"epoch,train_loss\n1,x\n", "cannot be read as a run's history"),
        ("history.csv", b"\x00\xff", "cannot be read as a run's history"),
        ("history.csv", b"epoch,train_loss,train_acc,test_acc,seconds,examples_per_sec\n2,2,0,0,1,1\n", "1, 2, 3"),
        ("history.csv", b"epoch,train_loss,train_acc,test_acc,seconds,examples_per_sec\n1,nan,0,0,1,1\n", "not finite"),
        ("config.json", None, "holds no run"),
        ("config.json", b"{", "cannot be read as a run's settings"),
        ("config.json", b"[]", "cannot be read as a run's settings"),
        ("config.json", (b'"machine": {', b'"machine": null, "was": {'), "cannot be read as a run's settings"),
        ("config.json", (b'"gluon-cnn train"', b"null"), "cannot be read as a run's settings"),
        ("config.json", (b'"lenet"', b'"googlenet"'), "no network 'googlenet'"),
        ("config.json", (b'"zh-v1"', b'"adam"'), "init is 'book'"),
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


def test_compare_of_an_edition_that_was_not_published(published_run_as_ours, fails):
    path = published_run_as_ours(init="seed") / "config.json"
    path.write_bytes(path.read_bytes().replace(b'"zh-v1"', b'"adam"'))
    assert "No run of lenet was published in edition adam" in fails("compare", path.parent)


def test_training_by_another_recipe_ends_without_a_comparison(tmp_path, capsys):
    assert main(["train", "lenet", *SMALL_RUN, "--out", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    assert "compared with nothing, for it is not the book's recipe: epochs 1, not 5" in out
    assert "verdict" not in out
    assert not (tmp_path / "run" / "comparison.json").exists()


def test_training_by_the_books_recipe_ends_with_the_comparison(published_run_as_ours, capsys, monkeypatch):
    directory = published_run_as_ours(2)
    # All but its training, which takes the full data set and a minute.
    monkeypatch.setattr("gluon_cnn.cli.train", lambda run, **options: None)
    assert main(["train", "lenet", "--out", str(directory), "--resume"]) == 0
    assert "verdict: inside the published range at every epoch" in capsys.readouterr().out
    assert {"curves.png", "comparison.json", "comparison.png"} <= {path.name for path in directory.iterdir()}


def test_a_run_named_twice_is_one_run(published_run_as_ours, capsys):
    directory = published_run_as_ours()
    assert main(["compare", str(directory), f"{directory}/../{directory.name}"]) == 0
    assert "seed 0, from the published initial weights" in capsys.readouterr().out


def test_results_of_fewer_epochs_are_not_taken_for_those_of_all(published_run_as_ours):
    directory = published_run_as_ours()
    run = Run.open(directory)
    run.write_history(read_history(directory)[:3])
    write_results(run)
    assert not has_results(run)
    run.write_history([r._replace(examples_per_sec=1.0) for r in published_runs("lenet", "zh-v1")[0].history])
    remove_results(run)  # as train_missing does before it trains
    assert not has_results(run)
    write_results(run)
    assert has_results(run)


def test_a_run_that_leaves_the_books_recipe_loses_its_comparison(published_run_as_ours):
    directory = published_run_as_ours()
    write_results(Run.open(directory))
    run = Run(directory, get_recipe("lenet", epochs=6), Run.open(directory).settings)
    assert write_results(run) is None
    assert not list(directory.glob("comparison*"))


def test_the_directory_above_the_runs_is_answered_with_one_in_it(published_run_as_ours, fails):
    directory = published_run_as_ours()
    assert f"name a run's directory, such as {directory}" in fails("compare", directory.parent)

"""The studies among the examples: on a few images, and their tables in the documents."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from our_runs import published_history, write_run
from runs import run_process

from gluon_cnn.data import SAMPLE, read_fashion_mnist
from gluon_cnn.models import find_network, list_models
from gluon_cnn.training.directory import RunDirectory

ROOT = Path(__file__).parent.parent
EXAMPLES, DOCS, RUNS = ROOT / "examples", ROOT / "docs", ROOT / "docs" / "runs"
SMALL = ["--data", "sample", "--train-size", "16", "--test-size", "16", "--epochs", "1", "--seeds", "0,1"]
#: Runs a file as Python does that is given its name.
AS_MAIN = """
import runpy, sys
from pathlib import Path
del sys.argv[0]
sys.path.insert(0, str(Path(sys.argv[0]).parent))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def example(monkeypatch):
    """A function that imports an example as if it were called with arguments."""
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def load(name, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        return importlib.import_module(name)

    return load


def check_table(table, directory, variants):
    """Whether a study's table has a row for each variant, with the dead classes of its runs."""
    assert [re.match(r"\| (\S+) \| 2 \|", line)[1] for line in table[2:]] == variants
    for variant, line in zip(variants, table[2:]):
        dead = [str(RunDirectory.open(directory / variant / f"seed{seed}").history[-1].dead_classes) for seed in (0, 1)]
        assert f"| {', '.join(dead)} |" in line


def test_studies_train_each_variant_once(tmp_path, example, capsys):
    ended = run_process(AS_MAIN, EXAMPLES / "nin_exercise.py", *SMALL, "--out", tmp_path)
    assert (ended.code, ended.error) == (0, "")
    variants = ["faithful", "one-1x1", "no-last-relu", "one-1x1-no-last-relu"]
    check_table(ended.out.splitlines()[-6:], tmp_path, variants)
    # The other study shares two of these variants, which are not trained again.
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*/*")}
    collapse = example("nin_collapse", *SMALL, "--out", tmp_path)
    collapse.study(collapse.VARIANTS, collapse.__doc__)
    table = capsys.readouterr().out.splitlines()[-6:]
    check_table(table, tmp_path, ["faithful", "no-last-relu", "clip-gradient-0.01", "lr-0.05"])
    assert {path: path.stat().st_mtime_ns for path in before} == before
    # A finished study only prints its table.
    collapse.study(collapse.VARIANTS, collapse.__doc__)
    assert capsys.readouterr().out.splitlines() == table


def test_study_with_bad_arguments(example):
    study = example("nin_collapse", "--seeds", "x")
    with pytest.raises(SystemExit, match=r"^nin_collapse.py: seeds is 'x'; .*\.$"):
        study.study(study.VARIANTS, study.__doc__)


PROGRAMS = sorted(path for folder in ("benchmarks", "examples") for path in (ROOT / folder).glob("*.py"))


@pytest.mark.parametrize("path", PROGRAMS, ids=[path.name for path in PROGRAMS])
def test_help_of_each_program_has_an_example(path):
    if '__name__ == "__main__"' not in path.read_text(encoding="utf-8"):
        return  # what others share
    if "torch" in path.name:
        pytest.importorskip("torch")
    ended = run_process(AS_MAIN, path, "--help")
    assert ended.code in (0, None), ended
    assert re.search(rf"{path.parent.name}/{path.name}|python \S*{path.name}", ended.out), ended
    assert "usage: " in ended.out


def test_documents_have_the_studies_tables(example, capsys):
    for name in ("nin_collapse", "nin_exercise"):
        paths = {variant: sorted((RUNS / "nin-study" / variant).iterdir()) for variant in example(name).VARIANTS}
        histories = {variant: [RunDirectory.open(path).history for path in of] for variant, of in paths.items()}
        example("nin_collapse").print_table(histories, epochs=4)
        assert capsys.readouterr().out in (DOCS / "nin.md").read_text(encoding="utf-8")


def test_documents_have_the_table_of_initial_weights(example, tmp_path, capsys):
    book_loop = RUNS / "lenet" / "book-code-zh-v1.jsonl"
    figure = tmp_path / "figure.png"
    example("initial_weights", RUNS / "lenet", figure, "--book-loop", book_loop).main()
    assert capsys.readouterr().out in (DOCS / "initial-weights.md").read_text(encoding="utf-8")
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_selectivity_is_shown_by_layer_and_epoch(tmp_path):
    figure = tmp_path / "figure.png"
    arguments = ["--network", "lenet", "--data", "sample", "--epochs", 1, "--images", 50, "--figure", figure]
    ended = run_process(AS_MAIN, EXAMPLES / "selectivity.py", *arguments)
    assert (ended.code, ended.error) == (0, "")
    table = ended.out.splitlines()[-8:]
    assert table[0] == "| layer | epoch 0 | epoch 1 | alive at the end |"
    assert [line.split(" | ")[-1] for line in table[2:7]] == [f"{n} of {n} |" for n in (6, 16, 120, 84, 10)]
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_documents_have_the_table_of_random_splits(example, tmp_path, capsys):
    figure = tmp_path / "figure.png"
    kept = RUNS / "lenet" / "random-splits.csv"
    example("random_splits", "--out", kept, "--figure", figure).main()
    assert capsys.readouterr().out in (DOCS / "two-releases.md").read_text(encoding="utf-8")
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_documents_have_the_tables_of_results(example, tmp_path, capsys):
    example("results", RUNS, "--figures", tmp_path / "results").main()
    table = capsys.readouterr().out
    assert table in (DOCS / "results.md").read_text(encoding="utf-8")
    drawn = {path.name for path in (tmp_path / "results").iterdir()}
    assert drawn == {path.name for path in (DOCS / "results").iterdir()}
    assert drawn == set(re.findall(r'src="results/([^"]*)"', table))
    example("results", RUNS, "--readme", tmp_path / "results.png").main()
    assert capsys.readouterr().out in (ROOT / "README.md").read_text(encoding="utf-8")
    assert (tmp_path / "results.png").read_bytes().startswith(b"\x89PNG")


def test_documents_have_the_tables_of_published_runs(example, tmp_path, capsys):
    example("published_samples", "--figure", tmp_path / "figure.png").main()
    document = (DOCS / "published.md").read_text(encoding="utf-8")
    tables = capsys.readouterr().out.split("\n\n")
    assert len(tables) == 3
    assert all(table in document for table in tables)
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_results_have_a_row_for_each_network(example, tmp_path, capsys):
    write_run(tmp_path / "first", published_history(number=2), release="first")
    for seed in (0, 1, 2, 4):
        write_run(tmp_path / str(seed), published_history(number=seed), seed=seed, release="second")
    write_run(tmp_path / "unfinished", published_history("nin", epochs=3), "nin", seed=2, release="second")
    gpu = write_run(tmp_path / "gpu", published_history("vgg", epochs=5), "vgg11", release="second").directory
    config = (gpu / "config.json").read_text()
    (gpu / "config.json").write_text(config.replace('"ctx": "auto"', '"ctx": "gpu:0"'))
    example("results", tmp_path, "--figures", tmp_path / "figures").main()
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    found = {}
    for title, _, verdict, runs, *_, command, _ in rows:
        found.setdefault(title.replace("**", "").strip("| "), []).append((runs, verdict.split(" (")[0], command))
    assert [runs for runs, _, _ in found["LeNet zh-v1"]] == [
        "seed 0, first release, 5 epochs",
        "seeds 0–2, 4, second release, 5 epochs",
    ]
    assert found["LeNet zh-v1"][1][1] == "4 of 4 runs inside the published range at every epoch"
    assert found["LeNet zh-v1"][1][2] == "`gluon-cnn reproduce --models lenet --seeds 0-2,4 --release second`"
    assert found["NiN zh-v1"][0][0] == "seed 2, second release<br>seed 2: epoch 3 of 5"
    assert found["NiN zh-v1"][0][1] == "so far"
    assert found["VGG-11/4 zh-v1"][0][:2] == ("", "not run")
    assert found["VGG-11/4 zh-v1<br>on a GPU"][0][2].endswith("--models vgg11 --release second --ctx gpu`")
    assert found["DenseNet en"] == [("", "not run", "`gluon-cnn reproduce --models densenet --edition en`")]
    assert len(found) == 15
    assert len(list((tmp_path / "figures").iterdir())) == 16


def test_results_know_each_published_network(example):
    published = {name: find_network(name).published_as for name in list_models() if find_network(name).published_as}
    assert {network.model: network.published_as for network in example("results").NETWORKS} == published


def test_results_of_no_directory(example, tmp_path):
    with pytest.raises(SystemExit, match=r"^results.py: \S+nowhere is not a directory: name one that holds runs\.$"):
        example("results", tmp_path / "nowhere", "--figures", tmp_path / "figures").main()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "arguments", "place"),
    [
        ("results", [RUNS / "lenet", "--readme", "nowhere/results.png"], "nowhere/results.png"),
        ("results", [RUNS / "lenet", "--figures", "file"], "file"),
        ("published_samples", ["--figure", "nowhere/figure.png"], "nowhere/figure.png"),
        (
            "random_splits",
            ["--out", RUNS / "lenet" / "random-splits.csv", "--figure", "nowhere/figure.png"],
            "nowhere/figure.png",
        ),
    ],
)
def test_figures_that_cannot_be_written(example, tmp_path, monkeypatch, capsys, name, arguments, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match=rf"^{name}\.py: {place} cannot be .*written \(.+\): name another place\.$"):
        example(name, *arguments).main()
    assert capsys.readouterr().out == ""


def test_printed_runs_that_cannot_be_read(example, tmp_path):
    with pytest.raises(SystemExit, match=r"^initial_weights\.py: nowhere cannot be read \(.+\): name another file\.$"):
        example("initial_weights", RUNS / "lenet", tmp_path / "figure.png", "--book-loop", "nowhere").main()


@pytest.mark.parametrize("arguments", [("nowhere", RUNS / "lenet"), (RUNS / "torch", "nowhere")])
def test_directory_of_other_frameworks_is_named(example, arguments):
    with pytest.raises(SystemExit, match=r"^other_frameworks\.py: nowhere is not a directory: name one that holds"):
        example("other_frameworks", *arguments).main()


def test_documents_have_the_table_of_other_frameworks(example, capsys):
    example("other_frameworks", RUNS / "torch", RUNS / "lenet").main()
    assert capsys.readouterr().out in (DOCS / "other-frameworks.md").read_text(encoding="utf-8")


def test_split_anew_keeps_every_image(example):
    whole = read_fashion_mnist(SAMPLE)
    split = example("random_splits").split_anew(whole, 3)
    assert [len(part.labels) for part in (split.train, split.test)] == [2000, 500]
    sums = [sorted(np.concatenate([part.images.sum((1, 2)) for part in (of.train, of.test)])) for of in (whole, split)]
    assert sums[0] == sums[1]
    assert (split.train.labels != whole.train.labels).any()

"""Runs on the two releases of Fashion-MNIST: which one is used, and what says so."""

import dataclasses
import json
import shutil

import pytest
from releases import NAMES
from runs import command, flags, interrupted_after

from gluon_cnn import GluonCNNError, get_recipe, load_run
from gluon_cnn.cli import main
from gluon_cnn.comparison.reproduce import train_missing
from gluon_cnn.errors import RunStopped
from gluon_cnn.training.recipes import release_to_train_on
from gluon_cnn.training.run import Run
from gluon_cnn.training.run_names import default_name

FEW = [*flags(train_size=128, test_size=64), "--batch-size", "64", "--epochs", "1"]


@pytest.fixture
def both(first, second, home):
    """Gluon's place with the first release, and the second in a folder beside it."""
    for directory, target in ((first, home), (second, home.with_name("fashion-mnist-second"))):
        target.mkdir(parents=True)
        for path in directory.iterdir():
            if path.name.startswith(tuple(NAMES)):
                (target / path.name).symlink_to(path)
    return home


def test_run_on_the_first_release(both, tmp_path, capsys):
    shutil.rmtree(both.with_name("fashion-mnist-second"))
    before = {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in both.iterdir()}
    assert main(["train", "lenet", *FEW, "--out", str(tmp_path / "run")]) == 0
    assert "128 images of 28×28, first release, batch 64" in capsys.readouterr().out
    run = load_run(tmp_path / "run")
    assert run.recipe.release == "first"
    assert json.loads((tmp_path / "run" / "config.json").read_text())["recipe"]["release"] == "first"
    assert len(run.resume(epochs=2, quiet=True)) == 2
    assert main(["evaluate", str(tmp_path / "run")]) == 0
    assert "64 test images of the first release" in capsys.readouterr().out
    assert {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in both.iterdir()} == before


@pytest.mark.parametrize(
    ("changes", "release"),
    [
        ({}, "first"),
        ({"seed": 3, "init": "own"}, "first"),
        ({"epochs": 1}, "second"),
        ({"edition": "adam"}, "second"),
        ({"epochs": 1, "release": "first"}, "first"),
        ({"release": "second"}, "second"),
        ({"data": "sample"}, "second"),
    ],
)
def test_book_recipe_takes_the_first_of_both(both, changes, release):
    assert release_to_train_on(get_recipe("lenet", **changes)) == release


def test_resume_keeps_the_release_it_began_with(both, tmp_path, fails):
    out = tmp_path / "run"
    command("train", "lenet", *FEW, "--release", "first", "--out", out, "--quiet")
    command("train", "lenet", "--epochs", 2, "--out", out, "--resume", "--quiet")
    assert load_run(out).recipe.release == "first"
    error = fails("train", "lenet", "--epochs", 3, "--release", "second", "--out", out, "--resume")
    assert "was begun with the first release, not second" in error
    assert "--release" in error
    beside = both.with_name("fashion-mnist-second")
    error = fails("train", "lenet", "--epochs", 3, "--data-dir", beside, "--out", out, "--resume")
    assert "holds the second release of Fashion-MNIST, not the first" in error
    assert len(load_run(out).history) == 2


def test_run_that_names_no_release_keeps_its_own(both, tmp_path):
    command("train", "lenet", *FEW, "--release", "second", "--out", tmp_path / "run", "--quiet")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    del config["recipe"]["release"]
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    run = load_run(tmp_path / "run")
    assert run.recipe.release == "second"
    assert len(run.resume(epochs=2, quiet=True)) == 2


def test_resume_on_changed_data_is_refused(both, tmp_path):
    command("train", "lenet", *FEW, "--out", tmp_path / "run", "--quiet")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    config["dataset"]["sha256"] = "0" * 64
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    with pytest.raises(GluonCNNError, match="was begun with other files of Fashion-MNIST than there are now"):
        load_run(tmp_path / "run").resume(epochs=2, quiet=True)


def test_either_release_can_be_evaluated_and_exported(both, tmp_path, capsys):
    out = tmp_path / "run"
    command("train", "lenet", *FEW, "--release", "second", "--out", out, "--quiet")
    found = {release: load_run(out).evaluate(release=release) for release in ("first", "second")}
    assert found["second"].accuracy == load_run(out).history[-1].test_acc
    assert main(["export", str(out), "--release", "first"]) == 0
    for release in ("first", "second"):
        for what in (out, out / "lenet.onnx"):
            capsys.readouterr()
            assert main(["evaluate", str(what), "--release", release]) == 0
            printed = capsys.readouterr().out
            assert printed.startswith(f"test accuracy {found[release].accuracy:.2f}"[:17])
            assert f"64 test images of the {release} release" in printed


def test_reproduce_keeps_the_release_of_a_begun_run(both, tmp_path):
    recipe = get_recipe("lenet", train_size=128, test_size=64, batch_size=64, epochs=2, release="second")
    with pytest.raises(RunStopped), interrupted_after(1):
        train_missing([Run(tmp_path / "run", recipe)], command=lambda _: "", quiet=True)
    again = Run(tmp_path / "run", dataclasses.replace(recipe, release=None))
    train_missing([again], command=lambda _: "", quiet=True)
    assert (load_run(tmp_path / "run").recipe.release, len(again.history)) == ("second", 2)


def test_reproduce_keeps_to_one_release(both, tmp_path):
    recipe = get_recipe("lenet", train_size=128, test_size=64, batch_size=64, epochs=1)
    train_missing([Run(tmp_path / "0", dataclasses.replace(recipe, release="first"))], command=lambda _: "", quiet=True)
    runs = [Run(tmp_path / str(seed), dataclasses.replace(recipe, seed=seed)) for seed in range(2)]
    train_missing([Run(tmp_path / "0", recipe), runs[1]], command=lambda _: "", quiet=True)
    assert load_run(tmp_path / "1").recipe.release == "first"


def test_sample_is_of_the_second_release(fails):
    error = fails("train", "lenet", "--data", "sample", "--release", "first")
    assert "release is first, but the sample data set comes in one release only" in error


def test_name_of_a_run_says_the_release():
    assert default_name(get_recipe("lenet", release="first")) == "lenet-zh-v1-first-release-seed0"
    assert default_name(get_recipe("lenet")) == "lenet-zh-v1-seed0"

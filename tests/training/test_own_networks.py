"""Networks of one's own: trained, stopped and resumed to the same bits; a run keeps a copy of their file."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from runs import SMALL, SMALL_NETWORK, command, history_of, interrupted_after, result_of, small, train

from gluon_cnn import get_recipe, load_run
from gluon_cnn.errors import ModelError, RunError, RunStopped
from gluon_cnn.training import train_run as module
from gluon_cnn.training.run import Run
from gluon_cnn.training.train_run import train_run

RECIPE = {**SMALL, "epochs": 2, "optimizer": "adam", "lr": 0.01}


@pytest.fixture
def source(tmp_path):
    """A file that defines networks."""
    return shutil.copy(SMALL_NETWORK.rpartition(":")[0], tmp_path / "mynet.py")


@pytest.mark.parametrize("function", ["net", "hidden"])
@pytest.mark.parametrize("settings", [{}, {"ctx": "cpu:0,1"}])
def test_stopped_and_resumed_to_the_same_bits(tmp_path, source, function, settings):
    """With dropout, also where nobody sees it."""
    model = f"{source}:{function}"
    train(tmp_path / "whole", model, settings, **RECIPE)
    for stop in (1, 6):
        with pytest.raises(RunStopped), interrupted_after(stop):
            train(tmp_path / str(stop), model, settings, **RECIPE)
        load_run(tmp_path / str(stop)).resume(quiet=True)
        assert result_of(tmp_path / str(stop)) == result_of(tmp_path / "whole")


def test_run_keeps_a_copy_and_its_hash(tmp_path, source):
    train(tmp_path / "run", f"{source}:net", **RECIPE)
    copy = tmp_path / "run" / "mynet.py"
    assert copy.read_bytes() == source.read_bytes()
    recipe = json.loads((tmp_path / "run" / "config.json").read_text())["recipe"]
    assert (recipe["model"], recipe["source"]) == ("mynet.py:net", hashlib.sha256(copy.read_bytes()).hexdigest())
    assert not list((tmp_path / "run").glob("*.tmp*"))


def test_run_is_used_after_its_file_is_gone(tmp_path, source, images):
    run = train(tmp_path / "run", f"{source}:net", **RECIPE, channels=6)
    logits = run.network()(images).asnumpy()
    source.unlink()
    moved = load_run((tmp_path / "run").rename(tmp_path / "moved"))
    assert moved.recipe.options == {"channels": 6}
    np.testing.assert_array_equal(moved.network()(images).asnumpy(), logits)
    assert moved.evaluate().accuracy == pytest.approx(moved.history[-1].test_acc, abs=1e-6)
    assert len(moved.resume(epochs=3, quiet=True)) == 3


def test_options_may_be_tuples(tmp_path, source):
    source.write_text(source.read_text().replace("channels=4", "channels=4, pool=(4, 4)").replace("2D(4)", "2D(pool)"))
    run = Run(tmp_path / "run", get_recipe(f"{source}:net", **RECIPE, pool=(2, 3)))
    with pytest.raises(RunStopped), interrupted_after(2):
        train_run(run, command="", quiet=True)
    assert len(run.resume(quiet=True)) == 2
    assert load_run(run.directory).network()[1]._kwargs["kernel"] == (2, 3)


def test_file_may_change_while_it_is_trained(tmp_path, source, monkeypatch):
    announce = module._announce

    def broken(*args):
        announce(*args)
        source.write_text("this is no Python")

    monkeypatch.setattr(module, "_announce", broken)
    with pytest.raises(RunStopped), interrupted_after(5):
        train(tmp_path / "run", f"{source}:net", **RECIPE)
    monkeypatch.undo()
    assert len(load_run(tmp_path / "run").resume(quiet=True)) == 2


def test_changed_file_is_refused_on_resume(tmp_path, source, fails):
    run, resume = tmp_path / "run", ["--out", tmp_path / "run", "--resume", "--quiet"]
    command("train", f"{source}:net", *small(64, 32, 32), "--out", run, "--quiet")
    (tmp_path / "elsewhere").mkdir()
    elsewhere = source.rename(tmp_path / "elsewhere" / "mynet.py")
    command("train", f"{elsewhere}:net", *resume, "--epochs", "2")  # the same file, in another folder
    assert len(history_of(run)) == 2
    assert "was begun with" in fails("train", f"{elsewhere}:hidden", *resume)
    elsewhere.write_text(f"{elsewhere.read_text()}\n# changed\n")
    line = fails("train", f"{elsewhere}:net", *resume)
    assert f"The file of mynet.py:net has changed since {run} was begun: restore it from" in line


def test_changed_copy_is_refused(tmp_path, source):
    run = train(tmp_path / "run", f"{source}:net", **RECIPE)
    copy = run.directory / "mynet.py"
    copy.write_text(copy.read_text().replace("Dropout(0.5)", "Dropout(0.1)"))
    for use in (load_run(run.directory).network, load_run(run.directory).resume):
        with pytest.raises(ModelError, match="that the recipe was made for: restore it"):
            use()


def test_file_that_changes_before_its_copy_is_made(tmp_path, source, monkeypatch):
    monkeypatch.setattr(module, "book_recipe", lambda _: source.write_text("# another") and None)
    with pytest.raises(ModelError, match="has changed while the run began: start it again"):
        train(tmp_path / "run", f"{source}:net", **RECIPE)
    assert not (tmp_path / "run" / "mynet.py").exists()


def test_killed_before_its_settings_were_written(tmp_path, source):
    """A new run may begin beside the copy; not beside another file of that name."""
    out = tmp_path / "run"
    out.mkdir()
    (out / "run.lock").write_text("1\n")
    shutil.copy(source, out)
    train(out, f"{source}:net", **RECIPE)
    other = tmp_path / "other"
    other.mkdir()
    (other / "mynet.py").write_text("precious")
    with pytest.raises(RunError, match="is not empty and holds no run"):
        train(other, f"{source}:net", **RECIPE)
    assert (other / "mynet.py").read_text() == "precious"

"""Runs on a folder of pictures of one's own: how they are trained, stopped and resumed, and what is refused."""

import json
import shutil
import time

import pytest
from folder_runs import SMALL, check_two_workers, train_on
from pictures import COLOURS, picture, save
from runs import MAIN, SMALL_NETWORK, command, history_of, interrupted_after, parameters_of, result_of, resume, start

from gluon_cnn import GluonCNNError, get_recipe, load_run
from gluon_cnn.data import DATA_SETS
from gluon_cnn.errors import DataError, RunError, RunStopped, SettingError
from gluon_cnn.training import train_run as module
from gluon_cnn.training.config import read_config
from gluon_cnn.training.run import Run
from gluon_cnn.training.run_names import default_name
from gluon_cnn.training.settings import Settings
from gluon_cnn.training.train_run import train_run

CLASSES = tuple(sorted(COLOURS))


@pytest.fixture
def begun(fruit, tmp_path):
    """A copy of the folder, and a run on it that was stopped after five steps."""
    folder, out = tmp_path / "fruit", tmp_path / "run"
    shutil.copytree(fruit, folder)
    with interrupted_after(5), pytest.raises(RunStopped):
        train_on(folder, out)
    return folder, out


def test_network_learns_200_pictures(fruit, tmp_path, capsys):
    out = tmp_path / "run"
    command("train", SMALL_NETWORK, "--data", fruit, "--epochs", 5, "--lr", 0.1, "--out", out)
    printed = capsys.readouterr().out
    assert "161 images of 28×28 of fruit, in colour, 3 classes, batch 16, sgd at 0.1, own initial weights" in printed
    assert "not compared:" in printed
    assert history_of(out)[-1].test_acc > 0.9
    _, config = read_config(out / "config.json")
    info = config.dataset
    assert (info.name, info.classes, info.channels, info.side) == ("fruit", CLASSES, 3, 28)
    assert (config.recipe.data, config.settings.data_dir) == ("folder", str(fruit))
    assert parameters_of(out)["0.weight"].shape[1] == 3
    assert len(json.loads((out / "data.json").read_text())) == 200


def test_run_is_called_after_its_folder(fruit):
    recipe = get_recipe("lenet", data="folder", data_dir=fruit, lr=0.1)
    assert default_name(recipe, data_dir=fruit) == "lenet-zh-v1-fruit-lr0.1-seed0"
    assert (recipe.init, recipe.batch_size) == ("own", 16)


@pytest.mark.parametrize(
    ("model", "images", "batch"),
    [
        ("nin", 1, 16),
        ("nin", 200, 16),
        ("nin", 400, 32),
        ("nin", 5000, 128),
        ("nin", 10**6, 128),
        ("lenet", 2000, 128),
        ("resnet18", 10**6, 256),
    ],
)
def test_batch_of_own_pictures_leaves_ten_an_epoch(monkeypatch, model, images, batch):
    counted = DATA_SETS["folder"]._replace(training_images=lambda *_: images)
    monkeypatch.setitem(DATA_SETS, "folder", counted)
    recipe, usual = get_recipe(model, data="folder", data_dir="."), get_recipe(model)
    assert (recipe.batch_size, recipe.lr) == (batch, usual.lr * batch / usual.batch_size)
    assert get_recipe("nin", data="folder", data_dir=".", batch_size=5).batch_size == 5


@pytest.mark.parametrize(
    ("changes", "lr", "name"),
    [
        ({}, 0.0125, "nin-zh-v1-fruit-seed0"),
        ({"batch_size": 8}, 0.00625, "nin-zh-v1-fruit-batch_size8-seed0"),
        ({"batch_size": 256}, 0.1, "nin-zh-v1-fruit-batch_size256-seed0"),
        ({"batch_size": 16, "workers": 2}, 0.025, "nin-zh-v1-fruit-2workers-seed0"),
        ({"lr": 0.1}, 0.1, "nin-zh-v1-fruit-lr0.1-seed0"),
        ({"optimizer": "adam"}, 0.1, "nin-zh-v1-fruit-optimizer-adam-seed0"),
        ({"edition": "adam"}, 0.001, "nin-adam-fruit-seed0"),
    ],
)
def test_learning_rate_follows_a_small_batch(fruit, changes, lr, name):
    recipe = get_recipe("nin", data="folder", data_dir=fruit, **changes)
    assert (recipe.lr, default_name(recipe, data_dir=fruit)) == (lr, name)


def test_interrupted_run_ends_in_the_same_bits(begun, fruit_run):
    _, out = begun
    resume(out)
    assert result_of(out) == result_of(fruit_run)


def test_killed_run_ends_in_the_same_bits(fruit, fruit_run, tmp_path):
    out = tmp_path / "run"
    recipe = ["--epochs", 2, "--batch-size", 8, "--lr", 0.05, "--checkpoint-every", 1, "--quiet"]
    process = start(MAIN, "train", "lenet", "--data", fruit, *recipe, "--out", out)
    while process.is_alive() and not list(out.glob("checkpoint/epoch-001-step-*")):
        time.sleep(0.01)
    process.kill()
    process.join()
    assert len(history_of(out)) == 1
    resume(out)
    assert result_of(out) == result_of(fruit_run)


@pytest.mark.parametrize("memory", [1e-6, 1.0])
def test_where_pictures_are_changes_no_bit(fruit, fruit_run, tmp_path, memory):
    run = Run(tmp_path / "run", get_recipe("lenet", **SMALL), Settings(data_dir=fruit, data_memory=memory))
    train_run(run, command="", quiet=True)
    assert ("read ahead" in run.log_path.read_text()) == (memory < 1)
    assert result_of(run.directory) == result_of(fruit_run)


def test_two_workers_compute_what_one_process_does(fruit, tmp_path):
    check_two_workers(fruit, tmp_path)


def test_resume_names_what_changed(begun):
    folder, out = begun
    save(picture((1, 2, 3), 0), folder / "apple" / "more.png")
    (folder / "leaf" / "3.jpg").unlink()
    save(picture((1, 2, 3), 0), folder / "leaf" / "4.png")
    changes = r"\(new: apple/more.png; gone: leaf/3.jpg; changed: leaf/4.png\): restore them"
    with pytest.raises(RunError, match=f"was begun with other files of fruit than there are now {changes}"):
        resume(out)


def test_changed_pictures_are_refused_before_any_is_decoded(begun, monkeypatch):
    folder, out = begun
    save(picture((1, 2, 3), 0), folder / "apple" / "more.png")
    monkeypatch.setattr("gluon_cnn.data.folder.assemble", lambda *_, **__: pytest.fail("the pictures are decoded"))
    with pytest.raises(RunError, match=r"new: apple/more.png"):
        resume(out)


@pytest.mark.parametrize("change", ["class added", "class renamed", "many gone"])
def test_resume_with_other_classes_names_files(begun, change):
    folder, out = begun
    if change == "class added":
        shutil.copytree(folder / "leaf", folder / "tree")
    elif change == "class renamed":
        (folder / "leaf").rename(folder / "tree")
    else:
        for path in list(folder.rglob("*.jpg")):
            path.unlink()
    with pytest.raises(RunError, match=r"than there are now \(.*: .*, .* and \d+ more"):
        resume(out)


@pytest.mark.parametrize("content", [None, "{", '{"a": 5}', "[]", "\0"])
def test_listing_that_is_lost_is_no_traceback(begun, content):
    folder, out = begun
    (folder / "leaf" / "3.jpg").unlink()
    listing = out / "data.json"
    listing.unlink()
    if content is not None:
        listing.write_text(content)
    with pytest.raises(RunError, match="than there are now: restore them, or choose another directory"):
        resume(out)


def test_folder_may_move(begun, fruit_run, tmp_path):
    folder, out = begun
    folder.rename(tmp_path / "fruits")
    with pytest.raises(GluonCNNError, match="cannot be read \\(No such file or directory\\): name a folder"):
        resume(out)
    command("train", "lenet", "--data", tmp_path / "fruits", "--out", out, "--resume", "--quiet")
    assert parameters_of(out)["0.weight"].asnumpy().tolist() == parameters_of(fruit_run)["0.weight"].asnumpy().tolist()


def test_relative_folder_is_found_from_elsewhere(fruit, tmp_path, monkeypatch):
    monkeypatch.chdir(fruit.parent)
    run = train_on("fruit", tmp_path / "run", epochs=1)
    monkeypatch.chdir(tmp_path)
    assert load_run(run.directory).evaluate().images == 39


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"init": "published"}, "init is 'published', but no run on a data set of your own was published"),
        ({"release": "first"}, "release is first, but the folder data set comes in one release only"),
        ({"num_classes": 2}, "num_classes is 2, but fruit has 3 classes"),
        ({"data": "full", "image_channels": 3}, "image_channels is 3, which the full data set does not take"),
        ({"data": "sample", "test_share": 0.5}, "test_share is 0.5, which the sample data set does not take"),
    ],
)
def test_settings_that_do_not_fit(fruit, tmp_path, changes, message):
    with pytest.raises(SettingError, match=message):
        train_on(fruit, tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_data_without_a_place_are_said(tmp_path, fails):
    assert "name its folder (--data-dir)" in fails("train", "lenet", "--data", "folder", "--out", tmp_path / "run")


def test_two_places_are_refused(fruit, tmp_path, fails):
    words = ["train", "lenet", "--data", fruit, "--out", tmp_path / "run"]
    assert "name one (--data, --data-dir)" in fails(*words, "--data-dir", tmp_path)
    assert "name one (--data, --data-dir)" in fails(*words, "--set", f"data={tmp_path}")


@pytest.mark.parametrize("given", ["--data=", "--set=data=", "both"])
def test_a_path_is_taken_in_any_form(fruit, tmp_path, given):
    flags = [f"--data={fruit}"] if given == "both" else [f"{given}{fruit}"]
    flags += ["--data-dir", fruit] if given == "both" else []
    command("train", "lenet", *flags, "--epochs", 1, "--lr", 0.1, "--out", tmp_path / "run", "--quiet")
    assert load_run(tmp_path / "run").settings.data_dir == str(fruit)


@pytest.mark.parametrize("place", ["fruit/run", "fruit/apple/run"])
def test_run_within_its_data_is_refused(fruit, fails, place):
    out = fruit.parent / place
    assert "is in the folder of the data set" in fails("train", "lenet", "--data", fruit, "--out", out)
    assert not (out / "config.json").exists()


def test_reproduce_is_of_fashion_mnist(fruit, fails):
    assert "The published runs are of Fashion-MNIST" in fails("reproduce", "--data", fruit)


def test_deleted_folder_stays_in_memory(fruit, fruit_run, tmp_path, monkeypatch):
    folder = tmp_path / "fruit"
    shutil.copytree(fruit, folder)
    set_up = module.set_up
    monkeypatch.setattr(module, "set_up", lambda *args, **options: (shutil.rmtree(folder), set_up(*args, **options))[1])
    train_on(folder, tmp_path / "run")
    assert result_of(tmp_path / "run") == result_of(fruit_run)


def test_deleted_picture_ends_what_reads_ahead(fruit, tmp_path, monkeypatch):
    folder = tmp_path / "fruit"
    shutil.copytree(fruit, folder)
    run = Run(tmp_path / "run", get_recipe("lenet", **SMALL), Settings(data_dir=folder, data_memory=1e-6))
    set_up = module.set_up
    gone = folder / "leaf"
    monkeypatch.setattr(module, "set_up", lambda *args, **options: (shutil.rmtree(gone), set_up(*args, **options))[1])
    with pytest.raises(DataError, match=r"cannot be read \(No such file or directory\): restore it"):
        train_run(run, command="", quiet=True)

"""``train --from`` and ``--freeze``: what they take, and a line for all that cannot be begun from."""

import json
import shlex
import shutil

import numpy as np
import pytest
from runs import SMALL_RUN, command, flags

from gluon_cnn import get_model, load_run
from gluon_cnn.cli.command import train_command
from gluon_cnn.cli.train import make_train_parser, recipe_of
from gluon_cnn.models.parameters import save_parameters
from gluon_cnn.training.checkpoints import last_checkpoint
from gluon_cnn.training.directory import RunDirectory

TRAIN = ["train", "lenet", *SMALL_RUN, "--quiet"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_network_in_the_package_decides_the_edition(tmp_path):
    command(*TRAIN, "--from", "pretrained", "--out", "a")
    command(*TRAIN, "--from", "pretrained:lenet", "--edition", "zh-v1", "--out", "b")
    ours, other = load_run("a"), load_run("b")
    assert (ours.recipe.edition, ours.settings.weights_from, len(ours.settings.taken)) == ("en", "pretrained:lenet", 10)
    assert (other.recipe.edition, len(other.settings.taken)) == ("zh-v1", 9)  # its first dense layer has other inputs
    assert other.recipe.weights == ours.recipe.weights


def test_run_of_the_same_network_decides_the_edition():
    command(*TRAIN, "--edition", "en", "--out", "a")
    command(*TRAIN, "--from", "a", "--out", "b")
    command("train", "lenet_bn", *SMALL_RUN, "--quiet", "--from", "a", "--out", "c")
    editions = [load_run(run).recipe.edition for run in "bc"]
    assert (editions, len(load_run("b").settings.taken)) == (["en", "zh-v1"], 10)


def test_runs_name_says_what_it_began_from(tmp_path):
    command(*TRAIN, "--from", "pretrained", "--freeze", "2", "--freeze", "0,1", *flags(taken_lr=0.5))
    (path,) = (tmp_path / "runs").iterdir()
    assert path.name.endswith(f"-from-{load_run(path).recipe.weights[:8]}-freeze-0-1-2-taken_lr0.5-seed0")


def test_command_of_a_run_is_complete(lenet_run):
    command(*TRAIN, "--from", lenet_run, "--freeze", "2,0", *flags(taken_lr=0.5, num_classes=12), "--out", "new")
    words = shlex.split(train_command(RunDirectory.open("new")))
    assert words[words.index("--from") + 1] == str(lenet_run)
    args = make_train_parser().parse_args(words[2:])
    run = load_run("new")
    weights = type("Weights", (), {"sha256": run.recipe.weights})
    assert recipe_of(args, weights=weights) == run.recipe


def test_same_command_resumes(lenet_run, tmp_path, fails):
    words = [*TRAIN, "--from", lenet_run, "--freeze", "2,0", "--out", "new"]
    command(*words)
    command(*words, "--resume", "--epochs", 2)
    assert load_run("new").epochs_done == 2
    other = ["--from", "pretrained", "--out", "new", "--resume"]
    assert "pretrained:lenet has other weights than those that new was begun for" in fails(*TRAIN, *other)
    assert "was begun with 0,2 frozen, not 0" in fails(
        *words[:-4], "--freeze", "0", "--epochs", 2, "--out", "new", "--resume"
    )


def write(path, text):
    path.write_text(text)
    return path


def run_without_checkpoint(path, lenet_run):
    shutil.copytree(lenet_run, path)
    shutil.rmtree(path / "checkpoint")
    return path


def damaged_run(path, lenet_run):
    shutil.copytree(lenet_run, path)
    (last_checkpoint(path / "checkpoint") / "net.params").write_bytes(b"damaged")
    return path


def others_run(path, lenet_run):
    shutil.copytree(lenet_run, path)
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "framework": "PyTorch"}))
    return path


def weights_of(path, arrays):
    np.savez(path, **arrays)
    return path


def other_network(path):
    net = get_model("nin")
    net.initialize()
    net(np_zeros(1, 1, 224, 224))
    save_parameters(net, path)
    return path


def np_zeros(*shape):
    import mxnet as mx

    return mx.nd.zeros(shape)


NOTHING = np.zeros((3, 3), "float32")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path, run: path / "none.params", "There is no file "),
        (lambda path, run: path / "none.pt", "There is no file "),
        (lambda path, run: path / "none.safetensors", "cannot be read as a safetensors file (No such file"),
        (lambda path, run: path, "holds no run, because it has no config.json: name a run's directory"),
        (lambda path, run: write(path / "a.params", "no parameters"), "holds no parameters of a network ("),
        (lambda path, run: write(path / "a.txt", ""), "holds no parameters of a network ("),
        (lambda path, run: write(path / "a.pt", "no"), "cannot be read as a file of torch.save ("),
        (lambda path, run: write(path / "a.safetensors", "no"), "cannot be read as a safetensors file ("),
        (
            lambda path, run: run_without_checkpoint(path / "run", run),
            "has no checkpoint, so it has no weights to begin",
        ),
        (lambda path, run: others_run(path / "run", run), "has no checkpoint, so it has no weights to begin from"),
        (lambda path, run: damaged_run(path / "run", run), "net.params is not as it was written: name another run"),
        (
            lambda path, run: weights_of(path / "a.npz", {"0.weight": NOTHING, "x": NOTHING}),
            "None of the 2 parameters in ",
        ),
        (
            lambda path, run: weights_of(path / "a.npz", {"0.weight": NOTHING + np.nan}),
            "that are not finite: name weights",
        ),
        (
            lambda path, run: weights_of(path / "a.npz", {"0.weight": NOTHING.astype(int)}),
            "has no parameters: name the",
        ),
        (lambda path, run: other_network(path / "nin.params"), "None of the 24 parameters in "),
        (lambda path, run: "pretrained:nin", "None of the 24 parameters in pretrained:nin fits lenet by its name and"),
        (lambda path, run: "pretrained:alexnet", "not alexnet: its 187 MB stay outside"),
        (lambda path, run: "pretrained:", "There is no network ''"),
        (lambda path, run: "/dev/null", "not a regular file"),
    ],
)
def test_what_cannot_be_begun_from(make, message, tmp_path, lenet_run, fails):
    assert message in fails(*TRAIN, "--from", make(tmp_path, lenet_run), "--out", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--freeze 0,9", "freeze has '9', but lenet has no such layer: use one such as 0, 2, 4, 5, 6 (--freeze)."),
        ("--freeze ,", "freeze is ',', which names no layer: give paths such as 0,1.2 (--freeze)."),
        ("--freeze 0,2,4,5,6", "so nothing of lenet is left to train: leave a layer out (--freeze)."),
        ("--set taken_lr=0.1", "leave it out, or name some (--set taken_lr=..., --from)."),
        ("--from pretrained --init published", "init is 'published', but the run begins from other weights"),
        ("--set weights=abc", "weights cannot be changed by --set."),
        ("--freeze 0 --set freeze=2", "freeze is given as '0' and as '2': give it once (--freeze)."),
        ("--from", "expected one argument"),
    ],
)
def test_wrong_flags_are_named(words, message, fails):
    assert message in fails(*TRAIN, *words.split(), "--out", "new")


def test_network_without_weights_in_the_package(fails):
    assert "and not vgg11; make it with gluon-cnn train vgg11, and name its run" in fails(
        "train", "vgg", "--from", "pretrained", "--out", "new"
    )

"""The trained networks in the package: what they give, their cards, and as runs."""

import json
import runpy
import shutil
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

import gluon_cnn
from gluon_cnn import get_model, load_run
from gluon_cnn.cli import main
from gluon_cnn.data import SAMPLE
from gluon_cnn.errors import DeviceError, ModelError, RunError, SettingError
from gluon_cnn.models import pretrained, pretrained_card
from gluon_cnn.models.parameter_file import read_parameters
from gluon_cnn.models.parameters import named_parameters

ROOT = Path(__file__).parents[2]
RUNS = {"lenet": ROOT / "docs/runs/gpu/lenet-en-seed3", "nin": ROOT / "docs/runs/gpu/nin-zh-v1-seed0"}


def accuracy(net, batches):
    return np.mean(np.concatenate([(net(X).asnumpy().argmax(axis=1) == y.asnumpy()) for X, y in batches]))


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("name", pretrained.PRETRAINED)
def test_parameters_are_those_of_the_file(name, hybrid):
    net = get_model(name.upper(), pretrained=True, hybrid=hybrid)
    assert isinstance(net, gluon.HybridBlock) is hybrid
    stored = read_parameters(pretrained.HERE / f"{name}.params")
    assert list(stored) == list(named_parameters(net))
    for key, parameter in named_parameters(net).items():
        np.testing.assert_array_equal(parameter.data().asnumpy(), np.asarray(stored[key]))
    assert sum(np.asarray(array).size for array in stored.values()) == pretrained_card(name).parameters


def test_lenet_is_the_english_editions(sample):
    net = get_model("lenet", pretrained=True)
    assert (net[0]._kwargs["pad"], type(net[1]).__name__) == ((2, 2), "AvgPool2D")
    assert accuracy(net, sample(256)[1]) > 0.78


def test_numpy_arrays_get_the_same_numbers(images, np_arrays):
    mx.npx.reset_np()
    expected = get_model("lenet", pretrained=True)(images).asnumpy()
    mx.npx.set_np()
    found = get_model("lenet", pretrained=True, hybrid=True)(images.as_np_ndarray()).asnumpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ctx", ["cpu:0,1", [mx.cpu(0), mx.cpu(1)]])
def test_parameters_go_to_every_device(ctx):
    net = get_model("lenet", pretrained=True, ctx=ctx)
    assert net[0].weight.list_ctx() == [mx.cpu(0), mx.cpu(1)]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("alexnet", {}, "not alexnet: its 187 MB stay outside; make it with gluon-cnn train alexnet, and name its run"),
        ("resnet18", {}, "has the trained networks lenet and nin, and not resnet18; make it with gluon-cnn train"),
        ("gluon:alexnet", {}, "and not gluon:alexnet"),
        ("lenet", {"edition": "zh-v1"}, "trained lenet has edition en, not zh-v1: leave it out, or build"),
        ("nin", {"num_classes": 5}, "trained nin has num_classes 10, not 5"),
        ("nin", {"padding": 1}, "nin has no option padding"),
        ("vit", {}, "There is no network 'vit'"),
    ],
)
def test_network_that_the_package_lacks(name, options, message):
    with pytest.raises(ModelError, match=message):
        get_model(name, pretrained=True, **options)


def test_options_that_keep_the_weights_are_taken():
    assert get_model("nin", pretrained=True, final_relu=False, num_classes=10)[7][2].act is None


def test_what_fits_is_loaded_into_another_network():
    net = get_model("lenet", edition="en", num_classes=3)
    net.initialize()
    net(mx.nd.zeros((1, 1, 28, 28)))
    match = gluon_cnn.load_matching(net, "pretrained:lenet")
    assert (len(match.loaded), match.reshaped) == (8, ["6.weight", "6.bias"])


def test_wrong_values_of_pretrained_and_ctx():
    with pytest.raises(SettingError, match="pretrained is 'yes'; it must be one of False, True"):
        get_model("nin", pretrained="yes")
    with pytest.raises(ModelError, match="before it is initialised: leave ctx out"):
        get_model("nin", ctx=mx.cpu())
    with pytest.raises(DeviceError, match="There is no context 'tpu'"):
        get_model("lenet", pretrained=True, ctx="tpu")


def test_own_network_has_its_own_option(tmp_path):
    text = "from mxnet.gluon import nn\n\ndef net(pretrained=3):\n    return nn.Dense(pretrained)\n"
    (tmp_path / "mine.py").write_text(text)
    assert get_model(f"{tmp_path / 'mine.py'}:net", pretrained=4)._units == 4


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the package's files, which are read instead."""
    for path in pretrained.HERE.glob("lenet.*"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(pretrained, "HERE", tmp_path)
    return tmp_path


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("lenet.params", flip, "its SHA-256 is another"),
        ("lenet.params", Path.unlink, "No such file"),
        ("lenet.json", Path.unlink, "No such file"),
        ("lenet.json", lambda path: path.write_text("{}"), "missing required field"),
        ("lenet.json", lambda path: path.write_bytes(b"\xff\0"), "it is not text"),
    ],
)
def test_damaged_file_is_named(copied, name, damage, reason):
    damage(copied / name)
    with pytest.raises(ModelError, match=rf"{name} is not as the package has it \(.*{reason}.*install it again"):
        get_model("lenet", pretrained=True)


def test_damaged_recipe_in_a_card(copied):
    card = json.loads((copied / "lenet.json").read_text())
    card["recipe"]["epochs"] = 0
    (copied / "lenet.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match=r"The card of pretrained:lenet is damaged \(epochs is 0"):
        load_run("pretrained:lenet")


@pytest.mark.parametrize("name", pretrained.PRETRAINED)
def test_card_says_what_the_run_does(name):
    card, run = pretrained_card(name), load_run(RUNS[name])
    comparison = json.loads((RUNS[name] / "comparison.json").read_text())
    last = comparison["epochs"][-1]
    packaged = load_run(f"pretrained:{name}")
    assert (packaged.recipe, packaged.dataset, packaged.history) == (run.recipe, run.dataset, run.history)
    assert (card.verdict, card.published_runs) == (comparison["verdict"], comparison["published_runs"])
    assert card.percentiles == {key: round(last[key]["percentile"], 2) for key in card.percentiles}
    assert card.test_accuracy == run.history[-1].test_acc
    assert np.mean(list(card.accuracy_by_class.values())) == pytest.approx(card.test_accuracy, abs=1e-6)
    assert tuple(card.accuracy_by_class) == run.dataset.classes
    assert len(card.dead_classes) == run.history[-1].dead_classes


def test_page_is_made_of_the_cards():
    page = runpy.run_path(str(ROOT / "examples" / "pretrained_cards.py"))["page"]
    assert (ROOT / "docs" / "pretrained.md").read_text(encoding="utf-8") == page() + "\n"


def test_network_in_the_package_is_a_run():
    run = load_run("pretrained:LeNet")
    found = run.evaluate("cpu", data_dir=SAMPLE)
    assert (found.images, found.accuracy > 0.78) == (500, True)
    assert (run.state().epoch, run.state().step) == (10, 0)
    with pytest.raises(SettingError, match="pretrained:lenet is one network, without checkpoints"):
        run.network(which="best")
    with pytest.raises(RunError, match="cannot be resumed, because it is a network in the package: begin a run from"):
        run.resume()


def test_commands_take_it_as_a_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "pretrained:lenet", "--data-dir", str(SAMPLE), "--ctx", "cpu"]) == 0
    assert "on 500 test images of the second release, after epoch 10\n" in capsys.readouterr().out
    assert main(["export", "pretrained:lenet", "--format", "safetensors", "--data-dir", str(SAMPLE)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["lenet.safetensors"]
    gluon_cnn.interop.safetensors.load_safetensors(get_model("lenet", edition="en"), "lenet.safetensors")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("evaluate pretrained:alexnet", "not alexnet: its 187 MB stay outside"),
        ("evaluate pretrained:", "There is no network ''"),
        ("predict pretrained:vit picture.png", "There is no network 'vit'"),
        ("evaluate pretrained:nin --checkpoint best", "is one network, without checkpoints: leave the checkpoint out"),
        ("train lenet --out pretrained:lenet --resume", "cannot be resumed, because it is a network in the package"),
    ],
)
def test_commands_say_what_is_wrong(words, message, fails):
    assert message in fails(*words.split())

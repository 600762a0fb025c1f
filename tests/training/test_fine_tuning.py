"""Runs that begin from a network's weights: what is taken, what is frozen, and what is refused."""

from types import SimpleNamespace

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from runs import SMALL, equal_parameters, fine_tune, parameters_file, parameters_of, train

from gluon_cnn import get_model, get_recipe, load_run, save_parameters
from gluon_cnn.errors import GluonCNNError, ModelError, RunError, SettingError
from gluon_cnn.interop.safetensors import save_safetensors
from gluon_cnn.interop.torch import to_torch
from gluon_cnn.interop.weights import open_any_weights
from gluon_cnn.models.parameter_file import read_parameters
from gluon_cnn.models.parameters import load_parameters, named_parameters
from gluon_cnn.published_weights import published_weights
from gluon_cnn.training.run import Run
from gluon_cnn.training.run_names import default_name
from gluon_cnn.training.settings import Settings
from gluon_cnn.training.setup import set_up
from gluon_cnn.training.train_run import train_run

#: No number changes by so little, so that a run ends with the weights that it began with.
STILL = 1e-20
BATCH_NORMALISED = """
from mxnet.gluon import nn
from gluon_cnn import BatchNorm

def net():
    net = nn.Sequential()
    net.add(nn.Conv2D(4, 5, strides=4), BatchNorm(4, 4), nn.Activation("relu"), nn.Dense(10))
    return net

def compiled():
    inner = nn.HybridSequential()
    inner.add(nn.Conv2D(4, 5, strides=4), nn.BatchNorm(), nn.Activation("relu"))
    inner.hybridize()
    net = nn.Sequential()
    net.add(inner, nn.Dense(10))
    return net
"""


def numbers(arrays):
    return {name: array.asnumpy() for name, array in arrays.items()}


def test_what_fits_is_taken_and_the_rest_drawn(tmp_path, lenet_run, caplog):
    fine_tune(tmp_path / "new", lenet_run, lr=STILL, num_classes=12, seed=3)
    train(tmp_path / "drawn", **{**SMALL, "lr": STILL}, num_classes=12, seed=3, init="own")
    found, taken = parameters_of(tmp_path / "new"), parameters_of(lenet_run)
    drawn = ["6.weight", "6.bias"]
    assert "6.weight" in equal_parameters(found, parameters_of(tmp_path / "drawn"))
    assert equal_parameters(found, taken) == [name for name in found if name not in drawn]
    line = f"8 of 10 parameters are taken from {lenet_run}, in 0, 2, 4, 5; drawn from the seed: 6.weight, 6.bias"
    assert line in caplog.text
    assert line in (tmp_path / "new" / "train.log").read_text()
    assert load_run(tmp_path / "new").settings.taken == [name for name in found if name not in drawn]


def test_pictures_of_another_size_redraw_one_layer(tmp_path, lenet_run):
    fine_tune(tmp_path / "new", lenet_run, lr=STILL, side=32)
    found = parameters_of(tmp_path / "new")
    assert sorted(set(found) - set(equal_parameters(found, parameters_of(lenet_run)))) == ["4.weight"]


@pytest.mark.parametrize(
    "kind", ["net.params", "net.npz", "net.safetensors", "torch.safetensors", "torch.pt", "old.pth"]
)
def test_files_of_every_kind_give_the_same(tmp_path, lenet_run, kind):
    torch, safetensors = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch")
    net, stored = get_model("lenet"), read_parameters(parameters_file(lenet_run))
    load_parameters(net, parameters_file(lenet_run))
    path, arrays = tmp_path / kind, {name: np.asarray(array) for name, array in stored.items()}
    if kind == "net.params":
        save_parameters(net, path)
    elif kind == "net.npz":
        np.savez(path, **arrays)
    elif kind == "net.safetensors":
        save_safetensors(net, path)
    elif kind == "torch.safetensors":
        safetensors.save_file(to_torch(net), path)
    else:  # as PyTorch wrote them before 1.6, too
        torch.save(to_torch(net), path, _use_new_zipfile_serialization=kind == "torch.pt")
    run = fine_tune(tmp_path / "new", path, lr=STILL)
    assert (run.recipe.weights == open_any_weights(lenet_run).sha256) is kind.startswith("net.")
    assert equal_parameters(stored, parameters_of(tmp_path / "new")) == list(stored)


def test_torch_network_with_other_layers_gives_its_first(tmp_path):
    torch = pytest.importorskip("torch")
    nn = torch.nn
    net = nn.Sequential(nn.Conv2d(1, 6, 5), nn.Sigmoid(), nn.Conv2d(6, 16, 5), nn.Flatten(), nn.Linear(7, 3))
    torch.save({f"module.{name}": value for name, value in net.state_dict().items()}, tmp_path / "net.pt")
    run = fine_tune(tmp_path / "new", tmp_path / "net.pt", lr=STILL)
    assert run.settings.taken == ["0.weight", "0.bias", "2.weight", "2.bias"]
    np.testing.assert_array_equal(parameters_of(tmp_path / "new")["2.weight"].asnumpy(), net[2].weight.detach().numpy())


@pytest.mark.parametrize(
    ("model", "side", "freeze", "moving"),
    [
        ("lenet", 28, "0,1,2,4", ["5.weight", "5.bias", "6.weight", "6.bias"]),
        ("lenet", 28, "6.bias", None),
        ("lenet_bn", 28, "0,1,4,5", None),
        ("resnet18", 32, "0,1,4,5.0", None),
    ],
)
def test_frozen_layers_keep_every_bit(tmp_path, model, side, freeze, moving):
    few = {"train_size": 48, "test_size": 32, "batch_size": 16, "side": side}
    train(tmp_path / "source", model, **{**SMALL, **few})
    fine_tune(tmp_path / "new", tmp_path / "source", model, **few, freeze=freeze, momentum=0.9)
    before, after = parameters_of(tmp_path / "source"), parameters_of(tmp_path / "new")
    paths = tuple(freeze.split(","))
    frozen = [name for name in before if name in paths or name.startswith(tuple(f"{path}." for path in paths))]
    assert set(equal_parameters(after, before)) == set(frozen)
    assert moving is None or set(after) - set(frozen) == set(moving)
    assert load_run(tmp_path / "new").evaluate("cpu").accuracy == load_run(tmp_path / "new").history[-1].test_acc


@pytest.mark.parametrize(("function", "path", "running"), [("net", "1", "moving"), ("compiled", "0.1", "running")])
def test_frozen_batch_normalisation_of_ones_own_stays(tmp_path, function, path, running):
    (tmp_path / "mine.py").write_text(BATCH_NORMALISED)
    model, few = f"{tmp_path / 'mine.py'}:{function}", {**SMALL, "lr": 0.1}
    train(tmp_path / "source", model, **few)
    fine_tune(tmp_path / "new", tmp_path / "source", model, lr=0.1, freeze=path)
    before, after = parameters_of(tmp_path / "source"), parameters_of(tmp_path / "new")
    names = ("gamma", "beta", f"{running}_mean", f"{running}_var")
    assert equal_parameters(after, before) == [f"{path}.{name}" for name in names]


def test_layers_can_be_frozen_without_other_weights(tmp_path):
    train(tmp_path / "new", **SMALL, freeze=["2", "0"])
    after = parameters_of(tmp_path / "new")
    assert equal_parameters(after, published_weights("lenet")) == ["0.weight", "0.bias", "2.weight", "2.bias"]


@pytest.mark.parametrize("devices", ["cpu", "cpu:0,1"])
def test_taken_weights_learn_at_their_own_rate(tmp_path, lenet_run, devices):
    """After one step of plain SGD each parameter has moved in proportion to its rate."""
    one = {"train_size": 64, "num_classes": 12, "settings": {"ctx": devices}}
    runs = {factor: fine_tune(tmp_path / str(factor), lenet_run, taken_lr=factor, **one) for factor in (1.0, 0.25)}
    begun = numbers(parameters_of(fine_tune(tmp_path / "still", lenet_run, lr=STILL, **one).directory))
    fast, slow = (numbers(parameters_of(run.directory)) for run in runs.values())
    for name, before in begun.items():
        share = 1 if name.startswith("6.") else 0.25
        np.testing.assert_allclose(slow[name] - before, share * (fast[name] - before), rtol=2e-3, atol=2e-7)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"freeze": "0,7"}, "freeze has '7', but lenet has no such layer: use one such as 0, 2, 4, 5, 6"),
        ({"freeze": "2.wieght"}, "freeze has '2.wieght', but .* such as 2.weight"),
        ({"freeze": "1,3"}, "freeze is 1,3, which has no parameters in lenet: name a layer that has"),
        ({"freeze": "0,2,4,5,6"}, "so nothing of lenet is left to train: leave a layer out"),
    ],
)
def test_layers_that_cannot_be_frozen(tmp_path, lenet_run, changes, reason):
    with pytest.raises(SettingError, match=reason) as error:
        fine_tune(tmp_path / "new", lenet_run, **changes)
    assert error.value.settings == ("freeze",)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"taken_lr": 0.1}, "taken_lr is 0.1, but the run begins from no other weights"),
        ({"taken_lr": 0.0}, "taken_lr is 0.0; it must be a number above 0"),
        ({"weights": "0" * 64, "init": "published"}, "init is 'published', but the run begins from other weights"),
        ({"weights": 3}, "weights is 3; it must be text"),
        ({"freeze": " , "}, "which names no layer"),
        ({"freeze": 0}, "freeze is 0; it must be text such as 0,1.2"),
        ({"freeze": ["0", 1]}, "it must be text"),
    ],
)
def test_recipes_that_cannot_be(changes, reason):
    with pytest.raises(SettingError, match=reason):
        get_recipe("lenet", **changes)


@pytest.mark.parametrize("changes", [{"weights": "0" * 64}, {}])
def test_place_and_hash_of_weights_go_together(tmp_path, lenet_run, changes):
    settings = Settings() if changes else Settings(weights_from=str(lenet_run))
    with pytest.raises(SettingError, match="has both, the place of its weights and their SHA-256"):
        train_run(Run(tmp_path / "new", get_recipe("lenet", **SMALL, **changes), settings), command="", quiet=True)
    run = Run(tmp_path / "new", get_recipe("lenet", **SMALL, weights="0" * 64), Settings(weights_from=str(lenet_run)))
    with pytest.raises(RunError, match="has other weights than those"):
        train_run(run, command="", quiet=True)
    assert not (tmp_path / "new").exists()


def test_infinite_numbers_are_no_weights(tmp_path, lenet_run):
    for value in (np.nan, np.inf, 1e300):
        arrays = {name: np.asarray(array, float) for name, array in read_parameters(parameters_file(lenet_run)).items()}
        arrays["5.weight"][3, 3] = value
        np.savez(tmp_path / "net.npz", **arrays)
        with pytest.raises(ModelError, match=r"net.npz has numbers in 5.weight that are not finite"):
            open_any_weights(tmp_path / "net.npz")


def test_asynchronous_servers_have_one_learning_rate():
    recipe = get_recipe("lenet", **SMALL, weights="0" * 64, taken_lr=0.5)
    with pytest.raises(GluonCNNError, match="the servers of dist_async have one learning rate"):
        set_up(recipe, [mx.cpu()], SimpleNamespace(train=[0]), kvstore="dist_async")


def test_order_of_frozen_paths_makes_no_difference():
    recipes = [get_recipe("nin", freeze=text) for text in ("10,2,0.1", " 2, 0.1 ,10,2", ["0.1,10", "2"])]
    assert {recipe.freeze for recipe in recipes} == {"0.1,2,10"}


def test_directory_says_what_it_began_from():
    recipe = get_recipe("lenet", weights="ab12" * 16, freeze="2,0", taken_lr=0.1)
    assert recipe.init == "own"
    assert default_name(recipe) == "lenet-zh-v1-from-ab12ab12-freeze-0-2-taken_lr0.1-seed0"


def test_not_compared_run_says_why(tmp_path, lenet_run):
    run = fine_tune(tmp_path / "new", lenet_run, taken_lr=0.5, freeze="0")
    assert run.reasons_not_compared[-3:] == ["begun from other weights", "0 frozen", "taken_lr 0.5 instead of 1"]


def test_network_of_ones_own_begins_from_weights(tmp_path, lenet_run):
    text = "from gluon_cnn import get_model\n\ndef net():\n    return get_model('lenet', num_classes=26, hybrid=True)\n"
    (tmp_path / "mine.py").write_text(text)
    run = fine_tune(tmp_path / "new", lenet_run, f"{tmp_path / 'mine.py'}:net", lr=STILL)
    assert isinstance(run.network("cpu"), gluon.HybridBlock)
    assert run.settings.taken == [name for name in named_parameters(get_model("lenet")) if not name.startswith("6.")]


def test_model_zoos_file_fits_the_network_inside(tmp_path):
    net = get_model("gluoncv:cifar_resnet20_v1", num_classes=10)
    net.initialize()
    net(mx.nd.zeros((1, 1, 32, 32)))
    net[1].save_parameters(str(tmp_path / "zoo.params"))
    run = fine_tune(tmp_path / "new", tmp_path / "zoo.params", "gluoncv:cifar_resnet20_v1", num_classes=12, lr=STILL)
    assert set(named_parameters(net)) - set(run.settings.taken) == {"1.output.weight", "1.output.bias"}


@pytest.mark.parametrize("where", [None, 3, b"net", ["pretrained:nin"]])
def test_weights_are_named_by_a_path(where):
    with pytest.raises(ModelError, match=r"weights_from is .*; it must be a path or pretrained:NAME"):
        open_any_weights(where)

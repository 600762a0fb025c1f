"""The book's recipes, and what a recipe refuses."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd
from mxnet.gluon import nn

from gluon_cnn import GluonCNNError, get_recipe
from gluon_cnn.training import RECIPES, Recipe
from gluon_cnn.training.recipe import quick_changes


@pytest.mark.parametrize(
    ("model", "batch_size", "resize", "lr"),
    [("lenet", 256, None, 0.9), ("alexnet", 128, 224, 0.01), ("vgg11", 128, 224, 0.05), ("nin", 128, 224, 0.1)],
)
def test_books_recipes(model, batch_size, resize, lr):
    for edition, epochs in (("zh-v1", 5), ("en", 10)):
        recipe = get_recipe(model, edition)
        assert (recipe.batch_size, recipe.resize, recipe.lr, recipe.epochs) == (batch_size, resize, lr, epochs)
        assert (recipe.optimizer, recipe.init, recipe.data, recipe.augment) == ("sgd", "book", "full", False)
    adam = get_recipe(model, "adam")
    assert (adam.optimizer, adam.lr, adam.batch_size, adam.epochs, adam.init) == ("adam", 0.001, 128, 5, "seed")


def test_every_edition_has_every_network():
    assert len(RECIPES) == 3 * 4
    assert [get_recipe("lenet", edition).network()[1].__class__.__name__ for edition in ("zh-v1", "en")] == [
        "MaxPool2D",
        "AvgPool2D",
    ]
    assert get_recipe("VGG").model == Recipe("vgg", "zh-v1", 5, 128, 0.05, 224).model == "vgg11"
    assert get_recipe("vgg").network()[0][0]._kwargs["num_filter"] == 16


def test_only_the_first_edition_steps_by_the_nominal_batch_size():
    assert [get_recipe("nin", edition).nominal_step for edition in ("zh-v1", "en", "adam")] == [True, False, False]


def test_another_size_begins_from_weights_of_its_own():
    assert get_recipe("nin", epochs=7, seed=3).init == "book"
    assert get_recipe("nin", resize=96).init == "seed"
    with pytest.raises(GluonCNNError, match="trained at 224 pixels, not at 96: use 'seed'"):
        get_recipe("nin", resize=96, init="book")


def test_the_size_that_the_images_have_is_no_change():
    assert get_recipe("lenet", resize=28) == get_recipe("lenet")
    assert get_recipe("lenet", resize=32).init == "seed"


def test_quick_is_one_epoch_at_96_pixels_and_lenet_keeps_its_size():
    assert quick_changes("vgg") == {"epochs": 1, "resize": 96}
    assert quick_changes("lenet") == {"epochs": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 0},
        {"epochs": True},
        {"batch_size": -1},
        {"batch_size": 1.5},
        {"lr": 0},
        {"lr": float("nan")},
        {"lr": float("inf")},
        {"lr": "fast"},
        {"resize": 0},
        {"seed": -1},
        {"train_size": 0},
        {"test_size": -5},
        {"optimizer": "magic"},
        {"data": "some"},
        {"init": "zeros"},
    ],
)
def test_values_that_a_setting_cannot_have(changes):
    (name,) = changes
    with pytest.raises(GluonCNNError, match=f"^{name} is "):
        get_recipe("lenet", **changes)


def test_unknown_model_and_edition():
    with pytest.raises(GluonCNNError, match="no network 'resnet'"):
        get_recipe("resnet")
    with pytest.raises(GluonCNNError, match="edition is 'fr'"):
        get_recipe("nin", "fr")
    with pytest.raises(GluonCNNError, match="no run of edition adam was published"):
        get_recipe("nin", "adam", init="book")


def test_variants_of_nin():
    recipe = get_recipe("nin", final_relu=False)
    assert recipe.init == "book"  # which has the same parameters
    assert recipe.network()[-3][-1].act is None
    one = get_recipe("nin", num_mlp_layers=1)
    assert one.init == "seed"
    assert [len(get_recipe("nin", num_mlp_layers=n).network()[0]) for n in (1, 2)] == [2, 3]


@pytest.mark.parametrize(
    ("model", "changes", "reason"),
    [
        ("lenet", {"final_relu": False}, "final_relu is a setting of nin, and lenet has none"),
        ("vgg", {"num_mlp_layers": 1}, "num_mlp_layers is a setting of nin"),
        ("nin", {"num_mlp_layers": 0}, "num_mlp_layers is 0"),
        ("nin", {"num_mlp_layers": 1, "init": "book"}, "no NiN with num_mlp_layers 1 was published"),
        ("nin", {"clip_gradient": 0.0}, "clip_gradient is 0.0"),
        ("nin", {"momentum": 1.0}, "momentum is 1.0; it must be below 1"),
        ("nin", {"momentum": -0.1}, "momentum is -0.1"),
        ("nin", {"momentum": 0.9, "optimizer": "adam"}, "momentum is 0.9, but adam has none"),
    ],
)
def test_variants_that_are_refused(model, changes, reason):
    with pytest.raises(GluonCNNError, match=reason):
        get_recipe(model, **changes)


def test_momentum_reaches_the_optimizer():
    layer = nn.Dense(1, in_units=2)
    layer.initialize()
    parameters = [layer.weight]
    assert get_recipe("nin", momentum=0.9).trainer(parameters)._optimizer.momentum == 0.9
    assert get_recipe("nin").trainer(parameters)._optimizer.momentum == 0


def test_clip_gradient_bounds_each_number_of_a_step():
    layer = nn.Dense(1, in_units=2, use_bias=False)
    layer.initialize(mx.init.Zero())
    trainer = get_recipe("nin", lr=1.0, clip_gradient=0.01).trainer([layer.weight])
    with autograd.record():
        loss = layer(mx.nd.array([[5.0, 0.004]]))
    loss.backward()
    trainer.step(1)
    np.testing.assert_allclose(layer.weight.data().asnumpy(), [[-0.01, -0.004]], rtol=1e-6)

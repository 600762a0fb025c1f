"""AlexNet of 2012: the paper's numbers, its streams, its initial weights, and its recipe."""

import gluon_cnn  # before mxnet, which it makes ready

# isort: split
import math

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn
from runs import command, interrupted_after, result_of, resume, train

from gluon_cnn import get_model, get_recipe, summary
from gluon_cnn.errors import ModelError, RunStopped, SettingError
from gluon_cnn.training.initial_weights import initialize_from_seed
from gluon_cnn.training.recipes import book_recipe, quick_changes
from gluon_cnn.training.run_names import default_name

#: Whose outputs the paper counts as neurons.
NEURONS = (nn.Conv2D, nn.Dense)


@pytest.fixture(scope="module")
def table():
    """Of the paper's network; nothing is computed."""
    return summary(get_model("alexnet2012"), (1, 3, 227, 227))


def test_parameters_neurons_and_multiply_adds(table):
    assert table.parameters == table.all_parameters == 60_965_224
    assert table.multiply_adds == 724_406_816
    kinds = [kind.__name__ for kind in NEURONS]
    assert sum(math.prod(row.output_shape[1:]) for row in table.rows if row.kind in kinds) == 659_272


@pytest.mark.parametrize(
    ("name", "total"), [("alexnet2012", ["60,965,224", "724,406,816"]), ("nin2013", ["966,986", "222,486,528"])]
)
def test_summary_command_shows_the_papers_network(name, total, capsys):
    command("summary", name)
    assert capsys.readouterr().out.splitlines()[-1].split()[1:] == total


def test_layers_in_the_papers_order(table):
    assert [(row.kind, row.output_shape[1:]) for row in table.rows] == [
        ("Conv2D", (96, 55, 55)), ("LocalResponseNorm", (96, 55, 55)), ("MaxPool2D", (96, 27, 27)),
        ("Conv2D", (256, 27, 27)), ("LocalResponseNorm", (256, 27, 27)), ("MaxPool2D", (256, 13, 13)),
        ("Conv2D", (384, 13, 13)), ("Conv2D", (384, 13, 13)), ("Conv2D", (256, 13, 13)), ("MaxPool2D", (256, 6, 6)),
        ("Dense", (4096,)), ("Dropout", (4096,)), ("Dense", (4096,)), ("Dropout", (4096,)), ("Dense", (1000,)),
    ]  # fmt: skip


def test_multiply_adds_of_groups_by_hand(table):
    """Each output of the second convolution is of the 48 channels of its own stream."""
    rows = {row.path: row for row in table.rows}
    assert rows["3"].multiply_adds == 27 * 27 * 256 * (48 * 5 * 5)
    assert rows["6"].multiply_adds == 13 * 13 * 384 * (256 * 3 * 3)
    assert rows["8"].multiply_adds == 13 * 13 * 256 * (192 * 3 * 3)


#: The layers whose first biases are not 0.
BIASED = (3, 7, 8, 10, 12)


@pytest.fixture(scope="module")
def small():
    """For grey images of 67 pixels and 10 classes, with the paper's weights of seed 0; not to be changed."""
    net = get_model("alexnet2012", num_classes=10, bias=1, hybrid=True)
    initialize_from_seed(net, 0, (1, 1, 67, 67))
    return net


def test_initial_weights_are_the_papers(small):
    for path in (0, 3, 6, 7, 8, 10, 12, 14):
        weight = small[path].weight.data().asnumpy()
        assert weight.std() == pytest.approx(0.01, rel=0.02), path
        assert abs(weight.mean()) < 0.0005, path
        assert (small[path].bias.data().asnumpy() == (path in BIASED)).all(), path


@pytest.mark.parametrize(
    ("options", "bias"), [({}, 1), ({"num_classes": 999}, 0.1), ({"num_classes": 999, "bias": 0}, 0)]
)
def test_biases_are_smaller_for_few_classes(options, bias):
    net = get_model("alexnet2012", **options)
    for path in BIASED:
        assert net[path].bias.init == mx.init.Constant(bias)


def test_bias_is_an_option_of_the_recipe(fails):
    assert get_recipe("alexnet2012", bias=1).options == {"bias": 1}
    assert "bias is -1.0; it must be a number of 0 or more" in fails("train", "alexnet2012", "--set", "bias=-1.0")
    assert "bias is 'x'; it must be a number" in fails("train", "alexnet2012", "--set", "bias=x", "--data", "sample")


def test_seed_decides_the_weights(small):
    drawn = []
    for seed in (0, 1):
        net = get_model("alexnet2012", num_classes=10)
        initialize_from_seed(net, seed, (1, 1, 67, 67))
        drawn.append([net[path].weight.data().asnumpy() for path in (0, 8, 14)])
    for path, same, other in zip((0, 8, 14), *drawn):
        expected = small[path].weight.data().asnumpy()
        np.testing.assert_array_equal(same, expected)
        assert (other != expected).mean() > 0.9


@pytest.mark.parametrize(("path", "crosses"), [(3, False), (6, True), (7, False), (8, False)])
def test_streams_cross_at_the_third_convolution(small, path, crosses):
    layer = small[path]
    channels = layer.weight.shape[1] * (1 if crosses else 2)
    x = mx.nd.random.uniform(shape=(1, channels, 5, 5))
    other = x.copy()
    other[:, channels // 2 :] = 0  # what the second stream gives
    first, second = np.split((layer(x) != layer(other)).asnumpy(), 2, axis=1)
    assert second.any()
    assert first.any() == crosses


def test_smallest_image_and_any_channels(small):
    with pytest.raises(ModelError, match="AlexNet of 2012 takes images of 67×67 pixels or more, not 66×67"):
        small(mx.nd.zeros((1, 1, 66, 67)))
    assert summary(get_model("alexnet2012", num_classes=7), (2, 5, 67, 90)).rows[-1].output_shape == (2, 7)
    with pytest.raises(SettingError, match="num_classes is 0"):
        gluon_cnn.alexnet2012(num_classes=0)


def test_recipe_is_the_papers():
    recipe = get_recipe("alexnet2012")
    assert (recipe.edition, recipe.init, recipe.side, recipe.batch_size, recipe.epochs) == (None, "own", 227, 128, 90)
    assert (recipe.optimizer, recipe.lr, recipe.momentum, recipe.weight_decay) == ("sgd", 0.01, 0.9, 0.0005)
    assert (recipe.lr_schedule, recipe.augment, recipe.normalize) == ("plateau", "crop,mirror,pca", "mean")
    assert book_recipe(recipe) is None
    assert default_name(recipe) == "alexnet2012-seed0"
    quick = quick_changes("alexnet2012")
    assert quick == {"epochs": 1, "side": 67}
    assert default_name(get_recipe("AlexNet2012", **quick), quick=True) == "alexnet2012-quick-seed0"
    adam = get_recipe("alexnet2012", optimizer="adam", lr=0.001)
    assert (adam.momentum, adam.weight_decay) == (0.0, 0.0005)
    assert get_recipe("alexnet2012", "zh-v1").momentum == 0  # the book's recipe, where it is asked for
    with pytest.raises(SettingError, match="no run of alexnet2012 was published"):
        get_recipe("alexnet2012", init="published")


@pytest.mark.parametrize("data", ["folder", "records"])
def test_images_are_cut_out_of_pictures_as_in_the_paper(data):
    """A quarter less of a picture's area, whatever the size; of Fashion-MNIST's images nothing is left to cut off."""
    recipe = get_recipe("alexnet2012", data=data)
    assert (recipe.side, recipe.short_side) == (227, 256)
    assert default_name(recipe) == f"alexnet2012-{data}-seed0"
    quick = get_recipe("alexnet2012", data=data, **quick_changes("alexnet2012"))
    assert (quick.side, quick.short_side) == (67, 76)
    assert default_name(quick, quick=True) == f"alexnet2012-quick-{data}-seed0"
    other = get_recipe("alexnet2012", data=data, short_side=300)
    assert (other.short_side, default_name(other)) == (300, f"alexnet2012-{data}-short_side300-seed0")
    assert get_recipe("alexnet2012", data=data, short_side=None).short_side is None
    assert get_recipe("alexnet2012").short_side is get_recipe("alexnet2012", data="idx").short_side is None


def test_run_is_resumed_to_the_same_bits(tmp_path):
    """With its dropout, momentum and weight decay."""
    changes = {"data": "sample", "train_size": 16, "test_size": 8, "batch_size": 8, "side": 67, "epochs": 1}
    train(tmp_path / "whole", "alexnet2012", **changes)
    with pytest.raises(RunStopped), interrupted_after(1):
        train(tmp_path / "parts", "alexnet2012", **changes)
    resume(tmp_path / "parts")
    assert result_of(tmp_path / "parts") == result_of(tmp_path / "whole")

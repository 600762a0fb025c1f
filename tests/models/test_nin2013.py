"""NiN of its paper: the authors' numbers, poolings, initial weights and recipe."""

import gluon_cnn  # before mxnet, which it makes ready

# isort: split
import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn
from runs import interrupted_after, result_of, resume, train

from gluon_cnn import get_model, get_recipe, summary
from gluon_cnn.errors import ModelError, RunStopped
from gluon_cnn.models.sequential import layers_of
from gluon_cnn.training.initial_weights import initialize_from_seed
from gluon_cnn.training.recipes import quick_changes
from gluon_cnn.training.run_names import default_name


@pytest.fixture(scope="module")
def net():
    net = get_model("nin2013", hybrid=True)
    initialize_from_seed(net, 0, (1, 3, 32, 32))
    return net


def test_parameters_and_multiply_adds():
    table = summary(get_model("nin2013"), (1, 3, 32, 32))
    assert table.parameters == table.all_parameters == 966_986
    assert table.multiply_adds == 222_486_528
    assert [row.output_shape[1:] for row in table.rows if row.kind != "Dropout"] == [
        (192, 32, 32), (160, 32, 32), (96, 32, 32), (96, 16, 16), (192, 16, 16), (192, 16, 16), (192, 16, 16),
        (192, 8, 8), (192, 8, 8), (192, 8, 8), (10, 8, 8), (10, 1, 1), (10,),
    ]  # fmt: skip
    assert summary(get_model("nin2013", num_classes=100), (1, 3, 32, 32)).parameters == 966_986 + 90 * 193


def test_last_window_of_a_pooling_is_cut(net):
    x = np.random.RandomState(0).rand(2, 3, 32, 32).astype(np.float32)
    for path, of in ((1, np.max), (4, np.mean)):
        expected = [[of(x[..., i : i + 3, j : j + 3], axis=(2, 3)) for j in range(0, 32, 2)] for i in range(0, 32, 2)]
        found = net[path](mx.nd.array(x)).asnumpy()
        np.testing.assert_allclose(found, np.array(expected).transpose(2, 3, 0, 1), rtol=1e-5)


def test_initial_weights_are_the_authors(net):
    convolutions = [layer for layer in layers_of(net) if isinstance(layer, nn.Conv2D)]
    assert len(convolutions) == 9
    for layer in convolutions:
        weight = layer.weight.data().asnumpy()
        assert weight.std() == pytest.approx(0.05, rel=0.05)
        assert not layer.bias.data().asnumpy().any()
        assert layer.act is not None


def test_last_convolution_learns_at_a_tenth():
    net = get_model("nin2013")
    initialize_from_seed(net, 0, (1, 3, 12, 12))
    trainer = mx.gluon.Trainer(list(net.collect_params().values()), "sgd", {"learning_rate": 0.5})
    weights = [net[path][-1].weight for path in (0, 6)]
    before = [weight.data().asnumpy() for weight in weights]
    with mx.autograd.record():
        loss = (net(mx.nd.random.normal(shape=(4, 3, 12, 12))) ** 2).sum()
    loss.backward()
    trainer.step(1)
    for weight, old, rate in zip(weights, before, (0.5, 0.05)):
        step = rate * weight.grad().asnumpy()
        assert abs(step).max() > 1e-5
        np.testing.assert_allclose(weight.data().asnumpy(), old - step, atol=1e-7)


@pytest.mark.parametrize("hybrid", [False, True])
def test_smallest_image(hybrid):
    net = get_model("nin2013", hybrid=hybrid, num_classes=4)
    net.initialize()
    if hybrid:
        net.hybridize()
    assert net(mx.nd.zeros((2, 5, 6, 6))).shape == (2, 4)
    with pytest.raises(ModelError, match="NiN of 2013 takes images of 6×6 pixels or more, not 5×6"):
        net(mx.nd.zeros((2, 5, 5, 6)))


def test_recipe_is_the_authors():
    recipe = get_recipe("nin2013")
    assert (recipe.edition, recipe.init, recipe.side, recipe.batch_size, recipe.epochs) == (None, "own", 32, 128, 307)
    assert (recipe.lr, recipe.momentum, recipe.weight_decay, recipe.lr_schedule) == (0.1, 0.9, 0.0001, "plateau")
    assert (recipe.normalize, recipe.augment) == ("measured", False)
    assert default_name(recipe) == "nin2013-seed0"
    assert quick_changes("nin2013") == {"epochs": 1}


def test_run_is_resumed_to_the_same_bits(tmp_path):
    changes = {"data": "sample", "train_size": 48, "test_size": 16, "batch_size": 16, "side": 12, "epochs": 2}
    train(tmp_path / "whole", "nin2013", **changes)
    with pytest.raises(RunStopped), interrupted_after(4):
        train(tmp_path / "parts", "nin2013", **changes)
    resume(tmp_path / "parts")
    assert result_of(tmp_path / "parts") == result_of(tmp_path / "whole")


def test_network_by_its_name_in_the_package():
    assert isinstance(gluon_cnn.nin2013(hybrid=True), nn.HybridSequential)

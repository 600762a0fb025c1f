"""From a recipe to data, network, initial weights and trainer."""

import dataclasses
from types import SimpleNamespace

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from runs import SMALL, SMALL_NETWORK

from gluon_cnn import get_recipe, initialize_as_published
from gluon_cnn.data import FASHION_MNIST, SAMPLE, read_fashion_mnist
from gluon_cnn.errors import ModelError, SettingError
from gluon_cnn.models.parameters import named_parameters
from gluon_cnn.training.initial_weights import initialize_from_seed
from gluon_cnn.training.setup import build_network, load_data, set_up

CPU = [mx.cpu()]


def set_up_small(model="lenet", **changes):
    recipe = get_recipe(model, **{**SMALL, **changes})
    return set_up(recipe, CPU, load_data(recipe, None, CPU[0]))


def arrays_of(net):
    return {name: parameter.data().asnumpy() for name, parameter in named_parameters(net).items()}


def assert_equal(arrays, others):
    assert arrays.keys() == others.keys()
    for name in arrays:
        np.testing.assert_array_equal(arrays[name], others[name])


def test_network_begins_from_the_published_weights():
    setup = set_up_small()
    other = build_network(get_recipe("lenet"), FASHION_MNIST)
    initialize_as_published(other)
    assert_equal(arrays_of(setup.net), arrays_of(other))
    assert list(setup.training_net.collect_params().values()) == list(setup.net.collect_params().values())


def test_network_begins_from_own_weights_of_the_seed():
    setup = set_up_small(init="own", seed=3)
    other = build_network(get_recipe("lenet"), FASHION_MNIST)
    initialize_from_seed(other, 3, (1, 1, 28, 28))
    assert_equal(arrays_of(setup.net), arrays_of(other))
    assert (arrays_of(set_up_small(init="own").net)["0.weight"] != arrays_of(other)["0.weight"]).any()


def test_data_are_those_of_the_recipe():
    data = set_up_small(side=40, augment=True, seed=7).data
    whole = read_fashion_mnist(SAMPLE)
    assert data.info == whole.info
    np.testing.assert_array_equal(data.train.images, whole.train.images[:256])
    np.testing.assert_array_equal(data.test.labels, whole.test.labels[:128])
    assert (data.train.batch_size, data.train.resize, data.train.augment, data.train.seed) == (64, 40, True, 7)
    assert (data.test.shuffle, data.test.augment) == (False, None)


def test_images_of_their_own_size_are_not_resized():
    assert set_up_small().data.train.resize is None


def test_workers_take_parts_of_each_batch():
    recipe = get_recipe("lenet", **SMALL)

    def sizes(synchronous):
        job = SimpleNamespace(rank=1, workers=4, synchronous=synchronous)
        data = load_data(recipe, None, CPU[0], job)
        return [[len(y) for _, y in batches] for batches in (data.train, data.test)]

    assert sizes(synchronous=True) == [[64], [32]]
    assert sizes(synchronous=False) == [[64], [64, 64]]  # each tests on all images, since it hears of no other


def test_trainer_has_what_the_recipe_says():
    setup = set_up_small(lr=0.3, momentum=0.9, optimizer="nag", clip_gradient=0.5)
    optimizer = setup.trainer._optimizer
    assert isinstance(optimizer, mx.optimizer.NAG)
    assert (optimizer.lr, optimizer.momentum, optimizer.clip_gradient) == (0.3, 0.9, 0.5)
    assert set_up_small().trainer._optimizer.momentum == 0
    assert setup.trainer._params == list(setup.net.collect_params().values())


@pytest.mark.parametrize("optimizer", ["sgd", "nag", "adam"])
def test_weight_decay_is_of_weights_and_biases(optimizer):
    assert set_up_small().trainer._optimizer.wd == 0
    setup = set_up_small(optimizer=optimizer, lr=0.1, weight_decay=0.25)
    parameters = list(setup.net.collect_params().values())
    for parameter in parameters:
        parameter.set_data(mx.nd.full(parameter.shape, 2))
    with autograd.record():
        loss = setup.net(mx.nd.zeros((1, 1, 28, 28))).sum() * 0
    loss.backward()
    setup.trainer.step(1)
    expected = 2 - 0.1 * (1 if optimizer == "adam" else 0.25 * 2)  # Adam's first step is of the size of the rate
    for parameter in parameters:
        np.testing.assert_allclose(parameter.data().asnumpy(), expected, rtol=1e-5)


def test_clip_gradient_bounds_each_number_of_a_step():
    setup = set_up_small(lr=1.0, clip_gradient=0.01)
    bias = setup.net[-1].bias
    before = bias.data().asnumpy()
    with autograd.record():
        loss = (setup.net(mx.nd.zeros((1, 1, 28, 28))) * mx.nd.array([5.0, 0.004, *[-5.0] * 8])).sum()
    loss.backward()
    setup.trainer.step(1)
    np.testing.assert_allclose(bias.data().asnumpy() - before, [-0.01, -0.004, *[0.01] * 8], rtol=1e-3)


def test_schedule_only_where_the_rate_changes():
    assert set_up_small().rates is None
    rates = set_up_small(epochs=3, lr_schedule="poly").rates
    assert rates(1) < 0.9
    assert rates(12) == 0.0


@pytest.mark.parametrize(
    ("model", "changes", "draws"),
    [
        ("lenet", {}, False),
        ("lenet", {"optimizer": "sgld"}, True),
        ("nin", {"side": 67}, True),
        (SMALL_NETWORK, {}, True),
        (SMALL_NETWORK.replace(":net", ":hidden"), {}, True),  # where nobody sees the dropout
    ],
)
def test_whether_a_step_draws_random_numbers(model, changes, draws):
    assert set_up_small(model, **changes).draws is draws


def test_not_compiled_network_is_trained_itself():
    recipe = get_recipe("lenet", **SMALL)
    setup = set_up(recipe, CPU, load_data(recipe, None, CPU[0]), hybrid=False)
    assert setup.training_net is setup.net
    assert not isinstance(setup.net, gluon.HybridBlock)


def test_parameters_are_on_every_device():
    recipe = get_recipe("lenet", **SMALL)
    devices = [mx.cpu(0), mx.cpu(1)]
    net = set_up(recipe, devices, load_data(recipe, None, devices[0])).net
    assert net[0].weight.list_ctx() == devices


def test_number_of_classes_is_the_datas_or_more():
    recipe = get_recipe("lenet", **SMALL)
    dataset = dataclasses.replace(FASHION_MNIST, classes=("a", "b", "c"))
    assert build_network(recipe, dataset)[-1]._units == 3
    assert build_network(get_recipe("lenet", num_classes=12), dataset)[-1]._units == 12
    with pytest.raises(SettingError, match="num_classes is 2, but Fashion-MNIST has 3 classes: leave it out"):
        build_network(get_recipe("lenet", num_classes=2), dataset)


def test_zoos_network_too_small_is_refused():
    with pytest.raises(ModelError, match=r"An input of shape .* does not fit at"):
        set_up_small("gluoncv:vgg11", side=16)

"""Networks with their layers rearranged: the same logits, gradients and training by the same parameters."""

import dataclasses
import re

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from runs import SMALL, train

from gluon_cnn import get_recipe, list_models
from gluon_cnn.data import FASHION_MNIST
from gluon_cnn.models import find_network
from gluon_cnn.models.parameters import named_parameters
from gluon_cnn.training import loop
from gluon_cnn.training import setup as set_up_module
from gluon_cnn.training.initial_weights import initialize_from_seed
from gluon_cnn.training.metrics import Sums
from gluon_cnn.training.onednn import for_training
from gluon_cnn.training.setup import build_network

CPU = [mx.cpu()]


def compiled(model="lenet", edition="zh-v1", **changes):
    recipe = get_recipe(model, edition, **changes)
    net = build_network(recipe, FASHION_MNIST, hybrid=True)
    initialize_from_seed(net, 0, (1, 1, recipe.side, recipe.side))
    net.hybridize(static_alloc=True, static_shape=True)
    return net, recipe


def logits_and_gradients(network, parameters, X, y, dtype="float32"):
    with autograd.record():
        logits = network(X.astype(dtype))
        mean = gluon.loss.SoftmaxCrossEntropyLoss()(logits, y).mean()
    mean.backward()
    return [logits.asnumpy(), *(parameter.grad().asnumpy() for parameter in parameters)]


def test_networks_that_are_rearranged():
    assert [name for name in list_models() if find_network(name).rearranged] == ["lenet", "vgg11"]


@pytest.mark.parametrize("edition", ["zh-v1", "en"])
@pytest.mark.parametrize("side", [28, 40])
def test_lenets_gradients_are_as_near_to_float64(sample, edition, side):
    """As the network's own. Where numbers are nearly the same, rounding decides which of them is the greatest."""
    net, recipe = compiled(edition=edition, side=side)
    rearranged = for_training(net, recipe, CPU)
    pooling, place = (gluon.nn.MaxPool2D, 1) if edition == "zh-v1" else (gluon.nn.AvgPool2D, 2)
    assert isinstance(rearranged[place], pooling)
    assert rearranged[0](mx.nd.zeros((1, 1, 28, 28))).shape[1] == 16
    assert set(rearranged.collect_params().values()) == set(net.collect_params().values())
    exact = build_network(recipe, FASHION_MNIST)
    exact.initialize()
    exact(mx.nd.zeros((1, 1, side, side)))
    exact.cast("float64")
    ours, theirs = (list(block.collect_params().values()) for block in (net, exact))
    for parameter, reference in zip(ours, theirs):
        reference.set_data(parameter.data().astype("float64"))
    for X, y in sample(256, side, train_size=300)[0]:  # a whole batch and a short one
        expected = logits_and_gradients(exact, theirs, X, y, "float64")
        found = [logits_and_gradients(network, ours, X, y) for network in (rearranged, net)]
        for number, (reference, *arrays) in enumerate(zip(expected, *found)):
            bound = 3e-5 if number else 1e-5  # a gradient is the sum of up to 400,000 numbers, in another order
            error, own = (np.abs(array - reference).max() / np.abs(reference).max() for array in arrays)
            assert error <= 1.1 * own + bound
            assert own < 0.01


@pytest.mark.parametrize("edition", ["zh-v1", "en"])
def test_vggs_gradients_are_the_same_to_the_bit(sample, edition):
    net, recipe = compiled("vgg11", edition, side=64)
    rearranged = for_training(net, recipe, CPU)
    assert isinstance(rearranged[1], gluon.nn.MaxPool2D)
    parameters = list(net.collect_params().values())
    for X, y in sample(20, 64, train_size=30)[0]:
        found = []
        for network in (net, rearranged):
            mx.random.seed(0)  # for the masks of its dropout
            found.append(logits_and_gradients(network, parameters, X, y))
        assert all(np.array_equal(ours, expected) for ours, expected in zip(*found))
        assert all(gradient.any() for gradient in found[0])


def test_network_itself_may_be_used_in_between(sample, images):
    trained = []
    for choose in (lambda net, *_: net, for_training):
        net, recipe = compiled()
        trainer = gluon.Trainer(list(net.collect_params().values()), "sgd", {"learning_rate": recipe.lr})
        sums, chosen = Sums(), choose(net, recipe, CPU)
        for _ in range(3):
            loop.train_epoch(chosen, sample(50, seed=1)[0], trainer, CPU, sums, after_step=bool)
            net(images).wait_to_read()
        trained.append([sums.read().loss, *(p.data().asnumpy() for p in net.collect_params().values())])
    assert all(np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max() for ours, theirs in zip(*trained))


def test_run_trains_it_and_keeps_the_network(tmp_path, monkeypatch):
    made, results = [], []
    for choose in (lambda net, *_: net, for_training):

        def noting(*args, choose=choose):
            made.append(choose(*args))
            return made[-1]

        monkeypatch.setattr(set_up_module, "for_training", noting)
        net = train(tmp_path / str(len(made)), **SMALL).network(CPU)
        results.append({name: parameter.data().asnumpy() for name, parameter in named_parameters(net).items()})
    assert made[1]._cached_graph  # it was used
    assert results[0].keys() == results[1].keys()
    for name, expected in results[0].items():
        assert np.abs(results[1][name] - expected).max() <= 1e-4 * np.abs(expected).max()


def test_names_of_later_layers_stay_the_same():
    def numbers():
        names = gluon.nn.HybridSequential().name, gluon.nn.Conv2D(1, 1).name
        return [int(re.search(r"\d+$", name)[0]) for name in names]

    net, recipe = compiled()
    before = numbers()
    for_training(net, recipe, CPU)
    assert numbers() == [number + 1 for number in before]


def test_network_itself_elsewhere():
    net, recipe = compiled()
    assert for_training(net, recipe, [mx.cpu(0), mx.cpu(1)]) is net
    assert for_training(net, recipe, [mx.gpu()]) is net
    with mx.util.np_array(True):
        assert for_training(net, recipe, CPU) is net
    for hybrid in (False, True):
        other = build_network(recipe, FASHION_MNIST, hybrid)
        assert for_training(other, recipe, CPU) is other
    assert for_training(net, dataclasses.replace(recipe, amp=True), CPU) is net
    for model in ("alexnet", "nin"):
        net, recipe = compiled(model, side=96)
        assert for_training(net, recipe, CPU) is net

"""LeNet with its channels filled up: the same logits, gradients and training by the same parameters."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon

from gluon_cnn import get_recipe
from gluon_cnn.training import initialize_from_seed
from gluon_cnn.training.filled import for_training
from gluon_cnn.training.loop import train_steps
from gluon_cnn.training.metrics import Sums

CPU = [mx.cpu()]


def compiled(model="lenet", edition="zh-v1", **changes):
    recipe = get_recipe(model, edition, **changes)
    net = recipe.network(hybrid=True)
    initialize_from_seed(net, 0, (1, 1, recipe.resize or 28, recipe.resize or 28))
    net.hybridize(static_alloc=True, static_shape=True)
    return net, recipe


@pytest.mark.parametrize("edition", ["zh-v1", "en"])
@pytest.mark.parametrize("resize", [None, 40])
def test_the_same_logits_and_gradients(sample, edition, resize):
    net, recipe = compiled(edition=edition, resize=resize)
    filled = for_training(net, recipe, CPU)
    assert filled is not net
    assert set(filled.collect_params().values()) == set(net.collect_params().values())
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    for X, y in sample(256, resize, train_size=300)[0]:  # a whole batch and a short one
        found = []
        for network in (net, filled):
            with autograd.record():
                logits = network(X)
                mean = loss(logits, y).mean()
            mean.backward()
            gradients = [p.grad().asnumpy() for p in net.collect_params().values()]
            found.append([logits.asnumpy(), *gradients])
        np.testing.assert_array_equal(found[1][0], found[0][0])
        for ours, expected in zip(*found[::-1]):  # sums of up to 400,000 numbers, in another order
            assert np.abs(ours - expected).max() <= 3e-5 * np.abs(expected).max()
        assert min(np.abs(gradient).max() for gradient in found[0][1:]) > 0


def test_the_same_training(sample):
    trained = []
    for choose in (lambda net, *_: net, for_training):
        net, recipe = compiled()
        trainer, sums = recipe.trainer(list(net.collect_params().values())), Sums()
        for _ in range(8):
            for _ in train_steps(choose(net, recipe, CPU), sample(50, seed=1)[0], trainer, CPU, sums):
                pass
        trained.append([sums.read().loss, *(p.data().asnumpy() for p in net.collect_params().values())])
    assert all(np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max() for ours, theirs in zip(*trained))


def test_the_network_itself_elsewhere():
    net, recipe = compiled()
    assert for_training(net, recipe, [mx.cpu(0), mx.cpu(1)]) is net
    assert for_training(net, recipe, [mx.gpu()]) is net
    with mx.util.np_array(True):
        assert for_training(net, recipe, CPU) is net
    for other in (recipe.network(), recipe.network(hybrid=True)):
        assert for_training(other, recipe, CPU) is other
    net, recipe = compiled("nin", resize=96)
    assert for_training(net, recipe, CPU) is net

"""The blocks of GoogLeNet, ResNet and DenseNet, and batch normalisation, beside the same written out on arrays."""

import gluon_cnn  # before mxnet, which it makes ready

# isort: split
import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from mxnet.gluon import nn

from gluon_cnn import BatchNorm, dense_block, inception, resnet_block, transition_block


def batch(*shape):
    return mx.nd.random.uniform(shape=shape)


def test_inception_joins_its_four_paths():
    block = inception(4, (3, 5), (2, 6), 7)
    block.initialize(mx.init.Xavier())
    X = batch(2, 3, 8, 8)
    joined = block(X).asnumpy()
    assert joined.shape == (2, 4 + 5 + 6 + 7, 8, 8)
    paths = [block[0][0](X), block[1][1](block[1][0](X)), block[2][1](block[2][0](X)), block[3][1](block[3][0](X))]
    np.testing.assert_array_equal(joined, np.concatenate([path.asnumpy() for path in paths], axis=1))
    assert [layer._kwargs["kernel"] for path in block for layer in path] == [
        (1, 1), (1, 1), (3, 3), (1, 1), (5, 5), (3, 3), (1, 1),
    ]  # fmt: skip


def test_dense_block_keeps_what_came_before():
    """The book's example: 3 channels and two convolutions of 10 give 23."""
    block = dense_block(2, 10)
    block.initialize(mx.init.Xavier())
    X = batch(4, 3, 8, 8)
    Y = block(X)
    assert Y.shape == (4, 23, 8, 8)
    np.testing.assert_array_equal(Y[:, :3].asnumpy(), X.asnumpy())
    first = block[0](X)
    np.testing.assert_array_equal(Y[:, 3:13].asnumpy(), first.asnumpy())
    np.testing.assert_array_equal(Y[:, 13:].asnumpy(), block[1](mx.nd.concat(X, first, dim=1)).asnumpy())
    halved = transition_block(10)
    halved.initialize()
    assert halved(Y).shape == (4, 10, 4, 4)


@pytest.mark.parametrize(("first", "shape"), [(False, (4, 6, 3, 3)), (True, (4, 6, 6, 6))])
def test_resnet_block_halves_unless_first(first, shape):
    block = resnet_block(6, 2, first)
    block.initialize()
    assert block(batch(4, 6, 6, 6)).shape == shape
    assert [layer.conv3 is None for layer in block] == [first, True]


BLOCKS = {
    "inception": lambda hybrid: inception(4, (3, 5), (2, 6), 7, hybrid=hybrid),
    "dense_block": lambda hybrid: dense_block(3, 4, hybrid=hybrid),
    "transition_block": lambda hybrid: transition_block(4, hybrid=hybrid),
    "resnet_block": lambda hybrid: resnet_block(6, 2, hybrid=hybrid),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_compiled_block_trains_as_the_plain_one(name, tmp_path):
    X = batch(4, 6, 8, 8)
    plain, compiled = BLOCKS[name](False), BLOCKS[name](True)
    plain.initialize(mx.init.Xavier())
    plain(X)
    plain.save_parameters(str(tmp_path / "block.params"))
    compiled.load_parameters(str(tmp_path / "block.params"))
    compiled.hybridize(static_alloc=True, static_shape=True)
    for block in (plain, compiled):
        trainer = gluon.Trainer(list(block.collect_params().values()), "sgd", {"learning_rate": 0.1})
        for _ in range(2):
            with autograd.record():
                loss = (block(X) ** 2).mean()
            loss.backward()
            trainer.step(1)
    for ours, theirs in zip(plain.collect_params().values(), compiled.collect_params().values()):
        np.testing.assert_allclose(theirs.data().asnumpy(), ours.data().asnumpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_take_numpy_arrays(name, hybrid, np_arrays):
    block = BLOCKS[name](hybrid)
    block.initialize()
    if hybrid:
        block.hybridize()
    Y = block(mx.np.ones((2, 6, 8, 8)))
    assert isinstance(Y, mx.np.ndarray)
    assert np.isfinite(Y.asnumpy()).all()


def pair_of_normalisations(shape):
    ours, gluons = BatchNorm(shape[1], len(shape)), nn.BatchNorm()
    for layer in (ours, gluons):
        layer.initialize()
    return ours, gluons


@pytest.mark.parametrize("shape", [(8, 5), (8, 5, 4, 6)])
def test_own_batch_norm_computes_what_gluons_does(shape):
    ours, gluons = pair_of_normalisations(shape)
    for step in range(3):
        X = 3 * batch(*shape) + step
        X.attach_grad()
        outputs, gradients = [], []
        for layer in (ours, gluons):
            with autograd.record():
                Y = layer(X)
                loss = (Y * mx.nd.arange(Y.size).reshape(Y.shape)).sum()
            loss.backward()
            outputs.append(Y.asnumpy())
            gradients.append(
                [X.grad.asnumpy(), layer.gamma.grad().asnumpy().ravel(), layer.beta.grad().asnumpy().ravel()]
            )
        np.testing.assert_allclose(*outputs, rtol=1e-4, atol=1e-4)
        for mine, theirs in zip(*gradients):
            np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-3 * abs(theirs).max())
    np.testing.assert_allclose(
        ours.moving_mean.data().asnumpy().ravel(), gluons.running_mean.data().asnumpy(), rtol=1e-5
    )
    np.testing.assert_allclose(ours.moving_var.data().asnumpy().ravel(), gluons.running_var.data().asnumpy(), rtol=1e-5)
    np.testing.assert_allclose(ours(X).asnumpy(), gluons(X).asnumpy(), rtol=1e-4, atol=1e-5)  # in prediction


def test_own_batch_norm_saves_its_averages(tmp_path):
    ours, _ = pair_of_normalisations((8, 5, 4, 4))
    X = batch(8, 5, 4, 4)
    with autograd.record():
        ours(X)
    ours.save_parameters(str(tmp_path / "norm.params"))
    other = BatchNorm(5, 4)
    other.load_parameters(str(tmp_path / "norm.params"))
    np.testing.assert_array_equal(other(X).asnumpy(), ours(X).asnumpy())


def test_own_batch_norm_on_numpy_arrays(np_arrays):
    layer = BatchNorm(5, 2)
    layer.initialize()
    with autograd.record():
        Y = layer(mx.np.random.uniform(size=(8, 5)))
    assert abs(Y.mean(axis=0)).max() < 1e-5


def test_channels_of_densenets_transitions_by_edition():
    def channels(edition):
        net = gluon_cnn.densenet(edition=edition)
        return [net[number][2]._kwargs["num_filter"] for number in (5, 7, 9)]

    assert (channels("zh-v1"), channels("en")) == ([96, 160, 224], [96, 112, 120])


def test_relus_of_googlenets_second_module_by_edition():
    acts = {e: [layer.act is None for layer in gluon_cnn.googlenet(edition=e)[1][:2]] for e in ("zh-v1", "en")}
    assert acts == {"zh-v1": [True, True], "en": [False, False]}

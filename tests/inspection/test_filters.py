"""Filters, and how much they are like Gabors."""

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn

from gluon_cnn import get_model, get_recipe, lenet, load_run
from gluon_cnn.errors import ModelError
from gluon_cnn.inspection.filters import filter_norms, first_filters
from gluon_cnn.inspection.gabor import compare_with_untrained, fit_gabor, gabor_shares
from gluon_cnn.inspection.untrained import untrained_network
from gluon_cnn.training.initial_weights import initialize_from_seed


def gabor(side, angle, frequency, phase=0.0, width=2.5):
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    u = x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))
    return np.exp(-(x**2 + y**2) / (2 * width**2)) * np.cos(2 * np.pi * frequency * u + phase)


@pytest.mark.parametrize(("angle", "frequency", "phase"), [(0, 0.2, 0), (30, 0.15, 1), (90, 0.25, 2), (135, 0.12, 3)])
def test_gabor_is_recognised(angle, frequency, phase):
    found = fit_gabor(3 * gabor(11, angle, frequency, phase) + 0.5)
    assert found.share > 0.999
    assert found.frequency == pytest.approx(frequency, rel=0.02)
    assert abs((found.angle - angle + 90) % 180 - 90) < 1
    assert found.fitted.shape == (11, 11)


def test_gabor_in_a_corner_is_recognised():
    found = fit_gabor(gabor(21, 30, 0.15, 1)[10:, 10:])
    assert found.share > 0.999
    assert found.centre == pytest.approx((0, 0), abs=0.05)


def test_noise_is_no_gabor():
    shares = gabor_shares(np.random.RandomState(0).randn(10, 1, 11, 11))
    assert shares.max() < 0.35


def test_channels_that_differ_are_not_explained():
    same = np.stack([gabor(11, 30, 0.2), -2 * gabor(11, 30, 0.2), 0.1 * gabor(11, 30, 0.2)])
    differ = np.stack([gabor(11, 0, 0.2), gabor(11, 90, 0.2)])
    assert fit_gabor(same).share > 0.999
    assert fit_gabor(differ).share < 0.7


def test_filters_without_pattern_or_too_small():
    assert fit_gabor(np.zeros((5, 5))).share == 0
    assert fit_gabor(np.full((2, 5, 5), 0.3)).share == 0
    with pytest.raises(ModelError, match="3×3 is too small"):
        fit_gabor(np.ones((1, 3, 3)))
    with pytest.raises(ModelError, match="1×25 is too small"):
        fit_gabor(np.ones((1, 25)))


def test_first_filters_are_sorted_by_strength():
    net = lenet()
    initialize_from_seed(net, 0, (1, 3, 28, 28))
    found, weights = first_filters(net), net[0].weight.data().asnumpy()
    assert found.path == "0"
    assert found.weights.shape == (6, 3, 5, 5)
    assert (np.diff(found.norms) <= 0).all()
    np.testing.assert_array_equal(found.weights, weights[found.channels])
    np.testing.assert_allclose(found.norms, np.linalg.norm(found.weights.reshape(6, -1), axis=1), rtol=1e-5)


def test_norms_of_all_layers():
    net = get_model("resnet18")
    initialize_from_seed(net, 0, (1, 1, 33, 33))
    norms = filter_norms(net)
    assert {path: len(each) for path, each in norms.items() if path[0] in "056"} == {
        "0": 64, "5.0.conv1": 128, "5.0.conv2": 128, "5.0.conv3": 128, "5.1.conv1": 128, "5.1.conv2": 128,
        "6.0.conv1": 256, "6.0.conv2": 256, "6.0.conv3": 256, "6.1.conv1": 256, "6.1.conv2": 256,
    }  # fmt: skip
    expected = np.linalg.norm(net[9].weight.data().asnumpy(), axis=1)
    np.testing.assert_allclose(norms["9"], expected, rtol=1e-5)


def test_network_without_filters_is_refused():
    net = nn.HybridSequential()
    net.add(nn.Dense(2))
    with pytest.raises(ModelError, match="has no convolution"):
        first_filters(net)
    with pytest.raises(ModelError, match="has no values yet"):
        first_filters(lenet())


def test_learned_gabors_stand_out_from_untrained():
    net, untrained = nn.Sequential(), nn.Sequential()
    for network in (net, untrained):
        network.add(nn.Conv2D(8, 9))
        network.initialize(mx.init.Xavier())
        network(mx.nd.zeros((1, 1, 9, 9)))
    weight = untrained[0].weight.data().asnumpy()
    weight[2], weight[5] = gabor(9, 45, 0.2), gabor(9, 120, 0.25)
    net[0].weight.set_data(mx.nd.array(weight))
    found = compare_with_untrained(net, untrained)
    assert sorted(found.filters.channels[found.shares > 0.9]) == [2, 5]
    assert {2, 5} <= set(found.filters.channels[found.oriented])
    assert found.untrained_shares.max() < 0.7


def test_untrained_network_is_what_training_began_with(lenet_run):
    run = load_run(lenet_run)
    net = untrained_network(run.recipe, run.dataset)
    expected = lenet()
    mx.random.seed(0)
    from gluon_cnn import initialize_as_published

    initialize_as_published(expected)
    np.testing.assert_array_equal(first_filters(net).weights, first_filters(expected).weights)
    own = untrained_network(get_recipe("lenet", init="own", seed=3))
    assert not np.array_equal(first_filters(own).weights, first_filters(net).weights)

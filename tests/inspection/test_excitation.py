"""What excites channels: planted patterns, dead channels, and how many classes a channel answers to."""

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn

from gluon_cnn import lenet
from gluon_cnn.errors import DataError, ModelError
from gluon_cnn.inspection.excitation import Excitation, excitation, selectivity
from gluon_cnn.inspection.layers import activations
from gluon_cnn.inspection.receptive import receptive_fields
from gluon_cnn.training.initial_weights import initialize_from_seed


def batches_of(images, labels, size=32):
    return [(images[i : i + size], labels[i : i + size]) for i in range(0, len(images), size)]


@pytest.fixture
def planted():
    """Images of 4 classes in which a bright pixel is planted, and a network of one pixel-wide filters.

    Channel 0 sees brightness, 1 is dead, 2 is never 0 though never above it, 3 sees darkness.
    """
    random = np.random.RandomState(0)
    images = 0.5 * random.rand(100, 1, 9, 9)
    images[[7, 40, 93], 0, [2, 8, 0], [5, 8, 0]] = [3, 2, 4]
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 1), nn.Activation("relu"), nn.MaxPool2D(3))
    net.initialize()
    net(mx.nd.zeros((1, 1, 9, 9)))
    net[0].weight.set_data(mx.nd.array([1, -1, 0, -1]).reshape((4, 1, 1, 1)))
    net[0].bias.set_data(mx.nd.array([0, -1, 0.25, 0.5]))
    net.add(nn.Dense(4))
    net[3].initialize()
    net.hybridize()
    return net, images, np.arange(100) % 4


def test_strongest_images_are_found_with_their_patch(planted):
    net, images, labels = planted
    found, answers = excitation(net, batches_of(images, labels), ["1", "2", "3"])
    np.testing.assert_allclose(answers.logits, net(mx.nd.array(images)).asnumpy(), rtol=1e-4, atol=1e-6)
    assert answers.labels.tolist() == labels.tolist()
    fields = receptive_fields(net, (1, 9, 9), ["1", "2"])
    assert found["1"].images[0, :3].tolist() == [93, 7, 40]
    assert found["1"].positions[0, :3].tolist() == [[0, 0], [2, 5], [8, 8]]
    assert found["2"].positions[0, :3].tolist() == [[0, 0], [0, 1], [2, 2]]
    assert found["1"].labels[0, :3].tolist() == [1, 3, 0]
    np.testing.assert_allclose(found["1"].values[0, :3], [4, 3, 2])
    for path, size in (("1", 1), ("2", 3)):
        for rank, brightest in enumerate((4, 3, 2)):
            patch = fields[path].patch(*found[path].positions[0, rank])
            cut = patch.cut(images[found[path].images[0, rank]])
            assert cut.shape == (1, size, size)
            assert cut.max() == brightest
    assert found["3"].values.shape == (4, 100)
    assert (found["3"].positions == 0).all()


def test_first_of_equal_numbers_is_found(planted):
    net, images, labels = planted
    images[93, 0], images[40, 0] = 0.1, 0.1
    images[93, 0, [2, 5, 5], [7, 3, 7]] = 5  # neither in the first column of them
    images[40, 0, [4, 4], [6, 2]] = 4.5
    images[7, 0, [3, 8], [1, 1]] = 4.2
    found = excitation(net, batches_of(images, labels), ["1"]).layers["1"]
    assert found.images[0, :3].tolist() == [93, 40, 7]
    assert found.positions[0, :3].tolist() == [[2, 7], [4, 2], [3, 1]]
    assert (found.positions[1] == 0).all()  # of a dead channel, which is 0 everywhere


def test_maps_need_not_be_square(planted):
    net, images, labels = planted
    wide = nn.HybridSequential()
    wide.add(*list(net)[:2], nn.GlobalAvgPool2D(), nn.Flatten())
    found = excitation(wide, batches_of(np.concatenate([images, images], axis=3), labels), ["1"]).layers["1"]
    assert found.positions[0, :3].tolist() == [[0, 0], [2, 5], [8, 8]]


def test_dead_channels_are_listed(planted):
    net, images, labels = planted
    found = excitation(net, batches_of(images, labels), ["0", "1", "2"]).layers
    assert found["1"].dead.tolist() == [1]
    assert found["2"].dead.tolist() == [1]
    assert found["0"].dead.tolist() == []  # not after a ReLU: what is below 0 is an answer
    assert np.isnan(selectivity(found["1"])).tolist() == [False, True, False, False]


def test_one_pass_equals_all_at_once(sample):
    net = lenet(hybrid=True)
    initialize_from_seed(net, 0, (1, 1, 28, 28))
    net.hybridize()
    batches = sample(60)[1]
    found = excitation(net, batches, ["0", "3"]).layers
    images = batches.images[:, None] / np.float32(255)
    for path, array in activations(net, images, ["0", "3"]).layers.items():
        one, largest = found[path], array.max(axis=(2, 3))
        order = np.argsort(-largest, axis=0, kind="stable")[:100].T
        np.testing.assert_allclose(one.values, np.take_along_axis(largest.T, order, 1), rtol=1e-5)
        np.testing.assert_allclose(largest[one.images, np.arange(array.shape[1])[:, None]], one.values, rtol=1e-5)
        for channel, rank in np.ndindex(array.shape[1], 9):
            row, column = one.positions[channel, rank]
            there = array[one.images[channel, rank], channel, row, column]
            assert there == pytest.approx(one.values[channel, rank], rel=1e-5)
        assert (one.labels == batches.labels[one.images]).all()
        assert one.class_counts.tolist() == np.bincount(batches.labels).tolist()


def test_batches_are_read_once_and_not_kept(planted):
    net, images, labels = planted
    alive = []

    def batches():
        import gc
        import weakref

        for X, y in batches_of(images, labels, 10):
            X = X.copy()
            alive.append(weakref.ref(X))
            yield X, y
            gc.collect()
            assert sum(one() is not None for one in alive) <= 2

    excitation(net, batches(), ["1"])
    assert len(alive) == 10


def with_labels(labels, counts, dead=()):
    labels = np.asarray(labels)
    nothing = np.zeros((*labels.shape, 2))
    return Excitation(nothing[..., 0], labels, labels, nothing, np.array(dead, int), np.array(counts))


class Twice(nn.HybridBlock):
    """Layers that run several times, whose earlier outputs could be written over, and one with an activation inside."""

    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.conv, self.relu = nn.Conv2D(6, 3, padding=1, activation="tanh"), nn.Activation("relu")
            self.again, self.dense = nn.Conv2D(6, 3, padding=1), nn.Dense(3)

    def hybrid_forward(self, F, x):
        x = self.conv(x)
        first, second = self.relu(x), self.relu(-x)
        return self.dense(self.again(first) - 2 * self.again(second) + first)


@pytest.mark.parametrize("static", [False, True])
def test_compiled_network_is_looked_at_alike(static):
    images = np.random.RandomState(0).rand(60, 1, 12, 12)
    net = Twice()
    net.initialize(mx.init.Xavier(magnitude=3))
    net(mx.nd.array(images[:1]))
    batches, paths = batches_of(images, np.arange(60) % 3, 25), ["conv", "conv.act", "relu", "again", "dense"]
    plain = excitation(net, batches, paths)
    net.hybridize(static_alloc=static, static_shape=static)
    compiled = excitation(net, batches, paths)
    np.testing.assert_array_equal(plain.answers.logits, compiled.answers.logits)
    for path in paths:
        for one, other in zip(plain.layers[path], compiled.layers[path]):
            np.testing.assert_array_equal(one, other)


def test_layer_at_two_paths_is_looked_into():
    shared, net = nn.Conv2D(2, 3, padding=1, activation="relu"), nn.HybridSequential()
    net.add(nn.Conv2D(2, 1), shared, nn.HybridSequential(), nn.Dense(3))
    net[2].add(shared)
    net.initialize()
    X = np.random.RandomState(0).rand(5, 1, 6, 6)
    net(mx.nd.array(X))
    net.hybridize()
    found = excitation(net, [(X, [0, 1, 2, 0, 1])], ["1.act"]).layers["1.act"]
    np.testing.assert_array_equal(
        found.values.max(axis=1), activations(net, X, ["1.act"]).layers["1.act"].max(axis=(0, 2, 3))
    )


def test_selectivity_counts_classes():
    labels = [[0] * 20, [0, 1] * 10, [0, 1, 2, 3] * 5, [0] * 15 + [1] * 5]
    found = selectivity(with_labels(labels, [20, 50, 50, 50]))
    np.testing.assert_allclose(found, [1, 2, 4, 1 / (0.75**2 + 0.25**2)])
    # No more images than the smallest class has, or none could be of one class.
    np.testing.assert_allclose(selectivity(with_labels([[0] * 15 + [1] * 5], [15, 50])), [1])


def test_no_images_and_odd_layers_are_refused(planted):
    net, images, labels = planted
    with pytest.raises(DataError, match="no images"):
        excitation(net, [], ["0"])
    with pytest.raises(ModelError, match="no layer '7'"):
        excitation(net, batches_of(images, labels), ["7"])

    class Flat(nn.Block):
        def forward(self, x):
            return x.reshape((len(x), 3, -1))

    odd = nn.Sequential()
    odd.add(Flat(), nn.Dense(2))
    odd.initialize()
    with pytest.raises(ModelError, match="neither N×C×H×W nor N×C"):
        excitation(odd, batches_of(images, labels), ["0"])

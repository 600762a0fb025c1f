"""The summary: shapes, parameters and multiply-adds, compared with a forward pass and with calculation by hand."""

import gluon_cnn  # before mxnet, which it makes ready

# isort: split
import mxnet as mx
import pytest
from mxnet.gluon import nn

from gluon_cnn import GluonCNNError, get_model, summary


@pytest.mark.parametrize(("name", "options", "giga"), [("nin", {}, 0.76), ("alexnet", {}, 0.94), ("vgg11", {}, 0.51)])
def test_multiply_adds_of_the_books_networks(name, options, giga):
    assert summary(get_model(name, **options), (1, 1, 224, 224)).multiply_adds / 1e9 == pytest.approx(giga, abs=0.005)


def test_a_small_network_by_hand():
    net = nn.Sequential()
    net.add(nn.Conv2D(4, 3, activation="relu"), nn.BatchNorm(), nn.MaxPool2D(2), nn.Dense(5, use_bias=False))
    table = summary(net, (2, 3, 6, 6))
    assert [row.output_shape for row in table.rows] == [(2, 4, 4, 4), (2, 4, 4, 4), (2, 4, 2, 2), (2, 5)]
    assert [row.parameters for row in table.rows] == [4 * 3 * 9 + 4, 8, 0, 16 * 5]
    assert [row.multiply_adds for row in table.rows] == [4 * 4 * 4 * 27, 0, 0, 80]
    assert (table.parameters, table.multiply_adds) == (112 + 8 + 80, 1728 + 80)


def test_table_shows_every_layer_and_the_totals():
    text = str(summary(gluon_cnn.lenet(hybrid=True), (1, 1, 28, 28)))
    assert text.count("Conv2D") == 2
    assert "1×16×4×4" in text
    assert text.splitlines()[-1].split() == ["total", "44,426", "281,640"]


def test_network_is_left_as_it_was():
    net = gluon_cnn.nin()
    summary(net, (1, 1, 224, 224))
    assert not any(layer._forward_hooks for layer in net)
    net.initialize()
    assert net(mx.nd.zeros((1, 3, 96, 96))).shape == (1, 10)  # another number of channels than in the summary


def test_shared_layer_is_counted_once():
    layer = nn.Dense(4)
    net = nn.Sequential()
    net.add(nn.Dense(4), layer, layer)
    assert summary(net, (1, 1, 2, 2)).parameters == 20 + 20


def test_works_on_numpy_arrays(np_arrays):
    assert summary(gluon_cnn.lenet(), (1, 1, 28, 28)).parameters == 44_426


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 1, 10, 10), "16×16 pixels or more"),
        ((28, 28), "a summary needs four sizes"),
        ((0, 1, 28, 28), "1 or more"),
    ],
)
def test_shapes_that_do_not_fit(shape, message):
    with pytest.raises(GluonCNNError, match=message):
        summary(gluon_cnn.lenet(), shape)


def test_too_small_an_input_of_someone_elses_network(capfd):
    net = nn.Sequential()
    net.add(nn.Conv2D(2, 5))
    with pytest.raises(GluonCNNError, match="does not fit at conv"):
        summary(net, (1, 1, 3, 3))


def test_layer_that_computes_on_arrays_is_named():
    class Doubles(nn.Sequential):
        def forward(self, x):
            return super().forward(mx.nd.array(x.asnumpy() * 2))

    net = Doubles()
    net.add(nn.Dense(3))
    with pytest.raises(GluonCNNError, match="cannot be summarised"):
        summary(net, (1, 1, 2, 2))

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


@pytest.mark.parametrize(
    ("name", "options", "trained", "all_of_them"),
    [
        ("googlenet", {}, 5_977_530, 5_977_530),
        ("resnet18", {}, 11_178_378, 11_186_186),
        ("densenet", {}, 982_506, 990_634),
        ("densenet", {"edition": "en"}, 758_226, 764_834),
        ("lenet_bn", {}, 44_878, 45_330),
    ],
)
def test_running_statistics_are_counted_beside(name, options, trained, all_of_them):
    table = summary(get_model(name, **options), (1, 1, 96, 96) if name != "lenet_bn" else (1, 1, 28, 28))
    assert (table.parameters, table.all_parameters) == (trained, all_of_them)
    total = [line.split()[1] for line in str(table).splitlines() if line.split()[0] == "total"]
    assert total == [f"{trained:,}"]
    assert (f"{all_of_them:,} parameters with those that are not trained" in str(table)) == (trained != all_of_them)


def test_frozen_layers_are_not_trained():
    net = network(nn.Dense(5), nn.Dense(2))
    net[0].collect_params().setattr("grad_req", "null")
    table = summary(net, (1, 1, 2, 2))
    assert [(row.parameters, row.untrained) for row in table.rows] == [(0, 25), (12, 0)]
    assert table.all_parameters == 37


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize(
    ("name", "block", "paths"),
    [
        ("googlenet", "2.0", ["0.0", "1.0", "1.1", "2.0", "2.1", "3.0", "3.1"]),
        ("resnet18", "5.0", ["conv1", "bn1", "relu", "conv2", "bn2", "conv3", "relu"]),
        ("densenet", "4", [f"{conv}.{layer}" for conv in range(4) for layer in range(3)]),
    ],
)
def test_rows_of_branches_have_their_paths(name, block, paths, hybrid):
    net = get_model(name, hybrid=hybrid)
    rows = [row for row in summary(net, (1, 1, 96, 96)).rows if row.path.startswith(f"{block}.")]
    assert [row.path for row in rows] == [f"{block}.{path}" for path in paths]
    named = net._collect_params_with_prefix()
    for row in rows:
        if row.parameters:
            assert any(parameter.startswith(f"{row.path}.") for parameter in named)
    assert f"\n{rows[0].path}  " in str(summary(net, (1, 1, 96, 96)))


def test_path_of_a_layer_that_is_shared_or_alone():
    shared = nn.Dense(4, flatten=False)
    assert [row.path for row in summary(network(network(shared), shared), (1, 1, 4, 4)).rows] == ["0.0", "0.0"]
    assert [row.path for row in summary(nn.Dense(4), (1, 1, 4, 4)).rows] == [""]


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


def network(*layers):
    net = nn.HybridSequential()
    net.add(*layers)
    return net


def counts(net, shape):
    return [(row.parameters, row.multiply_adds) for row in summary(net, shape).rows]


@pytest.mark.parametrize("mode", [mx.npx.set_np, mx.npx.reset_np])
def test_layers_that_use_weights_at_other_places(mode):
    """A transposed convolution at the pixels of its input; all in the layout, and for each position, that they have."""
    mode()
    try:
        up = network(nn.Conv2DTranspose(4, 3, strides=2), nn.Conv2DTranspose(6, 2, groups=2, in_channels=4))
        assert counts(up, (2, 3, 5, 5)) == [(112, 3 * 4 * 9 * 25), (54, 4 * 3 * 4 * 11 * 11)]
        last = network(nn.Conv2D(4, 3, layout="NHWC", activation="relu"), nn.Conv2D(2, 1, layout="NHWC"))
        assert counts(last, (2, 5, 5, 3)) == [(112, 4 * 27 * 9), (10, 8 * 9)]
        up = network(nn.Conv2DTranspose(4, 3, strides=2, layout="NHWC"))
        assert counts(up, (2, 5, 5, 3)) == [(112, 3 * 4 * 9 * 25)]
        dense = network(nn.Dense(5, flatten=False), nn.Dense(2))
        assert counts(dense, (2, 3, 4, 7)) == [(40, 5 * 7 * 12), (2 * 60 + 2, 120)]
    finally:
        mx.npx.reset_np()


class Reshapes(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.dense = nn.Dense(3)

    def hybrid_forward(self, F, x):
        return self.dense(x.reshape((-1, 2)))


def test_dense_layer_for_every_row_of_an_image():
    assert counts(Reshapes(), (4, 1, 5, 2)) == [(9, 6 * 5)]


class Mixed(nn.HybridBlock):
    """Two layers, and a product of its own with a parameter in between; two results."""

    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.scale = self.params.get("scale", shape=(4, 4))
            self.convolution, self.dense = nn.Conv2D(4, 1, activation="relu"), nn.Dense(3)

    def hybrid_forward(self, F, x, scale):
        product = F.dot(self.convolution(x), scale)
        return self.dense(product), product


@pytest.mark.parametrize("times", [1, 2])
def test_layers_inside_a_block_of_ones_own(times):
    """Its own product is marked as not counted; a second call has no new parameters."""
    mixed = Mixed()
    net = nn.HybridSequential()
    net.add(mixed)
    rows = [(8, 64), (4 * 4 * 4 * 3 + 3, 4 * 4 * 4 * 3), (16, None)]
    if times == 2:
        net = Twice(mixed)
        rows = rows + [(0, counted) for _, counted in rows]
    table = summary(net, (1, 1, 4, 4))
    assert [(row.parameters, row.multiply_adds) for row in table.rows] == rows
    assert table.multiply_adds == times * (64 + 192)
    assert str(table).splitlines()[-1].endswith(f"  {times * 256} and more")
    assert str(table).count("not counted") == times


class Twice(nn.HybridBlock):
    def __init__(self, block):
        super().__init__()
        self.block = block

    def hybrid_forward(self, F, x):
        return self.block(x)[0], self.block(x)[0]


class Multiplies(nn.HybridBlock):
    """A layer inside, and a product that has no parameters."""

    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.convolution = nn.Conv2D(4, 1)

    def hybrid_forward(self, F, x):
        x = self.convolution(x).reshape((0, 0, -1))
        return F.batch_dot(x, x, transpose_b=True)


class OwnConvolution(nn.Conv2D):
    def hybrid_forward(self, F, x, weight, bias=None):
        once = super().hybrid_forward(F, x, weight, bias)
        return once + F.Convolution(x, weight, no_bias=True, kernel=(1, 1), num_filter=4)


@pytest.mark.parametrize(
    ("net", "rows"),
    [
        (Multiplies(), [("Conv2D", 8, 16), ("batch_dot", 0, None)]),
        (OwnConvolution(4, 1, use_bias=False), [("OwnConvolution", 4, None)]),
        (network(nn.Embedding(5, 3), nn.PReLU()), [("Embedding", 15, 0), ("PReLU", 1, 0)]),
        (
            network(nn.HybridLambda(lambda F, x: F.dot(x, x)), nn.Flatten()),
            [("HybridLambda", 0, None), ("Flatten", 0, 0)],
        ),
    ],
)
def test_products_that_are_not_counted(net, rows):
    shape = (1, 1, 2, 2) if rows[0][0] != "HybridLambda" else (2, 1, 1, 2)
    assert [(row.kind, row.parameters, row.multiply_adds) for row in summary(net, shape).rows] == rows


def test_recurrent_layer_is_marked():
    net = network(nn.HybridLambda(lambda F, x: x.reshape((0, 0, -1))), mx.gluon.rnn.LSTM(4, input_size=4))
    assert counts(net, (1, 2, 2, 2)) == [(0, 0), (16 * 8 + 32, None)]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 1, 60_000, 60_000), r"at the input \(3,600,000,000 numbers of an image"),
        ((1, 1, 32_768, 65_536), r"at the input \(2,147,483,648 numbers of an image"),
        ((1, 1, 30_000, 30_000), "at conv"),
        ((1, 1, 2**31, 28), r"below 2\^31"),
        ((1, 1, 10**400, 28), r"below 2\^31"),
        ((1, 1, 28.0, 28), "1 or more"),
    ],
)
def test_sizes_that_mxnet_cannot_count(shape, message):
    with pytest.raises(GluonCNNError, match=message):
        summary(gluon_cnn.lenet(), shape)


def test_sizes_between_the_layers_that_mxnet_cannot_count():
    net = network(nn.HybridLambda(lambda F, x: F.mean(F.tile(x, (1, 1, 50_000, 50_000)), axis=(2, 3))))
    with pytest.raises(GluonCNNError, match="2,500,000,000 numbers of an image"):
        summary(net, (1, 1, 1, 1))


def test_many_large_images_are_counted():
    table = summary(get_model("vgg11"), (2**20, 1, 224, 224))
    assert table.multiply_adds == summary(get_model("vgg11"), (1, 1, 224, 224)).multiply_adds
    wide = network(nn.Dense(2**17))
    assert counts(wide, (1, 1, 2**8, 2**8)) == [(2**33 + 2**17, 2**33)]

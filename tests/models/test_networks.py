"""The networks: parameter counts, the shapes that the book prints, and their variants."""

import math

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn

import gluon_cnn
from gluon_cnn import GluonCNNError, get_model, list_models, nin_block, vgg_block

PARAMETERS = [
    ("lenet", {}, 28, 44_426),
    ("lenet", {"edition": "en"}, 28, 61_706),
    ("alexnet", {}, 224, 46_764_746),
    ("alexnet", {"padding": 1}, 224, 46_764_746),
    ("vgg11", {}, 224, 128_806_154),
    ("vgg11", {"ratio": 4}, 224, 43_093_322),
    ("nin", {}, 224, 1_992_166),
    ("nin", {"num_mlp_layers": 1}, 224, 1_769_112),
    ("nin", {"final_relu": False}, 224, 1_992_166),
]


def count_parameters(net):
    return sum(math.prod(parameter.shape) for parameter in net.collect_params().values())


@pytest.mark.parametrize(("name", "options", "side", "expected"), PARAMETERS)
def test_parameter_count(name, options, side, expected):
    net = get_model(name, **options)
    net.initialize()
    net(mx.nd.zeros((1, 1, side, side)))
    assert count_parameters(net) == expected


SHAPES = {
    "lenet": [(6, 24, 24), (6, 12, 12), (16, 8, 8), (16, 4, 4), (120,), (84,), (10,)],
    "alexnet": [
        (96, 54, 54), (96, 26, 26), (256, 26, 26), (256, 12, 12), (384, 12, 12), (384, 12, 12), (256, 12, 12),
        (256, 5, 5), (4096,), (4096,), (4096,), (4096,), (10,),
    ],
    "vgg11": [
        (64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7),
        (4096,), (4096,), (4096,), (4096,), (10,),
    ],
    "nin": [
        (96, 54, 54), (96, 26, 26), (256, 26, 26), (256, 12, 12), (384, 12, 12), (384, 5, 5), (384, 5, 5),
        (10, 5, 5), (10, 1, 1), (10,),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_books_loop_prints_the_books_shapes(name, capsys):
    net = get_model(name)
    net.initialize()
    side = 28 if name == "lenet" else 224
    X = mx.nd.random.uniform(shape=(1, 1, side, side))
    for layer in net:
        X = layer(X)
        print(layer.name, "output shape:\t", X.shape)
    printed = [line.split("\t ")[1] for line in capsys.readouterr().out.splitlines()]
    assert printed == [str((1, *shape)) for shape in SHAPES[name]]


def test_english_lenet_keeps_the_size_and_averages(images):
    net = gluon_cnn.lenet(edition="en")
    net.initialize()
    assert net[0](images).shape == (64, 6, 28, 28)
    assert isinstance(net[1], nn.AvgPool2D)


@pytest.mark.parametrize("name", SHAPES)
def test_hybrid_network_takes_the_same_parameter_file_and_gives_the_same_logits(name, images, tmp_path):
    X = images[:4] if name == "lenet" else mx.nd.contrib.BilinearResize2D(images[:4], height=96, width=96)
    net, hybrid = get_model(name), get_model(name, hybrid=True)
    assert isinstance(net, nn.Sequential)
    assert isinstance(hybrid, nn.HybridSequential)
    net.initialize(mx.init.Xavier())
    logits = net(X).asnumpy()
    net.save_parameters(str(tmp_path / "net.params"))
    hybrid.load_parameters(str(tmp_path / "net.params"))
    hybrid.hybridize()
    np.testing.assert_allclose(hybrid(X).asnumpy(), logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("name", SHAPES)
def test_too_small_an_image_is_refused_with_the_smallest_size_which_works(name, hybrid):
    smallest = {"lenet": 16, "alexnet": 67, "vgg11": 32, "nin": 67}[name]
    net = get_model(name, hybrid=hybrid)
    net.initialize()
    if hybrid:
        net.hybridize()
    with pytest.raises(GluonCNNError, match=f"{smallest}×{smallest} pixels or more, not {smallest}×{smallest - 1}"):
        net(mx.nd.zeros((1, 1, smallest, smallest - 1)))
    assert net(mx.nd.zeros((1, 1, smallest, smallest))).shape == (1, 10)


def test_input_that_is_no_batch_of_images_is_refused():
    net = gluon_cnn.nin()
    net.initialize()
    with pytest.raises(GluonCNNError, match="N×C×H×W"):
        net(mx.nd.zeros((224, 224)))


@pytest.mark.parametrize("channels", [1, 3, 7])
def test_any_number_of_channels_and_classes(channels):
    for name in list_models():
        net = get_model(name, num_classes=3)
        net.initialize()
        assert net(mx.nd.zeros((2, channels, 80, 72))).shape == (2, 3)


def test_nin_block_inside_someone_elses_hybrid_network_compiles_and_exports(images, tmp_path):
    net = nn.HybridSequential()
    net.add(nin_block(8, 5, strides=2, padding=2, hybrid=True), vgg_block(1, 4, hybrid=True), nn.Dense(3))
    net.initialize()
    before = net(images).asnumpy()
    net.hybridize()
    np.testing.assert_allclose(net(images).asnumpy(), before, rtol=1e-4, atol=1e-6)
    net.export(str(tmp_path / "net"))
    assert (tmp_path / "net-symbol.json").exists()


def test_nin_blocks_options():
    assert [len(nin_block(8, 3, 1, 1, num_mlp_layers=n)) for n in (0, 1, 2)] == [1, 2, 3]
    assert nin_block(8, 3, 1, 1)[-1].act is not None
    assert nin_block(8, 3, 1, 1, final_relu=False)[-1].act is None
    assert nin_block(8, 3, 1, 1, final_relu=False)[0].act is not None


def test_final_relu_decides_whether_logits_can_be_negative(images):
    X = mx.nd.contrib.BilinearResize2D(images, height=67, width=67)
    smallest = {}
    for final_relu in (True, False):
        net = gluon_cnn.nin(final_relu=final_relu)
        net.initialize(mx.init.Xavier())
        smallest[final_relu] = net(X).min().asscalar()
    assert smallest[True] >= 0 > smallest[False]


def test_networks_run_on_numpy_arrays(np_arrays):
    for hybrid in (False, True):
        net = gluon_cnn.lenet(hybrid=hybrid)
        net.initialize()
        logits = net(mx.np.zeros((2, 1, 28, 28)))
        assert isinstance(logits, mx.np.ndarray)
        assert logits.shape == (2, 10)


def test_get_model_knows_names_in_any_case_and_the_books_vgg():
    assert list_models() == ["alexnet", "lenet", "nin", "vgg11"]
    assert len(get_model("NiN")) == len(get_model("nin"))
    assert len(get_model("vgg")) == len(get_model("vgg11"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: get_model("resnet"), "'resnet'; use one of alexnet, lenet, nin, vgg11"),
        (lambda: get_model("nin", ratio=4), "nin has no argument ratio"),
        (lambda: gluon_cnn.lenet(edition="fr"), "use one of zh-v1, en"),
        (lambda: gluon_cnn.vgg11(ratio=0), "use 1 to 64"),
    ],
)
def test_wrong_names_and_options(call, message):
    with pytest.raises(GluonCNNError, match=message):
        call()

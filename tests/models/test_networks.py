"""The networks: parameter counts, the shapes that the book prints, and their variants."""

import gluon_cnn  # before mxnet, which it makes ready

# isort: split
import math

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn

from gluon_cnn import GluonCNNError, get_model, get_recipe, list_models, nin_block, summary, vgg_block
from gluon_cnn.data import FASHION_MNIST
from gluon_cnn.models import find_network
from gluon_cnn.models.parameters import named_parameters
from gluon_cnn.training.run import load_run
from gluon_cnn.training.setup import build_network

PARAMETERS = [
    ("lenet", {}, 28, 44_426),
    ("lenet", {"edition": "en"}, 28, 61_706),
    ("alexnet", {}, 224, 46_764_746),
    ("alexnet", {"padding": 1}, 224, 46_764_746),
    ("vgg11", {}, 224, 43_093_322),
    ("vgg11", {"ratio": 1}, 224, 128_806_154),
    ("nin", {}, 224, 1_992_166),
    ("nin", {"num_mlp_layers": 1}, 224, 1_769_112),
    ("nin", {"final_relu": False}, 224, 1_992_166),
    ("googlenet", {}, 96, 5_977_530),
    ("resnet18", {}, 96, 11_186_186),  # with the running means and variances, as for DenseNet
    ("densenet", {}, 96, 990_634),
    ("densenet", {"edition": "en"}, 96, 764_834),
    ("lenet_bn", {}, 28, 45_330),
]


@pytest.mark.parametrize(("name", "options", "side", "expected"), PARAMETERS)
def test_parameter_count(name, options, side, expected):
    shapes = shapes_of(get_model(name, hybrid=True, **options), side)
    assert sum(math.prod(shape) for shape in shapes.values()) == expected


def shapes_of(net, side):
    """The shape of each parameter, for images of a size, without memory for its values."""
    net.infer_shape(mx.nd.zeros((1, 1, side, side)))
    return {name: parameter.shape for name, parameter in named_parameters(net).items()}


@pytest.mark.parametrize("edition", ["zh-v1", "en", "adam"])
@pytest.mark.parametrize("name", list_models())
def test_get_model_builds_the_network_recipes_train(name, edition):
    recipe = get_recipe(name, edition)
    options = {"edition": edition} if name in ("lenet", "lenet_bn", "googlenet", "densenet") else {}
    if name == "alexnet2012":
        options["num_classes"] = 10  # its own are ImageNet's
    trained = shapes_of(build_network(recipe, FASHION_MNIST, hybrid=True), recipe.side)
    assert shapes_of(get_model(name, hybrid=True, **options), recipe.side) == trained


def test_get_model_loads_what_a_run_trained(lenet_run, images):
    run, net = load_run(lenet_run), get_model("lenet")
    net.load_parameters(str(run.checkpoint() / "net.params"))
    np.testing.assert_allclose(net(images).asnumpy(), run.network(mx.cpu())(images).asnumpy(), rtol=1e-5, atol=1e-6)


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
    "googlenet": [(64, 24, 24), (192, 12, 12), (480, 6, 6), (832, 3, 3), (1024, 1, 1), (10,)],
    "resnet18": [
        (64, 112, 112), (64, 112, 112), (64, 112, 112), (64, 56, 56), (64, 56, 56), (128, 28, 28), (256, 14, 14),
        (512, 7, 7), (512, 1, 1), (10,),
    ],
    "densenet": [
        (64, 48, 48), (64, 48, 48), (64, 48, 48), (64, 24, 24), (192, 24, 24), (96, 12, 12), (224, 12, 12), (160, 6, 6),
        (288, 6, 6), (224, 3, 3), (352, 3, 3), (352, 3, 3), (352, 3, 3), (352, 1, 1), (10,),
    ],
    "lenet_bn": [
        (6, 24, 24), (6, 24, 24), (6, 24, 24), (6, 12, 12), (16, 8, 8), (16, 8, 8), (16, 8, 8), (16, 4, 4),
        (120,), (120,), (120,), (84,), (84,), (84,), (10,),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_books_loop_prints_the_books_shapes(name, capsys):
    net = get_model(name, **({"ratio": 1} if name == "vgg11" else {}))  # the book prints the paper's VGG-11
    net.initialize(mx.init.Zero())  # to draw 128 million random numbers takes a while
    side = 224 if name == "resnet18" else find_network(name).side  # as its notebook shows it
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
def test_hybrid_network_loads_the_file_and_agrees(name, images, tmp_path):
    X = images[:4] if name.startswith("lenet") else mx.nd.contrib.BilinearResize2D(images[:4], height=96, width=96)
    net, hybrid = get_model(name), get_model(name, hybrid=True)
    assert isinstance(net, nn.Sequential)
    assert isinstance(hybrid, nn.HybridSequential)
    net.initialize(mx.init.Xavier())
    logits = net(X).asnumpy()
    net.save_parameters(str(tmp_path / "net.params"))
    hybrid.load_parameters(str(tmp_path / "net.params"))
    hybrid.hybridize()
    np.testing.assert_allclose(hybrid(X).asnumpy(), logits, rtol=1e-4, atol=1e-5)


SMALLEST = {"lenet": 16, "lenet_bn": 16, "alexnet": 67, "vgg11": 32, "nin": 67, "densenet": 29}


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("name", SMALLEST)
def test_too_small_images_are_refused_with_smallest_size(name, hybrid):
    smallest = SMALLEST[name]
    net = get_model(name, hybrid=hybrid)
    net.initialize(mx.init.Zero())
    if hybrid:
        net.hybridize()
    with pytest.raises(GluonCNNError, match=f"{smallest}×{smallest} pixels or more, not {smallest}×{smallest - 1}"):
        net(mx.nd.zeros((1, 1, smallest, smallest - 1)))
    assert net(mx.nd.zeros((1, 1, smallest, smallest))).shape == (1, 10)


@pytest.mark.parametrize("name", ["googlenet", "resnet18"])
def test_padded_networks_take_images_of_one_pixel(name):
    net = get_model(name)
    net.initialize(mx.init.Zero())
    assert net(mx.nd.zeros((1, 1, 1, 1))).shape == (1, 10)


def test_input_that_is_no_batch_is_refused():
    net = gluon_cnn.nin()
    net.initialize()
    with pytest.raises(GluonCNNError, match="N×C×H×W"):
        net(mx.nd.zeros((224, 224)))


@pytest.mark.parametrize("channels", [1, 3, 7])
def test_any_number_of_channels_and_classes(channels):
    for name in list_models():
        net = get_model(name, num_classes=3)
        assert summary(net, (2, channels, 80, 72)).rows[-1].output_shape == (2, 3)


def test_blocks_in_another_network_compile_and_export(images, tmp_path):
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


def test_names_in_any_case_and_the_books_vgg():
    book = ["alexnet", "densenet", "googlenet", "lenet", "lenet_bn", "nin", "resnet18", "vgg11"]
    assert list_models() == sorted([*book, "alexnet2012", "nin2013"])
    assert len(get_model("NiN")) == len(get_model("nin"))
    assert len(get_model("vgg")) == len(get_model("vgg11"))
    assert len(get_model("resnet")) == len(get_model("ResNet18"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: get_model("vit"),
            "'vit'; use one of alexnet, alexnet2012, densenet, googlenet, lenet, lenet_bn, nin, nin2013, resnet18, ",
        ),
        (
            lambda: get_model("nin", ratio=4),
            "nin has no option ratio; it has num_classes, num_mlp_layers, final_relu",
        ),
        (lambda: gluon_cnn.lenet(edition="fr"), "must be one of zh-v1, en"),
        (lambda: gluon_cnn.densenet(edition="fr"), "must be one of zh-v1, en"),
        (lambda: gluon_cnn.inception(64, 96, (16, 32), 32), "c2 is 96; it must be two whole numbers"),
        (lambda: gluon_cnn.inception(64, (96, 0), (16, 32), 32), r"c2 is 0; it must be a whole number"),
        (lambda: gluon_cnn.dense_block(-1, 32), "num_convs is -1"),
        (lambda: gluon_cnn.transition_block(1.5), "num_channels is 1.5"),
        (lambda: gluon_cnn.BatchNorm(6, 3), "num_dims is 3; it must be one of 2, 4"),
        (lambda: gluon_cnn.vgg11(ratio=0), "ratio is 0; it must be a whole number of 1 or more"),
    ],
)
def test_wrong_names_and_options(call, message):
    with pytest.raises(GluonCNNError, match=message):
        call()

"""Grad-CAM and occlusion: against Captum's on the translated network, and what they say of a planted truth."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from mxnet.gluon import nn

from gluon_cnn import get_model, lenet
from gluon_cnn.errors import ModelError, SettingError
from gluon_cnn.inspection.attribution import grad_cam, last_convolution, occlusion
from gluon_cnn.models.sequential import layers_of
from gluon_cnn.training.initial_weights import initialize_from_seed

#: name: options, side, the layer's path (None for the last convolution) and its place in the PyTorch network
CASES = [
    ("lenet", {}, 28, None, "4"),
    ("lenet", {}, 28, "0", "1"),
    ("lenet_bn", {}, 28, "4", "4"),
    ("vgg11", {"ratio": 16}, 32, "2.1", "2.3"),
    ("nin", {"final_relu": False}, 131, "7.0", "7.1"),
    ("nin", {"final_relu": False}, 131, None, "7.4"),
]


@pytest.fixture(scope="module")
def captum():
    pytest.importorskip("torch")
    return pytest.importorskip("captum.attr")


def pair(name, options, side):
    """A network with Xavier's weights, real-sized running statistics, and its translation to PyTorch."""
    from gluon_cnn.interop.torch import torch_network

    net = get_model(name, hybrid=True, **options)
    initialize_from_seed(net, 0, (1, 1, side, side))
    if name == "lenet":
        for layer in layers_of(net):  # or its sigmoids leave little of a difference
            if hasattr(layer, "weight"):
                layer.weight.set_data(layer.weight.data() * 4)
    for layer in layers_of(net):
        if isinstance(layer, nn.BatchNorm):
            layer.running_mean.set_data(mx.nd.random.uniform(shape=layer.running_mean.shape))
            layer.running_var.set_data(mx.nd.random.uniform(0.5, 2, shape=layer.running_var.shape))
    net.hybridize(static_alloc=True, static_shape=True)
    return net, torch_network(net).eval()


def of_captum(found, expected, atol):
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol * np.abs(expected).max())


@pytest.mark.parametrize(("name", "options", "side", "path", "module"), CASES)
def test_grad_cam_equals_captums(captum, sample, name, options, side, path, module):
    import torch

    net, other = pair(name, options, side)
    X, _ = next(iter(sample(4, side if side != 28 else None)[1]))
    batch = torch.from_numpy(X.asnumpy())
    for classes in (None, 3, [1, 2, 3, 4]):
        found = grad_cam(net, X, path, classes)
        explain = captum.LayerGradCam(other, other.get_submodule(module))
        target = torch.from_numpy(found.classes)
        expected = explain.attribute(batch, target=target)[:, 0].detach().numpy()
        of_captum(found.signed, expected, 1e-5)
        positive = explain.attribute(batch, target=target, relu_attributions=True)[:, 0].detach().numpy()
        assert found.maps.min() >= 0
        np.testing.assert_allclose(found.maps, positive, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert found.classes.tolist() == [1, 2, 3, 4]
    assert grad_cam(net, X, path).classes.tolist() == other(batch).argmax(1).tolist()


@pytest.mark.parametrize(("window", "stride", "fill"), [(5, 2, 0.0), ((9, 4), (4, 3), 0.5), (28, 1, 1), (7, 7, -1)])
def test_occlusion_equals_captums(captum, images, window, stride, fill):
    import torch

    net, other = pair("lenet", {}, 28)
    net.cast("float64")  # a drop is the small difference of two logits, so that float32 rounds it at the fifth digit
    X = images[:3]
    found = occlusion(net, X, [0, 5, 9], window=window, stride=stride, fill=fill, batch_size=50)
    both = [(n, n) if isinstance(n, int) else n for n in (window, stride)]
    expected = captum.Occlusion(other.double()).attribute(
        torch.from_numpy(X.asnumpy()).double(),
        sliding_window_shapes=(1, *both[0]),
        strides=(1, *both[1]),
        baselines=fill,
        target=torch.tensor([0, 5, 9]),
    )
    of_captum(found.maps, expected[:, 0].numpy(), 1e-5)


@pytest.fixture(scope="module")
def corner():
    """A network that is trained to tell whether the pixel in the lower right corner is lit, and images where it is."""
    mx.random.seed(0)
    random = np.random.RandomState(0)
    images = 0.3 * random.rand(256, 1, 12, 12).astype("float32")
    labels = random.randint(0, 2, 256)
    images[:, 0, 11, 11] = labels
    net = nn.HybridSequential()
    net.add(nn.Conv2D(8, 3, activation="relu"), nn.GlobalMaxPool2D(), nn.Dense(2))
    net.initialize(mx.init.Xavier())
    net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.02})
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    X, y = mx.nd.array(images), mx.nd.array(labels)
    for _ in range(60):
        with mx.autograd.record():
            wrong = loss(net(X), y)
        wrong.backward()
        trainer.step(256)
    assert (net(X).asnumpy().argmax(axis=1) == labels).mean() > 0.97
    return net, images[labels == 1][:20]


def test_network_of_one_corner_is_explained_by_it(corner):
    net, lit = corner
    hidden = occlusion(net, lit, 1, window=1, stride=1).maps.mean(axis=0)
    assert np.unravel_index(hidden.argmax(), hidden.shape) == (11, 11)
    assert hidden[11, 11] > 5 * np.sort(hidden.ravel())[-2]
    maps = grad_cam(net, lit, classes=1).maps.mean(axis=0)
    assert np.unravel_index(maps.argmax(), maps.shape) == (9, 9)


def test_last_convolution_is_found():
    assert last_convolution(lenet()) == "2"
    assert last_convolution(get_model("resnet18")) == "7.1.conv2"
    net = nn.Sequential()
    net.add(nn.Dense(2))
    with pytest.raises(ModelError, match="has no convolution"):
        last_convolution(net)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 29}, "window is .*larger than the images, 28×28"),
        ({"window": 3, "stride": 4}, "pixels between two windows would not be hidden"),
        ({"window": 0}, "window is 0"),
        ({"stride": "a"}, "stride is 'a'"),
        ({"fill": float("nan")}, "fill is nan"),
        ({"fill": "black"}, "fill is 'black'"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_occlusion_refuses_settings(images, settings, message):
    net = lenet()
    initialize_from_seed(net, 0, (1, 1, 28, 28))
    with pytest.raises(SettingError, match=message):
        occlusion(net, images[:1], **settings)


def test_grad_cam_needs_maps(images):
    net = lenet()
    initialize_from_seed(net, 0, (1, 1, 28, 28))
    with pytest.raises(ModelError, match="The layer 4 of LeNet gives 1×120 and no maps"):
        grad_cam(net, images[:1], "4")

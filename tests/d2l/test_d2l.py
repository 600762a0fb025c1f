"""The book's helpers under the book's names: signatures, results, and cells that use them."""

import inspect

import matplotlib
import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from mxnet.gluon import nn

import gluon_cnn
from gluon_cnn import GluonCNNError, d2l
from gluon_cnn.data import SAMPLE

#: Names and arguments as the book's chapters call them.
SIGNATURES = {
    "Accumulator": "n",
    "Benchmark": "description prefix",
    "Classifier": "plot_train_per_epoch plot_valid_per_epoch",
    "DataModule": "root num_workers",
    "FashionMNIST": "batch_size resize",
    "LeNet": "lr num_classes",
    "LinearRegression": "lr",
    "LinearRegressionScratch": "num_inputs lr sigma",
    "Module": "plot_train_per_epoch plot_valid_per_epoch",
    "ProgressBoard": "xlabel ylabel xlim ylim xscale yscale ls colors fig axes figsize display",
    "ResNeXtBlock": "num_channels groups bot_mul use_1x1conv strides",
    "Residual": "num_channels use_1x1conv strides",
    "SGD": "params lr",
    "SoftmaxRegression": "num_outputs lr",
    "SyntheticRegressionData": "w b noise num_train num_val batch_size",
    "Trainer": "max_epochs num_gpus gradient_clip_val",
    "accuracy": "y_hat y",
    "add_to_class": "Class",
    "corr2d": "X K",
    "evaluate_accuracy": "data_iter net ctx",
    "evaluate_accuracy_gpu": "net data_iter device",
    "evaluate_accuracy_gpus": "net data_iter split_f",
    "evaluate_loss": "net data_iter loss",
    "get_dataloader_workers": "",
    "get_fashion_mnist_labels": "labels",
    "init_cnn": "module",
    "linreg": "X w b",
    "load_array": "data_arrays batch_size is_train",
    "load_data_fashion_mnist": "batch_size resize root",
    "nin_block": "num_channels kernel_size strides padding",
    "plot": "X Y xlabel ylabel legend xlim ylim xscale yscale fmts figsize axes",
    "predict_ch3": "net test_iter n",
    "resnet18": "num_classes",
    "semilogy": "x_vals y_vals x_label y_label x2_vals y2_vals legend figsize",
    "set_axes": "axes xlabel ylabel xlim ylim xscale yscale legend",
    "set_figsize": "figsize",
    "sgd": "params lr batch_size",
    "show_fashion_mnist": "images labels",
    "show_images": "imgs num_rows num_cols titles scale",
    "split_batch": "X y devices",
    "squared_loss": "y_hat y",
    "synthetic_data": "w b num_examples",
    "train": "train_iter test_iter net loss trainer ctx num_epochs",
    "train_batch_ch13": "net features labels loss trainer devices split_f",
    "train_ch13": "net train_iter test_iter loss trainer num_epochs devices split_f",
    "train_ch3": "net train_iter test_iter loss num_epochs batch_size params lr trainer",
    "train_ch5": "net train_iter test_iter batch_size trainer ctx num_epochs",
    "train_ch6": "net train_iter test_iter num_epochs lr device",
    "train_epoch_ch3": "net train_iter loss updater",
    "try_all_gpus": "",
    "try_gpu": "",
    "use_svg_display": "",
    "vgg_block": "num_convs num_channels",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_arguments_are_the_books(name):
    function = getattr(d2l, name)
    assert function is getattr(gluon_cnn, name)
    parameters = inspect.signature(function).parameters.values()
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional[: len(SIGNATURES[name].split())] == SIGNATURES[name].split()
    optional = positional[len(SIGNATURES[name].split()) :]
    assert all(
        inspect.signature(function).parameters[extra].default is not inspect.Parameter.empty for extra in optional
    )


def test_all_names_are_there_in_both_ways():
    assert set(d2l.__all__) == {*gluon_cnn.__all__, "Trainer"} >= {*SIGNATURES, "Animator", "Timer", "benchmark", "plt"}
    assert "Trainer" not in gluon_cnn.__all__  # which is also Gluon's
    assert all(hasattr(d2l, name) for name in d2l.__all__)


@pytest.mark.parametrize("array", [mx.nd.array, np.array])
def test_corr2d_of_the_books_example(array):
    Y = d2l.corr2d(array([[0, 1, 2], [3, 4, 5], [6, 7, 8]]), array([[0, 1], [2, 3]]))
    assert (Y.asnumpy() if hasattr(Y, "asnumpy") else Y).tolist() == [[19, 25], [37, 43]]


def test_corr2d_and_its_gradient_match_convolution(images):
    X, K = images[0, 0], mx.nd.random.normal(shape=(3, 2))
    K.attach_grad()
    with autograd.record():
        Y = d2l.corr2d(X, K)
    Y.backward()
    W = K.reshape((1, 1, 3, 2))
    W.attach_grad()
    with autograd.record():
        expected = mx.nd.Convolution(X.reshape((1, 1, 28, 28)), W, kernel=(3, 2), num_filter=1, no_bias=True)
    expected.backward()
    assert abs(Y - expected[0, 0]).max().asscalar() < 1e-5
    assert abs(K.grad - W.grad[0, 0]).max().asscalar() < 1e-2  # a sum of 700 numbers
    with pytest.raises(GluonCNNError, match="3×2, is larger than the image, 2×2"):
        d2l.corr2d(mx.nd.zeros((2, 2)), K)


@pytest.mark.parametrize(
    ("arguments", "shape"), [((3,), (4, 3, 6, 6)), ((6, True, 2), (4, 6, 3, 3)), ((5, True), (4, 5, 6, 6))]
)
def test_residual_has_the_books_shapes(arguments, shape):
    block = d2l.Residual(*arguments)
    block.initialize()
    assert block(mx.nd.random.uniform(shape=(4, 3, 6, 6))).shape == shape


def test_residual_adds_what_came_in():
    block = d2l.Residual(3)
    block.initialize(mx.init.Zero())
    X = mx.nd.random.normal(shape=(4, 3, 6, 6))
    assert (block(X) == X.relu()).asnumpy().all()


@pytest.mark.parametrize("hybrid", [False, True])
def test_resnet18(images, hybrid):
    net = d2l.resnet18(10, hybrid=hybrid)
    net.initialize(mx.init.Xavier())
    logits = net(images[:4])
    assert logits.shape == (4, 10)
    # Of the chapter's network, counted by hand: convolutions with biases, batch normalisations, the dense layer.
    widths, total, last = (64, 128, 256, 512), 64 * 9 + 64 + 4 * 64, 64
    for width in widths:
        total += (last + 3 * width) * width * 9 + 4 * width + 4 * 4 * width
        total += last * width + width if width != last else 0
        last = width
    total += 512 * 10 + 10
    assert sum(parameter.data().size for parameter in net.collect_params().values()) == total
    if hybrid:
        net.hybridize()
        assert abs(net(images[:4]) - logits).max().asscalar() < 1e-5


def test_train_on_two_devices_with_own_loss(capsys):
    ctx = [mx.cpu(0), mx.cpu(1)]
    train_iter, test_iter = d2l.load_data_fashion_mnist(64, root=SAMPLE, train_size=512, test_size=100, seed=0)
    net = nn.Sequential()
    net.add(nn.Dense(64, activation="relu"), nn.Dense(10))
    net.initialize(mx.init.Xavier(), ctx=ctx)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    history = d2l.train(train_iter, test_iter, net, lambda y_hat, y: 2 * loss(y_hat, y), trainer, ctx, num_epochs=3)
    assert history[-1].train_loss < history[0].train_loss
    assert history[0].train_loss == pytest.approx(2 * 2.1, abs=0.6)
    assert history[-1].test_acc > 0.5
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"training on {ctx}"
    assert [line.split(",")[0] for line in lines[1:]] == ["epoch 1", "epoch 2", "epoch 3"]
    accuracy = d2l.evaluate_accuracy(test_iter, net, ctx)
    assert accuracy == d2l.evaluate_accuracy(net, test_iter) == d2l.evaluate_accuracy_gpu(net, test_iter)
    assert accuracy == history[-1].test_acc


def test_animator_prints_where_there_is_no_notebook(capsys):
    animator = d2l.Animator(xlabel="epoch", xlim=[1, 10], legend=["train loss", "train acc", "test acc"])
    animator.add(0.5, (2.25, 0.1, None))
    animator.add(1, (None, None, mx.nd.array([0.25]).asscalar()))
    animator.add(2, 1)
    assert capsys.readouterr().out.splitlines() == [
        "epoch 0.5: train loss 2.2500, train acc 0.1000",
        "epoch 1: test acc 0.2500",
        "epoch 2: train loss 1.0000",
    ]
    assert animator.X == [[0.5, 2], [0.5], [1]]
    assert animator.Y == [[2.25, 1.0], [0.1], [0.25]]


def test_images_in_a_grid(images):
    matplotlib.use("Agg")
    d2l.use_svg_display()
    d2l.set_figsize((4, 3))
    from matplotlib import pyplot

    assert pyplot.rcParams["figure.figsize"] == [4, 3]
    axes = d2l.show_images(images[:5, 0], 2, 3, titles=list("abcde"), scale=2)
    assert [axis.get_title() for axis in axes] == ["a", "b", "c", "d", "e", ""]
    assert [len(axis.images) for axis in axes] == [1, 1, 1, 1, 1, 0]
    assert axes[0].figure.get_size_inches().tolist() == [6, 4]
    pyplot.close("all")

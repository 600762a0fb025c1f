"""The orders of arguments of several editions, told apart by what is given."""

import matplotlib
import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from mxnet.gluon import nn

from gluon_cnn import GluonCNNError, evaluate_accuracy_gpu, sgd, show_images, train_ch3, train_ch5, train_ch6
from gluon_cnn.errors import SettingError

CPU = mx.cpu()
SOFTMAX = gluon.loss.SoftmaxCrossEntropyLoss()


def batches():
    stream = np.random.RandomState(0)
    return [(mx.nd.array(stream.rand(4, 1, 6, 6)), mx.nd.array(stream.randint(0, 3, 4))) for _ in range(3)]


def network():
    net = nn.Dense(3)
    net.initialize(mx.init.Constant(0.01))
    net(mx.nd.zeros((1, 1, 6, 6)))
    return net


def trainer_of(net, lr=0.5):
    return gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": lr})


def twice(y_hat, y):
    return 2 * SOFTMAX(y_hat, y)


@pytest.mark.parametrize(
    ("arguments", "factor"),
    [
        (lambda trainer: ((4, trainer, CPU, 1), {}), 1),
        (lambda trainer: ((4, trainer, [CPU]), {"num_epochs": 1}), 1),
        (lambda trainer: ((), {"batch_size": 4, "trainer": trainer, "ctx": CPU, "num_epochs": 1}), 1),
        (lambda trainer: ((SOFTMAX, 4, trainer, CPU, 1), {}), 1),
        (lambda trainer: ((twice, 4, trainer, CPU, 1), {}), 2),
        (lambda trainer: ((twice, 4), {"trainer": trainer, "ctx": CPU, "num_epochs": 1}), 2),
        (lambda trainer: ((4, trainer, CPU, 1), {"loss": twice}), 2),
    ],
)
def test_train_ch5_with_and_without_a_loss(arguments, factor):
    net = network()
    positional, named = arguments(trainer_of(net, 1e-4))
    (result,) = train_ch5(net, batches(), batches(), *positional, **named)
    expected = np.mean([SOFTMAX(network()(X), y).asnumpy() for X, y in batches()])
    assert result.train_loss == pytest.approx(factor * expected, rel=1e-3)
    assert (net.weight.data() != network().weight.data()).asnumpy().any()


@pytest.mark.parametrize(
    ("positional", "named"),
    [
        ((1, 0.5), {}),
        ((1, 0.5, CPU), {}),
        ((1, 0.5), {"ctx": CPU}),
        ((1,), {"lr": 0.5}),
        ((), {"num_epochs": 1, "lr": 0.5, "device": CPU}),
    ],
)
@pytest.mark.parametrize("function", [train_ch5, train_ch6])
def test_train_ch5_without_a_trainer_is_train_ch6(function, positional, named, capsys):
    assert len(function(network(), batches(), batches(), *positional, **named)) == 1
    assert "examples/sec on cpu(0)" in capsys.readouterr().out


def test_train_ch5_without_enough_arguments_is_refused():
    data = batches(), batches()
    for arguments in ((4, trainer_of(network())), (4,), (4, None, CPU, 1), (twice,), (twice, 4, "sgd", CPU, 1)):
        with pytest.raises(SettingError, match=r"train_ch5 cannot tell its arguments apart .*: give it net") as caught:
            train_ch5(network(), *data, *arguments)
        assert "train_ch6" not in str(caught.value)
    with pytest.raises(SettingError, match="missing a required argument: 'net'"):
        train_ch5()


def test_train_ch3_takes_both_editions_arguments():
    """Positional or named, all do the same steps."""
    found = []
    for how in range(6):
        net = network()
        params, trainer = [p.data() for p in net.collect_params().values()], trainer_of(net)
        orders = [
            lambda params=params: ((4, params, 0.5), {}),
            lambda trainer=trainer: ((4, None, None, trainer), {}),
            lambda trainer=trainer: ((), {"batch_size": 4, "trainer": trainer}),
            lambda trainer=trainer: ((trainer,), {}),
            lambda params=params: ((lambda size: sgd(params, 0.5, size),), {}),
            lambda trainer=trainer: ((), {"updater": trainer}),
        ]
        positional, named = orders[how]()
        history = train_ch3(net, batches(), batches(), SOFTMAX, 2, *positional, **named)
        found.append((history[-1].train_loss, history[-1].train_acc, net.weight.data().sum().asscalar()))
    assert len({tuple(np.round(numbers, 5)) for numbers in found}) == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((4,), "give it a trainer"),
        ((4, []), "params and lr"),
        ((0, [], 1), "batch_size is 0"),
        ((), "batch_size is None"),
    ],
)
def test_train_ch3_without_anything_to_train_with(arguments, reason):
    with pytest.raises(GluonCNNError, match=reason):
        train_ch3(network(), batches(), batches(), SOFTMAX, 1, *arguments)


def test_devices_of_the_first_english_releases():
    net = network()
    assert evaluate_accuracy_gpu(net, batches(), ctx=CPU) == evaluate_accuracy_gpu(net, batches(), device=CPU)


@pytest.mark.parametrize(
    ("positional", "named", "inches", "titles"),
    [
        ((2,), {}, 2, ["", ""]),
        ((0.5,), {}, 0.5, ["", ""]),
        ((np.float32(3),), {}, 3, ["", ""]),
        ((), {"scale": 2}, 2, ["", ""]),
        ((["a", "b"], 2), {}, 2, ["a", "b"]),
        ((["a", "b"],), {}, 1.5, ["a", "b"]),
        ((None, 3), {}, 3, ["", ""]),
    ],
)
def test_show_images_takes_a_scale_or_titles(positional, named, inches, titles):
    matplotlib.use("Agg")
    from matplotlib import pyplot

    axes = show_images(mx.nd.zeros((2, 4, 4)), 1, 2, *positional, **named)
    assert [axis.get_title() for axis in axes] == titles
    assert axes[0].figure.get_size_inches().tolist() == [2 * inches, inches]
    pyplot.close("all")

"""What the edition with classes refuses, in one sentence, where it would else fail inside MXNet or Python."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd
from mxnet.gluon import nn

import gluon_cnn as g
from gluon_cnn.data import SAMPLE
from gluon_cnn.errors import DataError, ModelError, SettingError

X, y = mx.nd.ones((4, 6)), mx.nd.zeros(4)


class Lists(g.DataModule):
    def __init__(self, train, val=None):
        super().__init__()
        self.save_hyperparameters()

    def get_dataloader(self, train):
        return self.hparams["train" if train else "val"]


class Sized(g.DataModule):
    batch_size = 2


class Dense(g.Classifier):
    def __init__(self):
        super().__init__()
        self.lr, self.net = 0.1, nn.Dense(3)
        self.net.initialize()


class Unused(Dense):
    def __init__(self, **sizes):
        super().__init__()
        self.more = nn.Dense(2, **sizes)
        self.more.initialize()


class Frozen(Dense):
    def configure_optimizers(self):
        self.collect_params().setattr("grad_req", "null")
        return super().configure_optimizers()


class NoSuper(g.Classifier):
    def __init__(self):
        self.net = nn.Dense(3)


class KeepsNoSuper(g.Classifier):
    def __init__(self, lr=0.1):
        self.save_hyperparameters()


class KeepsBlockNoSuper(g.Classifier):
    def __init__(self, net):
        self.save_hyperparameters()


class TrainerNoSuper(g.Trainer):
    def __init__(self):
        pass


class BoardNoSuper(g.ProgressBoard):
    def __init__(self):
        pass


def returning(method, value):
    return type("Own", (Dense,), {method: lambda *_: value})()


def fit(model, *parts, **options):
    g.Trainer(1, **options).fit(model, Lists(*parts))


def initialized(*arguments):
    layer = g.BatchNorm(*arguments)
    layer.initialize()
    return layer


def synthetic(w=None, b=3.0):
    return g.SyntheticRegressionData(X[0] if w is None else w, b, num_train=4, num_val=4)


def refused(error, trial):
    with pytest.raises(g.GluonCNNError) as caught:
        trial()
    message = str(caught.value)
    assert isinstance(caught.value, error), message
    assert "\n" not in message
    assert len(message) < 450


@pytest.fixture(scope="module")
def data():
    return g.FashionMNIST(8, root=SAMPLE, train_size=16, test_size=8)


@pytest.mark.parametrize(
    "trial",
    [
        *(lambda _, root=root: g.FashionMNIST(32, root=root) for root in (0, 1.5, True, [1], b"a", "a\0b")),
        *(lambda _, w=w: synthetic(w) for w in (3, "3", [1], np.ones(2), mx.nd.ones((2, 2)))),
        lambda _: g.SyntheticRegressionData(None, 1.0),
        *(lambda _, b=b: synthetic(b=b) for b in (None, "3", [1], 10**400, float("nan"), y, np.ones(2))),
        *(lambda data, i=i: data.text_labels(i) for i in (10, None, ["a"], [-1], [1.5], [10], [None], [[1, 2]], "a")),
        lambda data: data.visualize((mx.nd.ones((2, 1, 28, 28)), y[:2]), 0, 0),
        lambda data: data.visualize((mx.nd.ones((2, 1, 28, 28)), y[:2]), 10**9, 1),
        lambda data: data.visualize((mx.nd.ones((2, 1, 28, 28)), y[:2]), 1, 8, ["a"]),
        lambda data: data.visualize((mx.nd.ones((2, 1, 28, 28)), y[:2]), 1, 8, 3),
        lambda data: data.visualize((mx.nd.ones((2, 3, 28, 28)), y[:2])),
        lambda data: data.visualize((mx.nd.ones((3, 1, 28, 28)), y[:2])),
        *(lambda data, b=b: data.visualize(b) for b in (None, (X,), (X, y), (1, 2), "ab")),
        lambda _: Sized().get_tensorloader((X, y[:3]), True),
        *(lambda _, t=t: Sized().get_tensorloader(t, True) for t in (None, (None, None), (), X, (1, 2))),
        *(lambda _, i=i: Sized().get_tensorloader((X, y), True, i) for i in ("a", {}, 3)),
        lambda _: g.DataModule().get_tensorloader((X, y), True),
    ],
)
def test_bad_data_are_refused(trial, data):
    refused((DataError, SettingError), lambda: trial(data))


@pytest.mark.parametrize(
    "loader",
    [
        *([X], [(X,)], "ab", {1: X}, [(1, 2)], [(None, None)], [(X.asnumpy(), y.asnumpy())], [None], [3], [[]]),
        [(mx.nd.array(np.zeros((0, 6))), mx.nd.array(np.zeros(0)))],
    ],
    ids=range(11),
)
@pytest.mark.parametrize("part", ["train", "val"])
@pytest.mark.parametrize("kind", [g.Classifier, g.Module])
def test_batches_that_are_no_arrays_are_refused(loader, part, kind):
    model = Dense()
    model.training_step, model.validation_step = (
        getattr(kind, name).__get__(model) for name in ("training_step", "validation_step")
    )
    refused(DataError, lambda: fit(model, loader) if part == "train" else fit(model, [(X, y)], loader))


@pytest.mark.parametrize(
    ("trial", "said"),
    [
        (lambda: g.Trainer(1).fit(Dense, Lists([(X, y)])), "fit takes"),
        (lambda: g.Trainer(1).fit(Dense(), Lists), "fit takes"),
        (lambda: g.Trainer(1).fit(Dense(), None), "fit takes"),
        (lambda: fit(returning("training_step", None), [(X, y)]), "training_step gives None"),
        (lambda: fit(returning("training_step", 3.0), [(X, y)]), "training_step gives 3.0"),
        (lambda: fit(returning("training_step", X), [(X, y)]), "cannot be trained"),
        (lambda: fit(returning("configure_optimizers", None), [(X, y)]), "configure_optimizers gives None"),
        (lambda: fit(Frozen(), [(X, y)]), "cannot be trained"),
        (lambda: fit(Unused(), [(X, y)]), "cannot be trained"),
        (lambda: fit(Unused(), [(X, y)], gradient_clip_val=1), "cannot be trained"),
        (lambda: fit(Unused(in_units=3), [(X, y)]), "cannot be trained"),
        (lambda: fit(Dense(), [(X, y), (mx.nd.ones((4, 7)), y)]), "cannot be trained"),
        (lambda: fit(Dense(), [(X, y)], [(mx.nd.ones((4, 7)), y)]), "cannot be trained"),
        (NoSuper, r"NoSuper is not set up: call super\(\).__init__\(\)"),
        (lambda: fit(KeepsNoSuper(), [(X, y)]), r"call super\(\).__init__\(\)"),
        (lambda: KeepsBlockNoSuper(nn.Dense(1)), r"call super\(\).__init__\(\)"),
        (lambda: TrainerNoSuper().fit(Dense(), Lists([(X, y)])), r"call super\(\).__init__\(\)"),
        (lambda: BoardNoSuper().draw(1, 2, "a"), r"call super\(\).__init__\(\)"),
    ],
)
def test_slips_in_a_subclass_are_explained(trial, said):
    with pytest.raises(g.GluonCNNError, match=said):
        trial()
    refused(g.GluonCNNError, trial)


@pytest.mark.parametrize(
    "trial",
    [
        lambda: g.add_to_class(int)(fit),
        *(lambda i=i: g.DataModule().save_hyperparameters(ignore=i) for i in (3, None)),
        lambda: g.ProgressBoard().draw(1, 2, [1]),
        *(lambda a=a: g.Classifier().accuracy(*a) for a in ((None, None), ([[1, 2]], [1]), (mx.nd.ones(1), None))),
        *(lambda a=a: g.Classifier().loss(*a) for a in ((None, None), ([[1, 2]], [1]), (mx.nd.ones(1), None))),
        lambda: g.Classifier().accuracy(mx.nd.array(np.zeros((0, 10))), mx.nd.array(np.zeros(0))),
        lambda: g.LeNet().layer_summary((1, 1, 100000, 100000)),
        lambda: g.Classifier().layer_summary((1, 1)),
        *(lambda a=a: g.LeNet().apply_init(*a) for a in ((None,), ([X], 3), (X,), ([None],), ([],))),
        lambda: g.init_cnn(None),
        lambda: g.SGD([], "fast").step(),
        *(lambda p=p: g.SGD(p, 0.1) for p in (None, [X], [None], X)),
        *(lambda a=a: g.LinearRegressionScratch(3, 0.1)(a) for a in (None, X)),
        lambda: g.LinearRegression(0.1).get_w_b(),
        lambda: initialized(5, 4)(mx.nd.ones((4, 3, 2, 2))),
        lambda: initialized(3, 4)(mx.nd.ones((4, 3))),
        lambda: initialized(3, 2)(mx.nd.ones((4, 3, 5, 3))),
        lambda: initialized(3, 2)(mx.nd.ones(3)),
        lambda: initialized(3, 2)(np.ones((4, 3))),
        lambda: initialized(3, 2)(None),
        lambda: g.BatchNorm(3, 2)(mx.nd.ones((4, 3))),
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_bad_calls_are_refused(trial, training):
    with autograd.record(train_mode=training):
        refused((ModelError, SettingError), trial)


def test_one_layer_has_a_summary(capsys):
    model = g.SoftmaxRegression(3, 0.1)
    model.layer_summary((2, 5))
    assert capsys.readouterr().out == "Dense output shape:\t (2, 3)\n"

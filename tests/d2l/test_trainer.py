"""The trainer of the edition with classes: what it trains, where, with which points and gradients."""

import math

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from mxnet.gluon import nn

from gluon_cnn import Classifier, DataModule, FashionMNIST, GluonCNNError, LinearRegressionScratch, Module, Trainer
from gluon_cnn.d2l.classes import trainer as trainer_module
from gluon_cnn.data import SAMPLE


class Lists(DataModule):
    """Batches in lists."""

    def __init__(self, train, val=None):
        super().__init__()
        self.save_hyperparameters()

    def get_dataloader(self, train):
        return self.hparams["train" if train else "val"]


class Dense(Classifier):
    def __init__(self, lr=0.1, initialize=True, **options):
        super().__init__(**options)
        self.save_hyperparameters()
        self.net = nn.Dense(3)
        if initialize:
            self.net.initialize(mx.init.Constant(0.01))


def batches(number=4, size=5):
    stream = np.random.RandomState(0)
    return [(mx.nd.array(stream.rand(size, 6)), mx.nd.array(stream.randint(0, 3, size))) for _ in range(number)]


@pytest.mark.parametrize("mode", ["nd", "np"])
def test_fit_trains_and_validates(mode, request, capsys):
    if mode == "np":
        request.getfixturevalue("np_arrays")
    model = Classifier()
    model.lr, model.net = 0.1, nn.Sequential()
    model.net.add(nn.Dense(32, activation="relu"), nn.Dense(10))
    model.initialize(mx.init.Xavier())
    data = FashionMNIST(64, root=SAMPLE, train_size=640, test_size=200, seed=0)
    Trainer(max_epochs=3).fit(model, data)
    curves = model.board.data
    assert [point.x for point in curves["train_loss"]] == pytest.approx([0.2, 0.7, 1.2, 1.7, 2.2, 2.7])
    assert curves["train_loss"][-1].y < curves["train_loss"][0].y
    assert [point.x for point in curves["val_loss"]] == [1, 2, 3]
    right = [(model(X).argmax(axis=1).astype("int32") == y).asnumpy().mean() for X, y in data.val_dataloader()]
    assert 0.5 < curves["val_acc"][-1].y == pytest.approx(np.mean(right))
    assert len(capsys.readouterr().out.splitlines()) == 12


def test_steps_are_those_of_gluon():
    model, net = Dense(), Dense().net
    Trainer(max_epochs=2).fit(model, Lists(batches()))
    loss, optimizer = gluon.loss.SoftmaxCrossEntropyLoss(), None
    for X, y in batches() * 2:
        with autograd.record():
            error = loss(net(X), y)
        error.backward()
        optimizer = optimizer or gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        optimizer.step(len(y))
    np.testing.assert_allclose(model.net.weight.data().asnumpy(), net.weight.data().asnumpy(), rtol=1e-5)


def test_without_validation_there_are_no_points_of_it():
    model, trainer = Dense(plot_train_per_epoch=4), Trainer(max_epochs=2)
    trainer.fit(model, Lists(batches()))
    assert list(model.board.data) == ["train_loss"]
    assert [point.x for point in model.board.data["train_loss"]] == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]
    assert (trainer.epoch, trainer.train_batch_idx, trainer.val_batch_idx) == (1, 8, 0)
    assert model.board.xlim == [0, 2]


def test_points_of_few_batches_and_of_several_epochs():
    model = Dense(plot_valid_per_epoch=0.5)
    Trainer(max_epochs=2).fit(model, Lists(batches(1), batches(3)))
    assert [len(curve) for curve in model.board.data.values()] == [2, 1, 1]


def test_own_steps_are_taken():
    """A model's steps, and a trainer's preparation of a batch."""

    class Own(Dense):
        def training_step(self, batch):
            X, doubled, y = batch
            assert (doubled == 2 * X).asnumpy().all()
            loss = self.loss(self(X), y)
            self.plot("ppl", loss.exp(), train=True)
            return loss

        def validation_step(self, batch):
            self.plot("count", len(batch), train=False)

    class Doubling(Trainer):
        def prepare_batch(self, batch):
            X, y = super().prepare_batch(batch)
            return X, 2 * X, y

    model = Own()
    Doubling(max_epochs=1).fit(model, Lists(batches(), batches()))
    assert list(model.board.data) == ["train_ppl", "val_count"]
    assert model.board.data["val_count"] == [(1, 3)]
    assert model.board.data["train_ppl"][0].y == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("scratch", [False, True])
@pytest.mark.parametrize("limit", [0.01, 1000])
def test_gradients_are_clipped_to_a_norm(scratch, limit, request):
    request.getfixturevalue("np_arrays")
    X, y = mx.np.ones((4, 6)), mx.np.ones((4, 1)) * 50
    if scratch:
        model = LinearRegressionScratch(6, lr=1)
    else:
        model = Module()
        model.lr, model.net = 1, nn.Sequential()
        model.net.add(nn.Dense(1), nn.BatchNorm())
        model.initialize()
        model.loss = lambda y_hat, y: ((y_hat - y) ** 2).mean()
    model(X)

    def values():
        parameters = model.parameters()
        arrays = parameters if scratch else [p.data() for p in parameters.values() if p.grad_req != "null"]
        return np.concatenate([array.asnumpy().ravel() for array in arrays])

    before = values()
    Trainer(1, gradient_clip_val=limit).fit(model, Lists([(X, y)]))
    norm = np.linalg.norm(values() - before)
    assert norm == pytest.approx(0.01, rel=1e-3) if limit == 0.01 else 1 < norm < 1000


@pytest.mark.parametrize(("asked", "there", "expected"), [(0, 2, 0), (1, 0, 0), (1, 2, 1), (5, 2, 2)])
def test_gpus_are_those_asked_for_and_there(asked, there, expected, monkeypatch):
    gpus = [mx.gpu(number) for number in range(there)] or [mx.cpu()]
    monkeypatch.setattr(trainer_module, "try_all_gpus", lambda: gpus)
    assert Trainer(1, num_gpus=asked).gpus == gpus[:expected]


@pytest.mark.parametrize("where", [mx.cpu(0), mx.cpu(1), [mx.cpu(0), mx.cpu(1)]])
@pytest.mark.parametrize("kind", ["gluon", "deferred", "scratch"])
def test_model_and_batches_go_to_the_first_gpu(where, kind, np_arrays):
    """A second CPU in its place."""
    if kind == "scratch":
        model, data = LinearRegressionScratch(784, lr=0.1), [(mx.np.ones((4, 784)), mx.np.ones((4, 1)))]
        data = Lists(data, data)
    else:
        model, data = Dense(initialize=False), FashionMNIST(8, root=SAMPLE, train_size=16, test_size=8)
        model.net = nn.Dense(10, in_units=0 if kind == "deferred" else 784)
        model.net.initialize(ctx=where)
    trainer = Trainer(max_epochs=1)
    trainer.gpus = [mx.cpu(1), mx.cpu(2)]
    trainer.fit(model, data)
    weights = model.parameters() if kind == "scratch" else [p.data() for p in model.collect_params().values()]
    assert {array.context for array in weights} == {mx.cpu(1)}
    assert {X.context for X, _ in trainer.val_dataloader} == {mx.cpu(0) if kind == "scratch" else mx.cpu(1)}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"max_epochs": 0}, "max_epochs is 0"),
        ({"max_epochs": 1.5}, "max_epochs is 1.5"),
        ({"max_epochs": 1, "num_gpus": -1}, "num_gpus is -1"),
        ({"max_epochs": 1, "num_gpus": True}, "num_gpus is True"),
        ({"max_epochs": 1, "gradient_clip_val": -1}, "gradient_clip_val is -1"),
        ({"max_epochs": 1, "gradient_clip_val": math.nan}, "gradient_clip_val is nan"),
    ],
)
def test_settings_out_of_range_are_refused(options, reason):
    with pytest.raises(GluonCNNError, match=reason):
        Trainer(**options)


@pytest.mark.parametrize(
    ("model", "data", "reason"),
    [
        (Dense, lambda: Lists([]), "train_dataloader gives no batches"),
        (Dense, lambda: Lists(batches(), []), "val_dataloader gives no batches"),
        (Dense, lambda: Lists(batch for batch in batches()), r"train_dataloader gives .* no len\(\)"),
        (Dense, lambda: Lists(None), r"train_dataloader gives None, which has no len\(\)"),
        (Dense, DataModule, "DataModule has no data"),
        (Dense, list, "fit takes a Module and a DataModule"),
        (nn.Sequential, lambda: Lists(batches()), "fit takes a Module and a DataModule"),
        (lambda: Lists(batches()), Dense, "fit takes a Module and a DataModule"),
        (lambda: Dense(initialize=False), lambda: Lists(batches()), "Dense's .*weight has no values"),
        (lambda: Dense(lr="fast"), lambda: Lists(batches()), "lr is 'fast'"),
        (lambda: Dense(plot_train_per_epoch=0), lambda: Lists(batches()), "plot_train_per_epoch is 0"),
        (Dense, lambda: Lists(batches(), [(X, y[:2]) for X, y in batches()]), "do not fit labels"),
    ],
)
def test_what_cannot_be_fitted_is_refused(model, data, reason):
    with pytest.raises(GluonCNNError, match=reason) as caught:
        Trainer(max_epochs=2).fit(model(), data())
    assert "\n" not in str(caught.value)

"""The answers that a finished run keeps: those of its last test pass, written anew after more epochs."""

import shutil

import numpy as np
import pytest
from runs import SMALL, history_of, resume, train

from gluon_cnn import load_run
from gluon_cnn.data import SAMPLE, read_fashion_mnist
from gluon_cnn.data.batches import make_batches
from gluon_cnn.data.thumbnail import thumbnail
from gluon_cnn.training.answers import kept_answers, read_answers
from gluon_cnn.training.noted import NotedAnswers


def test_run_keeps_what_its_last_test_pass_answered(lenet_run):
    run = load_run(lenet_run)
    kept, net = read_answers(run), run.network("cpu")
    confusion = kept.confusion()
    assert kept.epoch == 2
    assert confusion.sum() == 128
    assert confusion.trace() / 128 == pytest.approx(run.history[-1].test_acc, abs=1e-6)
    test = make_batches(read_fashion_mnist(SAMPLE), 64, test_size=128)[1]
    logits = np.concatenate([net(X).asnumpy() for X, _ in test])
    for one in kept.mistakes:
        assert (one.label, one.answer) == (test.labels[one.image], logits[one.image].argmax())
        assert one.picture == thumbnail(test.images[one.image])
    assert [m.confidence for m in kept.mistakes] == sorted((m.confidence for m in kept.mistakes), reverse=True)


def test_more_epochs_write_answers_anew(tmp_path):
    train(tmp_path / "run", **SMALL)
    assert read_answers(load_run(tmp_path / "run")).epoch == 1
    resume(tmp_path / "run", epochs=2)
    kept = read_answers(load_run(tmp_path / "run"))
    assert kept.epoch == 2
    assert kept.confusion().trace() / 128 == pytest.approx(history_of(tmp_path / "run")[-1].test_acc, abs=1e-6)


def test_training_does_not_depend_on_answers(lenet_run, tmp_path, caplog):
    run = shutil.copytree(lenet_run, tmp_path / "run")
    (run / "answers.json").unlink()
    (run / "answers.json").mkdir()
    assert len(resume(run, epochs=3)) == 3
    assert "answers.json is not a regular file" in caplog.text


@pytest.mark.parametrize("shape", [(28, 28), (28, 20, 3), (300, 100, 3), (1, 1)])
def test_worst_mistakes_have_pictures(shape):
    labels, answers = np.arange(30) % 3, np.zeros(30, int)
    pixels = np.random.RandomState(0).randint(0, 256, (30, *shape), "uint8")
    kept = kept_answers(1, 3, labels, answers, np.linspace(0, 1, 30), pixels)
    assert [one.image for one in kept.mistakes] == [29, 28, 26, 25, 23, 22, 20, 19, 17]
    assert all(0 < len(one.picture) < 24_000 for one in kept.mistakes)
    assert kept.counts == [(0, 0, 10), (1, 0, 10), (2, 0, 10)]


def test_answers_are_noted_on_any_network(np_arrays):
    import mxnet as mx

    logits = mx.np.array([[0, 3, 0], [float("nan"), 0, 0]], dtype="float16")
    net = NotedAnswers(lambda X: logits)
    assert net(None) is logits

    class Batches:
        labels = np.array([1, 2], "int32")
        images = np.zeros((2, 8, 8), "uint8")

    kept = net.of(Batches, 1)
    assert kept.classes == 3
    assert sum(number for _, _, number in kept.counts) == 2

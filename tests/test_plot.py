"""Figures: drawn from a history, and the book's row of images."""

import mxnet as mx
from PIL import Image

from gluon_cnn import plot, show_fashion_mnist
from gluon_cnn.data import SAMPLE, read_fashion_mnist
from gluon_cnn.training import EpochResult


def test_curves_are_a_picture_with_something_on_it(tmp_path):
    history = [EpochResult(i, 2.0 / i, 0.1 * i, 0.12 * i, 10.0, 100.0) for i in range(1, 6)]
    plot.save_curves(history, tmp_path / "curves.png", title="nin")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.width > 800
        assert len(image.convert("RGB").getcolors(10**6)) > 100
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]


def test_books_row_of_images(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    test = read_fashion_mnist(SAMPLE)[1]
    images = [mx.nd.array(test.images[0]), test.images[1].reshape(28, 28, 1), test.images[2]]
    axes = show_fashion_mnist(images, ["t-shirt", 1, test.labels[2]])
    assert [a.get_title() for a in axes] == ["t-shirt", "trouser", "pullover"]
    assert (axes[1].get_images()[0].get_array() == test.images[1]).all()

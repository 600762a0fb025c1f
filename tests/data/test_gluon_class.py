"""The book's cells that call Gluon's own FashionMNIST, on either release, without a second download."""

import shutil
import subprocess
import sys

import mxnet as mx
import numpy as np
import pytest
from releases import NAMES

from gluon_cnn import GluonCNNError
from gluon_cnn.data import read_fashion_mnist

DEAD = "http://127.0.0.1:9/"
CELL = """
{imports}
mnist_train = gdata.vision.FashionMNIST(train=True)
mnist_test = gdata.vision.FashionMNIST(root="~/.mxnet/datasets/fashion-mnist", train=False)
print(mnist_train[0][1], mnist_test[0][1], len(mnist_train), len(mnist_test))
"""
OURS_FIRST = "import gluon_cnn as d2l\nfrom mxnet.gluon import data as gdata"
MXNET_FIRST = "from mxnet.gluon import data as gdata\nimport gluon_cnn as d2l"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Gluon's place in a new home, whose network is dead."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MXNET_HOME", raising=False)
    monkeypatch.setenv("MXNET_GLUON_REPO", DEAD)
    return tmp_path / ".mxnet" / "datasets" / "fashion-mnist"


def link(directory, target):
    """A release's four files under another place."""
    target.mkdir(parents=True)
    for path in directory.iterdir():
        if path.name.startswith(tuple(NAMES)):
            (target / path.name).symlink_to(path)


def run(imports):
    done = subprocess.run([sys.executable, "-c", CELL.format(imports=imports)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-4:]


@pytest.mark.parametrize("imports", [OURS_FIRST, MXNET_FIRST], ids=["ours first", "mxnet first"])
def test_cell_runs_on_the_release_there(first, second, place, imports):
    if imports == MXNET_FIRST and sys.version_info >= (3, 12):
        pytest.skip("Python 3.12 cannot import MXNet before this package")
    link(second, place)
    assert run(imports) == ["9", "9", "60000", "10000"]
    shutil.rmtree(place)
    link(first, place)
    assert run(imports) == ["2", "0", "60000", "10000"]


def test_cell_finds_it_where_this_package_has_it(second, place):
    link(second, place.with_name("fashion-mnist-second"))
    assert run(OURS_FIRST) == ["9", "9", "60000", "10000"]
    assert not list(place.iterdir())


def test_images_are_as_gluon_gives_them(second, np_arrays):
    images, labels = read_fashion_mnist(second).test
    data = mx.gluon.data.vision.FashionMNIST(root=str(second), train=False)
    assert isinstance(data[0][0], mx.np.ndarray)
    assert (data[0][0].shape, data[0][0].dtype) == ((28, 28, 1), np.uint8)
    assert (data._data.asnumpy()[..., 0] == images).all()
    assert (data._label.asnumpy() == labels).all()


def test_mixed_files_are_not_written_over(first, second, tmp_path, monkeypatch):
    monkeypatch.setenv("MXNET_GLUON_REPO", DEAD)
    link(first, tmp_path / "mixed")
    mixed = next((tmp_path / "mixed").glob("train-labels*"))
    mixed.unlink()
    shutil.copy(next(second.glob("train-labels*")), tmp_path / "mixed")
    before = {path.name: path.read_bytes() for path in (tmp_path / "mixed").iterdir()}
    with pytest.raises(GluonCNNError, match="mixes two releases"):
        mx.gluon.data.vision.FashionMNIST(root=str(tmp_path / "mixed"), train=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "mixed").iterdir()} == before


def test_without_files_gluon_downloads(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(mx.gluon.data.vision.datasets, "download", lambda url, **_: asked.append(url) or "nowhere")
    with pytest.raises(FileNotFoundError):
        mx.gluon.data.vision.FashionMNIST(root=str(tmp_path), train=True)
    assert asked[0].endswith(f"gluon/dataset/fashion-mnist/{NAMES[0]}.gz")

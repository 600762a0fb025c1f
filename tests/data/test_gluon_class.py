"""The book's cells that call Gluon's own FashionMNIST, on either release, without a second download."""

import hashlib
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


def test_without_files_gluon_downloads(home, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(mx.gluon.data.vision.datasets, "download", lambda url, **_: asked.append(url) or "nowhere")
    with pytest.raises(FileNotFoundError):
        mx.gluon.data.vision.FashionMNIST(root=str(tmp_path), train=True)
    assert asked[0].endswith(f"gluon/dataset/fashion-mnist/{NAMES[0]}.gz")


def hashes(directory):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}


@pytest.mark.parametrize("release", ["first", "second"])
@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("train")])
def test_part_of_a_release_is_not_written_over(first, second, tmp_path, monkeypatch, release, name):
    def download(url, path, **options):
        pytest.fail("a download over what is there")

    monkeypatch.setattr(mx.gluon.data.vision.datasets, "download", download)
    link({"first": first, "second": second}[release], tmp_path / "part")
    next((tmp_path / "part").glob(f"{name}*")).unlink()
    other = next((tmp_path / "part").glob("train-*"))
    if other.name == "train-labels-idx1-ubyte.gz" and release == "first":
        pytest.skip("Gluon's own, which it keeps")
    before = hashes(tmp_path / "part")
    with pytest.raises(GluonCNNError, match=f"{other.name} but no {name}.gz: put it there, or move"):
        mx.gluon.data.vision.FashionMNIST(root=str(tmp_path / "part"), train=True)
    assert hashes(tmp_path / "part") == before


def test_training_and_test_images_of_two_releases(first, second, tmp_path):
    link(first, tmp_path / "two")
    for path in (tmp_path / "two").glob("t10k*"):
        path.unlink()
    for path in second.glob("t10k*"):
        (tmp_path / "two" / path.name).symlink_to(path)
    for train in (True, False):
        with pytest.raises(GluonCNNError, match="mixes two releases"):
            mx.gluon.data.vision.FashionMNIST(root=str(tmp_path / "two"), train=train)


def test_cell_with_a_folder_of_its_own(second, place, monkeypatch):
    link(second, place.with_name("fashion-mnist-second"))
    monkeypatch.setenv("MXNET_HOME", str(place.parent.parent))
    monkeypatch.setenv("HOME", str(place.parent))
    assert run(OURS_FIRST) == ["9", "9", "60000", "10000"]

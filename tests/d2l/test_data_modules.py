"""Fashion-MNIST and other data with their loaders."""

import matplotlib
import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from mxnet.gluon.data.vision import transforms

from gluon_cnn import DataModule, FashionMNIST, GluonCNNError, SyntheticRegressionData
from gluon_cnn.data import SAMPLE, read_fashion_mnist


def small(*arguments, **options):
    return FashionMNIST(*arguments, **{"root": SAMPLE, "train_size": 60, "test_size": 20, **options})


@pytest.mark.parametrize("resize", [(28, 28), (40, 40), (32, 48)])
@pytest.mark.parametrize("part", ["train", "val"])
def test_pairs_are_those_of_gluons_transforms(part, resize):
    found = getattr(small(16, resize), part)
    images, labels = read_fashion_mnist(SAMPLE).train if part == "train" else read_fashion_mnist(SAMPLE).test
    transform = transforms.Compose([transforms.Resize(resize), transforms.ToTensor()])
    assert len(found) == (60 if part == "train" else 20)
    for number in (0, -1):
        X, y = found[number]
        expected = transform(mx.nd.array(images[: len(found)][number][..., None], dtype="uint8"))
        assert X.shape == (1, resize[1], resize[0])
        assert (expected == X).asnumpy().all()
        assert (y, y.dtype) == (labels[: len(found)][number], np.int32)
    with pytest.raises(IndexError):
        found[len(found)]


@pytest.mark.usefixtures("np_arrays")
def test_batches_are_those_of_gluons_loader():
    """In the order of NumPy's global generator, in the mode's arrays."""
    data = small(16, (40, 40))
    for part, loader in ((data.train, data.train_dataloader()), (data.val, data.val_dataloader())):
        np.random.seed(3)
        theirs = list(gluon.data.DataLoader(part, 16, shuffle=part is data.train))
        np.random.seed(3)
        ours = list(loader)
        assert len(loader) == len(ours) == len(theirs)
        for (X, y), (X_expected, y_expected) in zip(ours, theirs):
            assert isinstance(X, mx.np.ndarray)
            assert (X.shape, X.dtype, y.shape, y.dtype) == ((len(y), 1, 40, 40), np.float32, (len(y),), np.int32)
            assert (X_expected == X).all()
            assert (y == y_expected).all()


def test_pairs_reach_a_loaders_processes():
    loader = gluon.data.DataLoader(small(16).val, 8, num_workers=2)
    assert [X.shape for X, _ in loader] == [(8, 1, 28, 28), (8, 1, 28, 28), (4, 1, 28, 28)]


def test_batch_size_may_change_afterwards():
    data = small(16)
    data.batch_size = 30
    assert (len(data.train_dataloader()), len(data.val_dataloader())) == (2, 1)


def test_seed_decides_the_order():
    def labels(seed):
        return [y.asnumpy().tolist() for _, y in small(60, seed=seed).train_dataloader()]

    assert labels(1) == labels(1) != labels(2)


def test_arguments_are_kept():
    data = small(16, 40)
    assert (data.batch_size, data.resize, data.num_workers, data.train_size) == (16, 40, 4, 60)
    assert next(iter(data.val_dataloader()))[0].shape == (16, 1, 40, 40)
    assert DataModule("there", 0).hparams == {"root": "there", "num_workers": 0}


@pytest.mark.usefixtures("np_arrays")
def test_images_are_shown_under_their_classes():
    matplotlib.use("Agg")
    from matplotlib import pyplot

    data = small(16)
    batch = next(iter(data.val_dataloader()))
    assert data.text_labels(mx.np.array([0, 9])) == ["t-shirt", "ankle boot"]
    axes = data.visualize(batch, nrows=2, ncols=3)
    assert [axis.get_title() for axis in axes] == data.text_labels(batch[1][:6])
    axes = data.visualize([array[:2] for array in batch], labels=["a", "b"])
    assert [axis.get_title() for axis in axes] == ["a", "b"] + [""] * 6
    pyplot.close("all")


@pytest.mark.parametrize(
    ("arguments", "options", "reason"),
    [
        ((0,), {}, "batch_size is 0"),
        ((16, (28,)), {}, r"resize is \(28,\)"),
        ((16, (28, 0)), {}, "resize is 0"),
        ((16, None), {}, "resize is None"),
        ((16, "28"), {}, "resize is '28'"),
        ((16,), {"train_size": 3000}, "train_size is 3000"),
        ((16,), {"root": "nowhere"}, "nowhere"),
        ((16,), {"release": "third"}, "release"),
    ],
)
def test_what_cannot_be_loaded_is_refused(arguments, options, reason):
    with pytest.raises(GluonCNNError, match=reason):
        small(*arguments, **options)


def test_data_without_a_loader_are_refused():
    with pytest.raises(GluonCNNError, match=r"DataModule has no data: define get_dataloader"):
        DataModule().train_dataloader()


@pytest.mark.parametrize("array", [mx.nd.array, mx.np.array], ids=["nd", "np"])
def test_examples_of_a_line(array, request):
    if array is mx.np.array:
        request.getfixturevalue("np_arrays")
    data = SyntheticRegressionData(array([2, -3]), 4, noise=0, num_train=20, num_val=12, batch_size=8)
    assert (data.X.shape, data.y.shape) == ((32, 2), (32, 1))
    expected = data.X.asnumpy() @ [[2], [-3]] + 4
    np.testing.assert_allclose(data.y.asnumpy(), expected, atol=1e-5)
    trained = np.concatenate([X.asnumpy() for X, _ in data.train_dataloader()])
    assert sorted(trained.tolist()) == sorted(data.X[:20].asnumpy().tolist())
    validated = np.concatenate([y.asnumpy() for _, y in data.val_dataloader()])
    assert validated.tolist() == data.y[20:].asnumpy().tolist()

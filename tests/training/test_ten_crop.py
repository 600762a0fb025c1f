"""The ten views of AlexNet's test."""

import mxnet as mx
import numpy as np
import pytest
from pictures import make_folder, noise
from scipy.special import softmax

import gluon_cnn
from gluon_cnn.data import FASHION_MNIST
from gluon_cnn.data.batches import Batches
from gluon_cnn.data.scaled import to_batch
from gluon_cnn.errors import SettingError
from gluon_cnn.training.run import Run, load_run
from gluon_cnn.training.settings import Settings
from gluon_cnn.training.ten_crop import refuse_one_view, ten_crop_accuracy, ten_views
from gluon_cnn.training.train_run import train_run


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("side", [7, 8, 9])
def test_views_are_corners_middle_and_mirrors(grey, side):
    images = noise(3, 12)[..., 0] if grey else noise(3, 12)
    end, middle = 12 - side, (12 - side) // 2
    places = [(0, 0), (0, end), (end, 0), (end, end), (middle, middle)]
    views = list(ten_views(images, side))
    assert len(views) == 10
    for (top, left), view, mirrored in zip(places, views[::2], views[1::2]):
        assert (view == images[:, top : top + side, left : left + side]).all()
        assert (mirrored == view[:, :, ::-1]).all()


def test_accuracy_is_that_of_the_mean_probabilities():
    images, labels = noise(45, 12), np.arange(45, dtype=np.int32) % 5
    weight = np.random.RandomState(0).normal(size=(3 * 8 * 8, 5))

    def probabilities_of(X):
        return softmax(X.asnumpy().reshape(len(X), -1) @ weight, axis=1)

    options = {"mean": (0.5, 0.4, 0.3), "deviation": (0.2, 0.2, 0.2)}
    mean = np.mean([probabilities_of(to_batch(view, **options)) for view in ten_views(images, 8)], axis=0)
    expected = (mean.argmax(axis=1) == labels).mean()
    assert 0 < expected < 1
    for batch_size in (7, 45):
        assert ten_crop_accuracy(probabilities_of, Batches(images, labels, batch_size, crop=8, **options)) == expected


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    folder = make_folder(tmp_path_factory.mktemp("pictures") / "colours", 12, ("train", "test"))
    changes = {"data": "folder", "side": 28, "short_side": 40, "batch_size": 8, "epochs": 1, "normalize": "measured"}
    recipe = gluon_cnn.get_recipe("lenet", data_dir=folder, lr=0.003, optimizer="adam", **changes)
    run = Run(tmp_path_factory.mktemp("runs") / "lenet", recipe, Settings(data_dir=str(folder)))
    train_run(run, command="a test", quiet=True)
    return run.directory


def test_a_run_is_evaluated_over_ten_views(directory):
    run = load_run(directory)
    net, data = run.network(mx.cpu()), gluon_cnn.data.DATA_SETS["folder"].read(run.settings.data_dir, run.recipe)
    images, options = data.test.images[:], {"mean": run.dataset.mean, "deviation": run.dataset.deviation}
    answers = [softmax(net(to_batch(view, **options)).asnumpy(), axis=1) for view in ten_views(images, 28)]
    expected = (np.mean(answers, axis=0).argmax(axis=1) == data.test.labels).mean()
    found = run.evaluate(mx.cpu(), ten_crop=True)
    assert (found.accuracy, found.images) == (expected, 36)


def test_images_that_are_not_cut_out_have_one(lenet_run, fails):
    with pytest.raises(SettingError, match="are not cut out of larger ones"):
        load_run(lenet_run).evaluate(ten_crop=True)
    line = fails("evaluate", lenet_run, "--ten-crop")
    assert line.startswith("gluon-cnn: ten_crop is on, but images of 28×28 are not cut out")
    assert line.endswith("(--ten-crop).\n")
    with pytest.raises(SettingError):
        refuse_one_view(FASHION_MNIST, 20)

"""Mean, deviation and principal components of images."""

import numpy as np
import pytest
from pictures import noise

from gluon_cnn.data import moments
from gluon_cnn.data.moments import Moments


@pytest.mark.parametrize("grey", [False, True])
def test_they_are_those_of_all_pixels(grey):
    images = noise(40, 13)[..., 0] if grey else noise(40, 13)
    pixels = images.reshape(-1, 1 if grey else 3) / 255
    found = Moments(images)
    assert np.allclose(found.mean, pixels.mean(axis=0), rtol=1e-12)
    assert np.allclose(found.deviation, pixels.std(axis=0), rtol=1e-12)
    covariance = np.cov(pixels.T, bias=True).reshape(len(found.mean), -1)
    assert np.allclose(found.components.T @ found.components, covariance)
    lengths = (found.components**2).sum(axis=1)
    assert (np.diff(lengths) <= 0).all()
    assert np.allclose(found.components @ found.components.T, np.diag(lengths), atol=1e-12)


def test_order_and_portions_make_no_difference(monkeypatch):
    images = noise(50, 17)
    first = Moments(images)
    whole = first.mean, first.deviation, first.components.tolist()
    monkeypatch.setattr(moments, "_VALUES", 17 * 17 * 3 * 3)
    second = Moments(images[np.random.RandomState(0).permutation(50)])
    assert (second.mean, second.deviation, second.components.tolist()) == whole


def test_images_are_read_in_portions():
    images, asked = noise(30, 8), []

    class Stored:
        def __len__(self):
            return len(images)

        def __getitem__(self, indices):
            return images[indices]

        def batches(self, wanted):
            for indices in wanted:
                asked.append(len(indices))
                yield images[indices]

    found = Moments(Stored(), 20)
    assert asked == []  # until something is asked for
    assert found.mean == Moments(images[:20]).mean
    assert found.deviation
    assert asked == [20]


def test_channel_of_one_value_has_the_deviation_one():
    images = noise(3, 5)
    images[..., 1] = 77
    found = Moments(images)
    assert found.deviation[1] == 1
    assert found.mean[1] == 77 / 255
    assert np.isfinite(found.components).all()

"""Augmentation: what it may do to an image, and that its stream decides all of it."""

import numpy as np
import pytest

from gluon_cnn.data import SAMPLE, augment, read_fashion_mnist
from gluon_cnn.seeding import AUGMENTATION, numpy_stream


@pytest.fixture
def garments():
    return read_fashion_mnist(SAMPLE).test.images


def test_crops_and_mirrors_are_the_papers(garments, monkeypatch):
    """Without the change of light, each result is one of the 25 crops, or its mirror image."""
    monkeypatch.setattr(augment, "JITTER", 0.0)
    results = augment.augment(garments, np.random.RandomState(0))
    seen = set()
    for image, result in zip(garments, results):
        padded = np.pad(image, 2)
        matches = {
            (top, left, mirrored)
            for top in range(5)
            for left in range(5)
            for mirrored in (False, True)
            if (padded[top : top + 28, left : left + 28][:, :: -1 if mirrored else 1] == result).all()
        }
        assert matches
        seen |= matches
    assert len(seen) == 50


def test_light_stays_within_the_grey_values(garments):
    result = augment.augment(garments, np.random.RandomState(0))
    assert result.dtype == np.uint8
    assert result.shape == garments.shape
    ratio = result.astype(float).mean(axis=(1, 2)) / garments.astype(float).mean(axis=(1, 2))
    assert 0.5 < ratio.min() < 0.9
    assert 1.1 < ratio.max() < 1.6


def test_stream_decides_all(garments):
    first, again, other = (augment.augment(garments, numpy_stream(0, AUGMENTATION, 0, b)) for b in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()

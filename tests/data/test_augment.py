"""Augmentation: what it may do to an image, and that its stream decides all of it."""

import numpy as np
import pytest
from pictures import noise
from PIL import Image

from gluon_cnn.data import SAMPLE, augment, read_fashion_mnist
from gluon_cnn.data.augment import Augmentation
from gluon_cnn.data.moments import Moments
from gluon_cnn.errors import SettingError
from gluon_cnn.image_settings import AUGMENTATIONS, augmentations, check_augment
from gluon_cnn.seeding import AUGMENTATION, numpy_stream

RESIZED_CROP = "resized_crop,mirror,jitter,pca"


@pytest.fixture
def garments():
    return read_fashion_mnist(SAMPLE).test.images


def augmented(images, words, side=None, seed=0, **options):
    return Augmentation(words, side, Moments(images))(images, np.random.RandomState(seed), **options)


def as_in_the_first_version(images, stream):
    """What ``on`` did before there were words; the bits of older runs depend on it."""
    number, height, width = images.shape
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    top, left = stream.randint(0, 5, size=(2, number))
    rows = top[:, None] + np.arange(height)
    columns = left[:, None] + np.arange(width)
    mirrored = stream.randint(0, 2, size=number).astype(bool)
    columns[mirrored] = columns[mirrored, ::-1]
    cropped = padded[np.arange(number)[:, None, None], rows[:, :, None], columns[:, None, :]].astype(np.float32)
    brightness, contrast = stream.uniform(0.8, 1.2, size=(2, number, 1, 1)).astype(np.float32)
    mean = cropped.mean(axis=(1, 2), keepdims=True)
    return np.clip(np.rint(((cropped - mean) * contrast + mean) * brightness), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("words", [True, "crop,mirror,light"])
def test_on_has_the_bits_that_it_had(garments, words):
    expected = as_in_the_first_version(garments, np.random.RandomState(3))
    assert (augmented(garments, words, seed=3) == expected).all()


def test_crops_and_mirrors_are_the_papers(garments):
    """Each result is one of the 25 crops, or its mirror image."""
    results = augmented(garments, "crop,mirror")
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


def test_crops_of_larger_images_reach_every_corner():
    images = noise(400, 12)
    results, seen = augmented(images, "crop", 8), set()
    assert results.shape == (400, 8, 8, 3)
    for image, result in zip(images, results):
        places = [(top, left) for top in range(5) for left in range(5)]
        (place,) = (at for at in places if (image[at[0] : at[0] + 8, at[1] : at[1] + 8] == result).all())
        seen.add(place)
    assert len(seen) == 25


@pytest.mark.parametrize("words", ["mirror", "light", "jitter", "pca"])
def test_larger_images_are_cut_in_the_middle(words, monkeypatch):
    for strength in ("LIGHT", "JITTER", "NOISE"):
        monkeypatch.setattr(augment, strength, 0.0)
    images = noise(20, 12)
    middle, results = images[:, 2:10, 2:10], augmented(images, words, 8)
    mirrored = words == "mirror"
    assert all((a == b).all() or (mirrored and (a[:, ::-1] == b).all()) for a, b in zip(middle, results))


def test_half_of_the_images_are_mirrored():
    images = noise(1000, 8)
    results = augmented(images, "mirror")
    mirrored = [(result == image[:, ::-1]).all() for image, result in zip(images, results)]
    assert all(is_mirror or (result == image).all() for image, result, is_mirror in zip(images, results, mirrored))
    assert 460 < sum(mirrored) < 540  # 2.5 standard deviations


def test_rectangles_have_the_fields_areas_and_ratios():
    top, left, height, width = augment._rectangles(np.random.RandomState(0), 4000, 256, 256)
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height <= 256).all()
    assert (left + width <= 256).all()
    areas, ratios = height * width / 256**2, width / height
    assert 0.078 < areas.min() < 0.09
    assert 0.99 < areas.max() <= 1
    assert 0.74 < ratios.min() < 0.76
    assert 1.32 < ratios.max() < 1.35
    assert abs(np.log(ratios).mean()) < 0.01
    # Above 3/4 an area fits where |ln ratio| <= -ln area, so that the mean is not 0.54.
    assert abs(areas.mean() - 0.478) < 0.01
    assert np.corrcoef(top + height / 2, left + width / 2)[0, 1] < 0.05


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 40)])
def test_rectangles_of_the_smallest_images(shape):
    top, left, height, width = augment._rectangles(np.random.RandomState(0), 500, *shape)
    assert (height >= 1).all()
    assert (width >= 1).all()
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height <= shape[0]).all()
    assert (left + width <= shape[1]).all()


@pytest.mark.parametrize("grey", [False, True])
def test_resized_crop_is_pillows(grey):
    images = noise(30, 40)[..., 0] if grey else noise(30, 40)
    results = augmented(images, "resized_crop", 24)
    boxes = augment._rectangles(np.random.RandomState(0), 30, 40, 40)
    for image, result, (top, left, height, width) in zip(images, results, boxes.T):
        piece = Image.fromarray(image).crop((left, top, left + width, top + height))
        assert (np.asarray(piece.resize((24, 24), Image.BILINEAR)) == result).all()


def test_light_stays_within_the_grey_values(garments):
    result = augmented(garments, True)
    assert result.dtype == np.uint8
    assert result.shape == garments.shape
    ratio = result.astype(float).mean(axis=(1, 2)) / garments.astype(float).mean(axis=(1, 2))
    assert 0.5 < ratio.min() < 0.9
    assert 1.1 < ratio.max() < 1.6


@pytest.mark.parametrize("grey", [False, True])
def test_jitter_is_brightness_contrast_and_saturation(grey):
    """One after the other, in float64. In the middle of the scale, where nothing is cut off."""
    images = 60 + noise(50, 9) // 4
    images = images[..., 0] if grey else images
    factors = np.random.RandomState(5).uniform(0.6, 1.4, size=(3, 50))
    result = augmented(images, "jitter", seed=5)
    for image, (brightness, contrast, saturation), found in zip(images.astype(float), factors.T, result):
        bright = image * brightness
        greys = bright if grey else bright @ (0.299, 0.587, 0.114)
        changed = (bright - greys.mean()) * contrast + greys.mean()
        if not grey:
            greys = (changed @ (0.299, 0.587, 0.114))[..., np.newaxis]
            changed = (changed - greys) * saturation + greys
        assert abs(found - changed).max() <= 0.51


def test_noise_runs_along_the_principal_components():
    """A picture of one colour is shifted as a whole, by a tenth of the standard deviation along each component."""
    training = noise(50, 16)
    moments, images = Moments(training), np.full((2000, 2, 2, 3), 128, np.uint8)
    shifted = Augmentation("pca", None, moments)(images, np.random.RandomState(0)).astype(float) - 128
    assert (shifted == shifted[:, :1, :1]).all()
    drawn = np.random.RandomState(0).normal(0, 0.1, size=(2000, 3))
    assert abs(shifted[:, 0, 0] - 255 * drawn @ moments.components).max() <= 0.5 + 1e-3
    amounts = shifted[:, 0, 0] / 255 @ np.linalg.inv(moments.components)
    assert np.allclose(amounts.std(axis=0), 0.1, rtol=0.05)
    assert abs(np.corrcoef(amounts.T) - np.eye(3)).max() < 0.06


def test_noise_of_grey_images_is_their_deviation(garments):
    images = np.full((3000, 2, 2), 128, np.uint8)
    moments = Moments(garments)
    shifted = Augmentation("pca", None, moments)(images, np.random.RandomState(0)).astype(float) - 128
    assert shifted.shape == images.shape
    assert np.isclose(shifted[:, 0, 0].std() / 255, 0.1 * moments.deviation[0], rtol=0.05)


@pytest.mark.parametrize("words", [*AUGMENTATIONS, RESIZED_CROP, True])
@pytest.mark.parametrize("grey", [False, True])
def test_an_image_does_not_depend_on_the_others(words, grey):
    """So workers may read only their own images of a batch."""
    images = noise(21, 16)[..., 0] if grey else noise(21, 16)
    change, seed = Augmentation(words, 12, Moments(images)), 4
    whole = change(images, np.random.RandomState(seed))
    for first, end in ((0, 7), (7, 20), (20, 21)):
        part = change(images[first:end], np.random.RandomState(seed), number=21, first=first)
        assert (part == whole[first:end]).all()


@pytest.mark.parametrize("words", [*AUGMENTATIONS, True])
def test_stream_decides_all(garments, words):
    change = Augmentation(words, None, Moments(garments))
    first, again, other = (change(garments, numpy_stream(0, AUGMENTATION, 0, b)) for b in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize(
    ("given", "kept", "words"),
    [
        (True, True, ("crop", "mirror", "light")),
        ("on", True, ("crop", "mirror", "light")),
        (False, False, ()),
        ("off", False, ()),
        ("mirror, crop", "crop,mirror", ("crop", "mirror")),
        ("pca,pca", "pca", ("pca",)),
    ],
)
def test_words_are_kept_in_one_order(given, kept, words):
    assert check_augment("augment", given) == kept
    assert augmentations(kept) == words


@pytest.mark.parametrize(
    "given", ["", "flip", "crop,", "on,off", "Crop", "crop mirror", 2, 0.5, None, ["crop"], b"crop"]
)
def test_other_words_are_refused_with_the_choices(given):
    with pytest.raises(SettingError, match="resized_crop, crop, mirror, light, jitter, pca"):
        check_augment("augment", given)


def test_an_image_is_cut_out_once():
    with pytest.raises(SettingError, match="use crop or resized_crop"):
        check_augment("augment", "crop,mirror,resized_crop")

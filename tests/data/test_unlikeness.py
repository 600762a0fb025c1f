"""How many images of Fashion-MNIST, photographs of them and other pictures are warned of."""

import io
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from gluon_cnn.data import SAMPLE, read_fashion_mnist
from gluon_cnn.data.as_fashion_mnist import Picture, read_picture
from gluon_cnn.data.unlikeness import LIMITS, distances, unlikeness

TEST = read_fashion_mnist(SAMPLE).test.images
DATA = Path(matplotlib.get_data_path())
NUMBER = 20  # pictures of a kind


def share_warned_of(pictures):
    """The share of images, or of pictures of any size, that are warned of."""
    read = [as_read(picture) for picture in pictures]
    far = (distances(np.stack([picture.image for picture in read])) > LIMITS).any(axis=1)
    return np.mean([is_far or picture.problem is not None for is_far, picture in zip(far, read)])


def as_read(image):
    if isinstance(image, np.ndarray):
        return Picture(image, None, ())
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=1)
    return read_picture(content.getvalue(), "a picture")


def characters(letters, size=110):
    def draw_one(draw):
        font = ImageFont.truetype(str(DATA / "fonts" / "ttf" / draw.choice(["DejaVuSans.ttf", "cmr10.ttf"])), size)
        image = Image.new("L", (160, 160), 255)
        ImageDraw.Draw(image).text((40, 10), str(draw.choice(list(letters))), font=font, fill=0)
        return image

    return draw_one


def lines_of_text(draw):
    image = Image.new("L", (300, 240), 255)
    font = ImageFont.truetype(str(DATA / "fonts" / "ttf" / "DejaVuSans.ttf"), 18)
    for line in range(draw.integers(4, 9)):
        words = "".join(draw.choice(list("abcdefghijklmnopqrstuvwxyz    "), draw.integers(15, 28)))
        ImageDraw.Draw(image).text((15, 8 + 25 * line), words, font=font, fill=20)
    return image


def flat_shape(draw):
    """A polygon or a disc of one colour."""
    image, corners = Image.new("RGB", (160, 160), "white"), int(draw.choice([3, 4, 5, 6, 40]))
    turns = draw.uniform(0, 6.3) + np.arange(corners) * 2 * np.pi / corners
    points = [(80 + 60 * np.cos(turn), 80 + 60 * np.sin(turn)) for turn in turns]
    ImageDraw.Draw(image).polygon(points, fill=tuple(map(int, draw.integers(0, 200, 3))))
    return image


def scribble(draw):
    corners = ndimage.zoom(draw.uniform(25, 135, (5, 2)), (15, 1), order=1)
    image = Image.new("L", (160, 160), 255)
    ImageDraw.Draw(image).line([tuple(point) for point in corners], fill=0, width=9, joint="curve")
    return image


def part_of_a_portrait(draw):
    with Image.open(DATA / "sample_data" / "grace_hopper.jpg") as image:
        side = int(draw.integers(60, 300))
        left, top = (int(draw.integers(0, length - side)) for length in image.size)
        return image.convert("RGB").crop((left, top, left + side, top + side))


FOREIGN = {
    "noise": lambda draw: draw.integers(0, 256, (28, 28)).astype(np.uint8),
    "stripes": lambda draw: np.tile(np.arange(28) // draw.integers(2, 5) % 2 * 255, (28, 1)).astype(np.uint8),
    "letter": characters("ABCDEFGHKMNOPQRSTUVWXYZabcdefghkmnopqrstuvwxyz"),
    "digit": characters("0123456789"),
    "text": lines_of_text,
    "shape": flat_shape,
    "scribble": scribble,
    "portrait": part_of_a_portrait,
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_pictures_are_warned_of(kind):
    least = 0.7 if kind == "portrait" else 0.8  # some parts of it are as smooth as a garment
    assert share_warned_of(FOREIGN[kind](np.random.default_rng(seed)) for seed in range(NUMBER)) >= least


def test_test_images_are_not_warned_of():
    assert share_warned_of(TEST) <= 0.02


def photograph(image, ground, blurred=0.0, noise=0.0):
    """A garment, inverted and four times as large, on a ground of one level."""
    levels = np.full((160, 170), float(ground))
    large = np.asarray(Image.fromarray(image).resize((112, 112), Image.BICUBIC), float)
    outline = ndimage.binary_fill_holes(image > 13).astype(np.uint8) * 255
    opacity = np.asarray(Image.fromarray(outline).resize((112, 112), Image.BICUBIC), float) / 255
    levels[20:132, 40:152] = opacity * (255 - large) + (1 - opacity) * ground
    levels = ndimage.gaussian_filter(levels, blurred) + np.random.default_rng(0).normal(0, noise, levels.shape)
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("conditions", [{"ground": 250}, {"ground": 128}, {"ground": 240, "blurred": 1, "noise": 4}])
def test_photographs_of_garments_are_not_warned_of(conditions):
    assert share_warned_of(photograph(image, **conditions) for image in TEST[:60]) <= 0.05


@pytest.mark.parametrize("image", [TEST[9], np.zeros((28, 28), np.uint8), np.full((28, 28), 255, np.uint8)])
def test_unlikeness_is_the_distance_farthest_beyond_its_limit(image):
    found = distances(np.stack([TEST[0], image]))
    assert found.shape == (2, len(LIMITS))
    assert np.isfinite(found).all()
    assert unlikeness(image) == pytest.approx(max(found[1] / LIMITS))


def test_turned_garments_are_warned_of_more_often():
    """No boot of the training images stands on its heel."""
    boots = TEST[read_fashion_mnist(SAMPLE).test.labels == 9]
    assert share_warned_of(np.rot90(image) for image in boots) > 10 * share_warned_of(boots) + 0.3

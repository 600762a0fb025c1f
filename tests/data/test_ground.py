"""The ground of a picture and the object on it, as Fashion-MNIST has its objects."""

import numpy as np
import pytest
from PIL import Image

from gluon_cnn.data import FASHION_MNIST, SAMPLE, DatasetInfo, read_fashion_mnist
from gluon_cnn.data.as_fashion_mnist import is_fashion_mnist, read_as_trained, read_picture
from gluon_cnn.data.unlikeness import unlikeness

TEST = read_fashion_mnist(SAMPLE).test
SHOE, SIDE = TEST.images[9], 140


@pytest.fixture
def read(tmp_path):
    """A function that saves an image, and reads it as a picture."""

    def read(image, name="picture.png", **options):
        image = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image).astype(np.uint8))
        image.save(tmp_path / name, quality=70)
        return read_picture(tmp_path / name, name, **options)

    return read


def photograph(ground, image=SHOE, at=(90, 40), light=False):
    """A garment five times as large as in the data set on a ground, a colour or levels 300×250×3."""
    levels = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.BICUBIC))
    mask = np.asarray(Image.fromarray(np.uint8(image > 13) * 255).resize((SIDE, SIDE), Image.NEAREST)) > 0
    picture = np.empty((300, 250, 3))
    picture[:] = ground
    part = picture[at[0] : at[0] + SIDE, at[1] : at[1] + SIDE]
    part[mask] = (levels if light else 255 - levels)[mask][:, None]
    return picture


def likeness(picture, image=SHOE):
    """The correlation of what was read with an image, which need not be in the middle to a pixel."""
    moved = [np.roll(image, move, axis=0).ravel() for move in (-2, -1, 0, 1, 2)]
    return max(np.corrcoef(picture.image.ravel(), pixels)[0, 1] for pixels in moved)


DOWN = np.linspace(0, 1, 300)[:, None, None]
NOISE = np.random.default_rng(0).normal(0, 1, (300, 250, 3))
GROUNDS = {
    "white": 255,
    "nearly white": (250, 247, 240),
    "grey": 128,
    "blue": (60, 110, 200),
    "falling light": np.broadcast_to(250 - 90 * DOWN, (300, 250, 3)),
    "noise": np.clip(235 + 6 * NOISE, 0, 255),
}


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp"])
@pytest.mark.parametrize("ground", GROUNDS)
def test_garment_on_a_ground_is_found(read, ground, ending):
    picture = read(photograph(GROUNDS[ground]), f"picture.{ending}")
    assert likeness(picture) > 0.9
    assert picture.done[0].endswith(": inverted")
    assert picture.done[1] == "cropped to the object"
    assert picture.problem is None
    assert unlikeness(picture.image) < 1


def test_light_garment_on_black_is_not_inverted(read):
    picture = read(photograph(0, light=True))
    assert likeness(picture) > 0.9
    assert picture.done == ("dark ground: not inverted", "cropped to the object")


def test_darker_garment_on_a_dark_ground_is_inverted(read):
    picture = read(photograph(70, image=np.where(SHOE > 13, 255, 0).astype(np.uint8)))
    assert picture.done[0] == "dark ground, and a darker object: inverted"
    assert picture.image.max() == 255


def test_transparent_ground_counts_as_white(read):
    picture = photograph(0)
    opacity = (photograph(255, np.where(SHOE > 13, 255, 0).astype(np.uint8))[:, :, :1] == 0) * 255
    found = read(np.concatenate([picture, opacity], axis=2))
    assert likeness(found) > 0.9
    assert found.done == ("transparent ground, taken as white: inverted", "cropped to the object")


def test_crop_has_the_data_sets_proportions(read):
    for shape, (height, width) in (((200, 50), (28, 7)), ((30, 120), (7, 28))):
        picture = np.full((300, 250, 3), 255)
        picture[20 : 20 + shape[0], 70 : 70 + shape[1]] = 0
        image = read(picture).image
        rows, columns = np.flatnonzero((image > 128).any(axis=1)), np.flatnonzero((image > 128).any(axis=0))
        assert (len(rows), len(columns)) == (height, width)
        assert abs(rows[0] - (27 - rows[-1])) <= 1
        assert abs(columns[0] - (27 - columns[-1])) <= 1


def test_two_shoes_stay_and_specks_go(read):
    picture = np.full((300, 300, 3), 255)
    picture[100:160, 40:120] = picture[100:160, 180:260] = 30
    alone = read(picture).image
    picture[5:9, 5:9] = picture[290:294, 280:284] = 0
    assert (read(picture).image == alone).all()
    assert (alone[:, 11:17].max(), alone[:, :9].max(), alone[:, 19:].max()) == (0, 255, 255)


@pytest.mark.parametrize("image", TEST.images[:40:3])
def test_images_of_the_data_set_stay_as_they_are(read, image):
    assert (read(image).image == image).all()
    assert (read(255 - image).image == image).all()
    assert (read(image, as_is=True).image == image).all()
    assert (read(255 - image, as_is=True, invert=True).image == image).all()


def test_as_is_neither_inverts_nor_crops(read):
    dark = np.full((100, 100, 3), 255)
    dark[40:60, 40:60] = 0
    picture = read(dark, as_is=True)
    assert picture.done == ("left as it is",)
    assert picture.image[0, 0] == 255
    assert picture.image[14, 14] < 10


def test_inverting_can_be_asked_for(read):
    picture = read(photograph(0, light=True), invert=True)
    assert picture.done[0] == "dark ground, but inverted, as asked"
    assert read(photograph(255), invert=True).done[0] == "light ground: inverted"


@pytest.mark.parametrize("level", [0, 7, 128, 255])
@pytest.mark.parametrize("as_is", [False, True])
def test_empty_picture_is_a_problem(read, level, as_is):
    for size in ((50, 40), (28, 28), (1, 1)):
        assert read(Image.new("L", size, level), as_is=as_is).problem.startswith("it is empty")


def test_picture_without_an_even_ground_is_a_problem(read):
    picture = read(np.random.default_rng(0).integers(0, 256, (200, 200, 3)))
    assert "no even ground" in picture.problem
    assert picture.done == ("no even ground: not cropped",)


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (2, 3), (401, 399), (28, 29)])
def test_any_size_gives_an_image(read, size):
    draw = np.random.default_rng(0)
    for picture in (draw.integers(0, 256, (*size, 3)), np.full((*size, 4), 100), np.zeros((*size, 4))):
        found = read(picture)
        assert (found.image.shape, found.image.dtype) == ((28, 28), np.uint8)


def test_own_pictures_are_read_as_in_training(tmp_path):
    info = DatasetInfo("mine", ("cat", "dog"), channels=3, side=20)
    levels = np.random.default_rng(0).integers(0, 256, (20, 40, 3)).astype(np.uint8)
    Image.fromarray(levels).save(tmp_path / "wide.png")
    picture = read_as_trained(tmp_path / "wide.png", "wide.png", info)
    assert (picture.image == levels[:, 10:30]).all()
    assert picture.done == ("resized and cut to the middle 20×20, as in training",)
    assert picture.problem is None
    Image.new("RGB", (30, 30), (9, 99, 199)).save(tmp_path / "plain.png")
    assert read_as_trained(tmp_path / "plain.png", "plain.png", info).problem == "it is empty: it has one colour only"
    assert not is_fashion_mnist(info)
    assert is_fashion_mnist(read_fashion_mnist(SAMPLE).info)
    assert is_fashion_mnist(FASHION_MNIST)

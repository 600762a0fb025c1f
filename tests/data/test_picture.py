"""Pictures of any size and colour as images of the data set, and files that are none."""

import io

import numpy as np
import pytest
from PIL import Image

from gluon_cnn import GluonCNNError
from gluon_cnn.data import SAMPLE, read_fashion_mnist
from gluon_cnn.data.picture import read_picture


@pytest.fixture
def shoe():
    return read_fashion_mnist(SAMPLE).test.images[9]


@pytest.fixture
def save(tmp_path):
    def save(image, name="picture.png", **options):
        image.save(tmp_path / name, **options)
        return tmp_path / name

    return save


def test_picture_of_the_data_set_is_itself(shoe, save):
    assert (read_picture(save(Image.fromarray(shoe))) == shoe).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "CMYK"])
def test_colours(shoe, save, mode):
    name = "picture.jpg" if mode == "CMYK" else "picture.png"
    picture = read_picture(save(Image.fromarray(shoe).convert(mode), name))
    assert picture.dtype == np.uint8
    assert np.abs(picture.astype(int) - shoe).mean() < 6


def test_sixteen_bits(shoe, save):
    assert (read_picture(save(Image.fromarray(shoe.astype(np.uint16) * 257))) == shoe).all()


def test_dark_on_light(shoe, save):
    assert (read_picture(save(Image.fromarray(255 - shoe)), invert=True) == shoe).all()


@pytest.mark.parametrize("invert", [False, True])
def test_transparent_is_background(save, invert):
    picture = Image.new("RGBA", (40, 40), (200, 10, 10, 0))
    assert (read_picture(save(picture), invert=invert) == 0).all()


def test_other_shapes_are_centred_not_stretched(save):
    picture = read_picture(save(Image.new("L", (400, 100), 255), "wide.jpg"))
    assert picture.shape == (28, 28)
    rows = picture.mean(axis=1) > 128
    assert rows.sum() == pytest.approx(7, abs=1)
    assert rows[10:18].any()
    assert not rows[:9].any()


@pytest.mark.parametrize("size", [(1, 1), (1000, 1), (1, 1000)])
def test_extreme_shapes(save, size):
    assert read_picture(save(Image.new("L", size, 9))).shape == (28, 28)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_files_that_are_no_picture(tmp_path, content):
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    with pytest.raises(GluonCNNError, match="cannot be read as a picture"):
        read_picture(path)


def test_half_a_picture(tmp_path, shoe):
    buffer = io.BytesIO()
    Image.fromarray(shoe).save(buffer, "PNG")
    path = tmp_path / "half.png"
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    with pytest.raises(GluonCNNError, match="cannot be read as a picture"):
        read_picture(path)


def test_missing_picture(tmp_path):
    with pytest.raises(GluonCNNError, match="No such file"):
        read_picture(tmp_path / "none.png")


def test_decompression_bomb(save, monkeypatch):
    path = save(Image.new("L", (200, 200)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30_000)
    with pytest.raises(GluonCNNError, match="more than 30,000 pixels"):
        read_picture(path)

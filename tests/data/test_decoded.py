"""Pictures of any format, mode, size and orientation as arrays."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from pictures import picture
from PIL import Image

from gluon_cnn.data.decoded import decode, is_grey, upright
from gluon_cnn.data.image_formats import reduced
from gluon_cnn.errors import ImageError

RED = (210, 40, 40)
MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA"),
    "JPEG": ("L", "RGB", "CMYK", "YCbCr"),
    "WEBP": ("L", "RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
}


def encoded(image, format="PNG", **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def whole(content, name, channels=None, background=0):
    """A picture upright, in its own size: grey if it is, unless ``channels`` says otherwise."""
    return np.asarray(upright(content, name, channels or (1 if is_grey(content, name) else 3), background))


def chunk(kind, data):
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def png_header(width, height, colour=2, depth=8):
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">LLBBBBB", width, height, depth, colour, 0, 0, 0))


@pytest.mark.parametrize(("format", "mode"), [(format, mode) for format, modes in MODES.items() for mode in modes])
def test_any_format_and_mode(format, mode):
    image = picture(RED, 0).convert(mode)
    content, expected = encoded(image, format), np.asarray(image.convert("RGB").resize((8, 8), Image.BOX), int)
    colour, grey = decode(content, "x", 8, 3), decode(content, "x", 8, 1)
    assert (colour.shape, colour.dtype, grey.shape) == ((8, 8, 3), np.uint8, (8, 8))
    assert abs(colour.mean((0, 1)) - expected.mean((0, 1))).max() < (30 if format == "WEBP" or mode == "CMYK" else 12)
    assert whole(content, "x", 3).shape == (32, 40, 3)
    assert whole(content, "x", 1).shape == (32, 40)


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_become_eight(channels):
    levels = np.arange(0, 65536, 1024, np.uint16).reshape(8, 8)
    found = whole(encoded(Image.fromarray(levels)), "x", channels)
    assert (found.reshape(8, 8, -1) == (levels >> 8)[..., None]).all()


def test_sixteen_bits_in_colour():
    rows = b"".join(b"\0" + struct.pack(">6H", 65535, 0, 0, 0, 65535, 256) for _ in range(2))
    content = png_header(2, 2, depth=16) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert whole(content, "x").tolist() == [[[255, 0, 0], [0, 255, 1]]] * 2


@pytest.mark.parametrize("background", [0, 255])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_is_background(mode, background):
    options = {"transparency": 0} if mode == "P" else {}
    image = Image.new(mode, (4, 4)) if mode == "P" else Image.new("RGBA", (4, 4), (200, 10, 10, 0)).convert(mode)
    assert (whole(encoded(image, **options), "x", 3, background) == background).all()


@pytest.mark.parametrize("size", [(90, 30), (30, 90)])
def test_square_in_the_middle_is_taken(size):
    image = Image.new("RGB", size, (255, 0, 0))
    image.paste((0, 255, 0), (size[0] // 2 - 15, size[1] // 2 - 15, size[0] // 2 + 15, size[1] // 2 + 15))
    found = decode(encoded(image), "x", 10, 3)
    assert (found[1:-1, 1:-1] == (0, 255, 0)).all()  # at its edges the pixels beside it count too


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 500), (500, 1)])
def test_small_and_extreme_pictures(size):
    assert (decode(encoded(Image.new("RGB", size, RED)), "x", 28, 3) == RED).all()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_a_picture_upright(format, orientation):
    image = Image.new("RGB", (48, 32), (250, 250, 250))
    image.paste((10, 10, 200), (0, 0, 24, 16))  # at the top left
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}.get(orientation)
    stored = image if back is None else image.transpose(back)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {"quality": 95} if format == "JPEG" else {}
    found = whole(encoded(stored, format, exif=exif, **options), "x", 3)
    assert found.shape == (32, 48, 3)
    assert abs(found.astype(int) - np.asarray(image)).mean() < 4


def test_large_jpeg_is_decoded_at_a_part_of_its_size():
    image = picture(RED, 0, (64, 48)).resize((1600, 1200), Image.BICUBIC)
    small, whole = decode(encoded(image, "JPEG"), "x", 28, 3), decode(encoded(image, "PNG"), "x", 28, 3)
    assert abs(small.astype(int) - whole).mean() < 3


@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP"])
@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "P"])
def test_grey_in_any_mode_is_grey(format, mode):
    if mode not in MODES[format]:
        pytest.skip("the format has no such mode")
    image = picture(RED, 0).convert("L").convert(mode)
    assert is_grey(encoded(image, format), "x")
    assert whole(encoded(image, format), "x").ndim == 2


def test_one_pixel_of_colour_is_colour():
    image = Image.new("RGB", (64, 64), (90, 90, 90))
    image.putpixel((63, 63), (90, 90, 91))
    assert not is_grey(encoded(image), "x")
    assert not is_grey(encoded(image.convert("RGBA")), "x")
    assert not is_grey(encoded(picture(RED, 0), "JPEG"), "x")


HUGE = {
    "PNG": png_header(50_000, 50_000) + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b""),
    "JPEG": b"\xff\xd8\xff\xc0\0\x11\x08" + struct.pack(">HH", 50_000, 50_000) + b"\3\1\x22\0\2\x11\1\3\x11\1\xff\xd9",
    "BMP": b"BM" + struct.pack("<LHHLLllHHLLllLL", 99, 0, 0, 54, 40, 50_000, -50_000, 1, 24, 0, 0, 0, 0, 0, 0),
    "WEBP": b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(4) + (16_382).to_bytes(3, "little") * 2,
}


@pytest.mark.parametrize("format", HUGE)
def test_picture_of_billions_of_pixels_is_refused(format):
    with pytest.raises(ImageError, match=r"^cat/1 claims .*, and a picture can have 52,000,000 pixels"):
        decode(HUGE[format], "cat/1", 28, 3)


def test_limit_of_webp_is_smaller(monkeypatch):
    monkeypatch.setattr("gluon_cnn.data.decoded.MOST_WEBP_PIXELS", 40 * 32 - 1)
    decode(encoded(picture(RED, 0), "PNG"), "x", 8, 3)
    with pytest.raises(ImageError, match="x claims 40×32, and a picture can have"):
        decode(encoded(picture(RED, 0), "WEBP"), "x", 8, 3)


@pytest.mark.parametrize("content", [b"", b"BM", b"RIFF", b"RIFF\0\0\0\0WEBP", b"GIF89a", b"\xff\xd8", b"text" * 99])
def test_what_is_no_picture_is_named(content):
    with pytest.raises(ImageError, match=r"^cat/1 cannot be read as a picture"):
        decode(content, "cat/1", 28, 3)


@pytest.mark.parametrize("format", MODES)
def test_damaged_pictures_raise_one_error(format):
    whole, stream = encoded(picture(RED, 0), format), np.random.RandomState(0)
    for _ in range(60):
        content = bytearray(whole[: stream.randint(1, len(whole) + 1)])
        for _ in range(stream.randint(0, 9)):
            content[stream.randint(len(content))] = stream.randint(256)
        with contextlib.suppress(ImageError):  # and nothing else
            assert decode(bytes(content), "x", 8, 3).shape == (8, 8, 3)


def test_bmp_is_read_no_further_than_its_pixels():
    file = io.BytesIO(encoded(Image.new("L", (10, 10)), "BMP") + bytes(10**6))
    assert len(reduced(file, "x").file.read()) < 10**5

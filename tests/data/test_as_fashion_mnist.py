"""Pictures of any size and colour as images of the data set, and files that are none."""

import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from gluon_cnn import GluonCNNError
from gluon_cnn.data import SAMPLE, as_fashion_mnist, read_fashion_mnist


def read_picture(path, as_is=True, **options):
    """The image that a network gets of a picture as it is; the ground is looked for in test_ground.py."""
    return as_fashion_mnist.read_picture(path, path, as_is=as_is, **options).image


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


def png(size, depth=8, colour=0, extra=b"", content=b""):
    """A PNG's bytes: its header, chunks ``extra`` before the data, and the data before compression."""

    def chunk(kind, data):
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    header = struct.pack(">LLBBBBB", *size, depth, colour, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + (chunk(*extra) if extra else b"")
    return b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IDAT", zlib.compress(content, 9)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(9400, 9400), (2**31 - 1, 2**31 - 1), (65536, 1), (1, 2**31 - 1)])
def test_pictures_that_claim_too_much_are_refused(tmp_path, size):
    (tmp_path / "picture.png").write_bytes(png(size))
    with pytest.raises(GluonCNNError, match=r"a picture can have 52,000,000 pixels .* make it smaller"):
        read_picture(tmp_path / "picture.png")


def test_limit_is_smaller_in_cmyk(save, monkeypatch):
    monkeypatch.setattr("gluon_cnn.data.decoded.MOST_CMYK_PIXELS", 99)
    assert read_picture(save(Image.new("RGB", (10, 10)), "rgb.jpg")).shape == (28, 28)
    with pytest.raises(GluonCNNError, match="claims 10×10, and a picture can have"):
        read_picture(save(Image.new("CMYK", (10, 10)), "cmyk.jpg"))


READ = """
import re, sys
from pathlib import Path
from gluon_cnn.data.as_fashion_mnist import read_picture
for path in sys.argv[1:]:
    assert read_picture(path, path).image.shape == (28, 28)
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def test_large_pictures_take_little_memory(save):
    """Of telephones, and the longest: MXNet and a network need 230 MB beside them, and 600 is what may be used."""
    photo = Image.new("RGB", (8192, 6144), (90, 200, 30))
    progressive = {"progressive": True, "subsampling": 0, "quality": 1}
    pictures = {
        "png": [save(photo.convert("RGBA"), "photo.png", compress_level=1)],
        "jpg": [save(photo, "photo.jpg", **progressive)],
        "long": [save(Image.new("L", size), f"{size[0]}.PNG") for size in ((1, 50_000), (65_535, 1))],
    }
    for name, paths in pictures.items():
        done = subprocess.run([sys.executable, "-c", READ, *paths], check=True, capture_output=True, text=True)
        assert int(done.stdout) < 370_000, name
        assert not done.stderr


def test_draft_of_a_photograph_shows_the_same(shoe, save, monkeypatch):
    path = save(Image.fromarray(shoe).convert("RGB").resize((2500, 2000)), "large.jpg", quality=95)
    draft = read_picture(path)
    monkeypatch.setattr("gluon_cnn.data.as_fashion_mnist._ENOUGH", 2500 * 2000)
    difference = np.abs(draft.astype(int) - read_picture(path))
    assert difference.mean() < 1


@pytest.mark.parametrize(
    ("depth", "colour", "key", "pixels"),
    [
        (1, 0, (1,), b"\xaa" * 8),
        (2, 0, (2,), b"\x22" * 16),
        (4, 0, (11,), b"\xb0" * 32),
        (8, 0, (200,), b"\xc8\0" * 32),
        (16, 0, (51201,), b"\xc8\1\xc8\0" * 32),
        (8, 2, (9, 200, 7), b"\x09\xc8\x07\0\0\0" * 32),
        (16, 2, (2305, 51201, 7), b"\x09\x01\xc8\x01\x00\x07\0\0\0\0\0\0" * 32),
    ],
)
def test_transparent_level_or_colour_is_background(tmp_path, depth, colour, key, pixels):
    transparent = b"tRNS", struct.pack(f">{len(key)}H", *key)
    rows = b"".join(b"\0" + pixels for _ in range(64))
    (tmp_path / "with.png").write_bytes(png((64, 64), depth, colour, transparent, rows))
    (tmp_path / "without.png").write_bytes(png((64, 64), depth, colour, b"", rows))
    assert read_picture(tmp_path / "without.png").max() > 0
    hidden = read_picture(tmp_path / "with.png")
    assert hidden.mean() == pytest.approx(100 if depth == 16 and colour == 0 else 0, abs=1)  # half have one level less


def exif(orientation, kind=3):
    """Exif data with an orientation behind an entry that Pillow can read and not write."""
    mark, order = (b"MM\0*", ">") if kind in (4, 9, 13) else (b"II*\0", "<")
    value = struct.pack(f"{order}L" if kind in (4, 9, 13) else f"{order}Hxx", orientation)
    entries = struct.pack(f"{order}HHLLHHL", 0x010F, 99, 2**31, 2**31, 0x0112, kind, 1) + value
    return b"Exif\0\0" + mark + struct.pack(f"{order}LH", 8, 2) + entries


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["picture.png", "picture.jpg"])
def test_orientation_counts_whatever_else_exif_holds(shoe, save, name, orientation):
    turned = save(Image.fromarray(shoe), name, exif=exif(orientation), quality=100)
    turns = [0, 0, Image.FLIP_LEFT_RIGHT, Image.ROTATE_180, Image.FLIP_TOP_BOTTOM, Image.TRANSPOSE, Image.ROTATE_270]
    turns += [Image.TRANSVERSE, Image.ROTATE_90]
    expected = Image.fromarray(shoe)
    expected = expected if orientation == 1 else expected.transpose(turns[orientation])
    assert np.abs(read_picture(turned).astype(int) - np.asarray(expected)).max() < 8


@pytest.mark.parametrize("kind", [3, 4, 6, 8, 9, 13])
def test_orientation_may_be_any_whole_number(shoe, save, kind):
    assert (read_picture(save(Image.fromarray(shoe), exif=exif(3, kind))) == shoe[::-1, ::-1]).all()


@pytest.mark.parametrize("where", ["Raw profile type exif", "XML:com.adobe.xmp"])
def test_orientation_in_a_text_counts(shoe, save, where):
    data = exif(3)
    profile = f"\nexif\n{len(data):8}\n{data.hex()}\n"
    texts = PngImagePlugin.PngInfo()
    texts.add_text(where, profile if where.startswith("Raw") else '<x tiff:Orientation="3"/>', zip=True)
    assert (read_picture(save(Image.fromarray(shoe), pnginfo=texts)) == shoe[::-1, ::-1]).all()


@pytest.mark.parametrize("data", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", exif(3)[:-9], exif(77), exif(3, 2)])
def test_damaged_exif_is_no_reason_to_refuse(shoe, save, data):
    assert (read_picture(save(Image.fromarray(shoe), exif=data)) == shoe).all()


def many_scans(content):
    return content[:-2] + content[content.rindex(b"\xff\xda") : -2] * 200 + content[-2:]


def many_segments(content):
    return content[:2] + b"\xff\xe1\0\x09Exif\0\0x" * 20_000 + content[2:]


@pytest.mark.parametrize("change", [many_scans, many_segments])
def test_jpeg_of_too_many_parts_is_refused(shoe, save, change):
    path = save(Image.fromarray(shoe), "picture.jpg", progressive=True)
    assert read_picture(path).shape == (28, 28)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(GluonCNNError, match="it has more scans or segments than a picture needs"):
        read_picture(path)


def test_what_pixels_do_not_need_is_skipped(shoe, tmp_path, save):
    path = save(Image.fromarray(shoe))
    profile = zlib.compress(bytes(2**22), 9)
    for kind, data in ((b"iCCP", b"x\0\0" + profile), (b"zTXt", b"x\0\0" + profile), (b"fcTL", b"too short")):
        content = path.read_bytes()
        chunk = struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))
        (tmp_path / "more.png").write_bytes(content[:33] + chunk * 100 + content[33:])
        assert (read_picture(tmp_path / "more.png") == shoe).all()


@pytest.mark.parametrize("format", ["GIF", "TIFF", "ICO", "PPM", "JPEG2000", "TGA"])
def test_other_formats_are_refused_whatever_their_name(shoe, save, format):
    try:
        path = save(Image.fromarray(shoe), "picture.PNG", format=format)
    except (OSError, KeyError) as error:
        pytest.skip(f"Pillow cannot write {format} here: {error}")
    with pytest.raises(GluonCNNError, match=r"cannot be read as a picture \(it is not a PNG, JPEG"):
        read_picture(path)


@pytest.mark.parametrize("kind", ["fifo", "directory", "/dev/zero"])
def test_only_regular_files_are_pictures(tmp_path, kind):
    path = tmp_path / "picture.png"
    {"fifo": os.mkfifo, "directory": os.mkdir}.get(kind, lambda path: path.symlink_to(kind))(path)
    with pytest.raises(GluonCNNError, match=r"cannot be read as a picture \(not a regular file\)"):
        read_picture(path)


def test_picture_file_of_gigabytes_is_not_read(tmp_path):
    path = tmp_path / "sparse.jpg"
    path.write_bytes(b"\xff\xd8\xff")
    os.truncate(path, 2**33)
    with pytest.raises(GluonCNNError, match="it is larger than 256 MiB"):
        read_picture(path)

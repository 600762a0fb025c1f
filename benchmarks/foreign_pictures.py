"""Pictures of what is no garment: each kind a function of a random generator."""

from pathlib import Path

import matplotlib
import numpy as np
from drawn_photographs import as_image, as_jpeg
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

DATA = Path(matplotlib.get_data_path())
FONTS = [
    DATA / "fonts" / "ttf" / f"{name}.ttf"
    for name in ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono", "cmr10", "STIXGeneral")
]


def noise(draw):
    return Image.fromarray(draw.integers(0, 256, (200, 200, 3)).astype(np.uint8))


def gradient(draw):
    down, across = np.mgrid[:200, :200] / 199
    begin, end = draw.integers(0, 256, (2, 3))
    return Image.fromarray((begin + (end - begin) * ((across + down) / 2)[:, :, None]).astype(np.uint8))


def characters(letters):
    def character(draw):
        image = Image.new("L", (200, 200), 255)
        font = ImageFont.truetype(str(draw.choice(FONTS)), 130)
        ImageDraw.Draw(image).text((60, 20), str(draw.choice(list(letters))), font=font, fill=0)
        return image.rotate(float(draw.uniform(-10, 10)), resample=Image.BICUBIC, fillcolor=255)

    return character


def text(draw):
    image = Image.new("L", (400, 300), 255)
    font = ImageFont.truetype(str(draw.choice(FONTS)), 20)
    for line in range(draw.integers(3, 11)):
        words = "".join(draw.choice(list("abcdefghijklmnopqrstuvwxyz     "), draw.integers(10, 34)))
        ImageDraw.Draw(image).text((20, 10 + 26 * line), words, font=font, fill=20)
    return image


def shape(draw):
    """A polygon, a star or a disc of one colour on white."""
    image, corners = Image.new("RGB", (300, 300), "white"), int(draw.choice([3, 4, 5, 6, 60]))
    is_star = corners < 60 and draw.random() < 0.3
    turns = draw.uniform(0, 6.3) + np.arange(corners * 2) * np.pi / corners
    radii = np.where(np.arange(corners * 2) % 2, 45 if is_star else 100 * np.cos(np.pi / corners), 100)
    points = [(150 + r * np.cos(t), 150 + r * np.sin(t)) for r, t in zip(radii, turns)]
    ImageDraw.Draw(image).polygon(points, fill=tuple(map(int, draw.integers(0, 200, 3))))
    return image


def scribble(draw):
    corners = draw.uniform(40, 240, (draw.integers(3, 7), 2))
    along = np.linspace(0, len(corners) - 1, 120)
    path = np.stack([np.interp(along, range(len(corners)), corners[:, axis]) for axis in (0, 1)], axis=1)
    path = ndimage.gaussian_filter1d(path, 4, axis=0)
    image = Image.new("L", (280, 280), 255)
    ImageDraw.Draw(image).line(
        [tuple(point) for point in path], fill=0, width=int(draw.integers(10, 24)), joint="curve"
    )
    return image


def texture(draw):
    size = draw.uniform(1, 12)
    levels = np.stack([ndimage.gaussian_filter(draw.normal(0, 1, (200, 200)), size) for _ in range(3)], axis=2)
    return as_image((levels - levels.min()) / np.ptp(levels))


def stripes(draw):
    """Stripes or a chequered pattern."""
    turn, period, (down, across) = draw.uniform(0, np.pi), draw.uniform(8, 50), np.mgrid[:200, :200]
    waves = [np.sin((np.cos(t) * across + np.sin(t) * down) * 2 * np.pi / period) > 0 for t in (turn, turn + np.pi / 2)]
    return as_image((waves[0] ^ waves[1] if draw.random() < 0.5 else waves[0]).astype(float))


def part_of(*names):
    """Of one of Matplotlib's sample pictures."""

    def part(draw):
        with Image.open(DATA / "sample_data" / str(draw.choice(names))) as image:
            side = int(draw.integers(60, min(400, *image.size)))
            left, top = (int(draw.integers(0, length - side)) for length in image.size)
            return image.convert("RGB").crop((left, top, left + side, top + side))

    return part


def photographed(foreign):
    """The same on grey paper in uneven light, with a camera's noise."""

    def photograph(draw):
        levels = 0.12 + 0.8 * np.asarray(foreign(draw).convert("RGB"), float) / 255
        levels *= np.linspace(1, 0.85, levels.shape[1])[:, None]
        return as_jpeg(as_image(levels + draw.normal(0, 0.02, levels.shape)), 60)

    return photograph


def plain(draw):
    return Image.new("RGB", (100, 100), tuple(map(int, draw.integers(0, 256, 3))))


LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
DIGITS = "0123456789"
FOREIGN = {
    "one colour": plain,
    "a gradient": gradient,
    "noise": noise,
    "a soft texture": texture,
    "stripes, chequers": stripes,
    "lines of text": text,
    "a letter": characters(LETTERS),
    "a digit": characters(DIGITS),
    "a scribble": scribble,
    "a polygon, star or disc": shape,
    "lines of text, photographed": photographed(text),
    "a letter, photographed": photographed(characters(LETTERS)),
    "a digit, photographed": photographed(characters(DIGITS)),
    "a scribble, photographed": photographed(scribble),
    "a polygon, star or disc, photographed": photographed(shape),
    "part of a portrait": part_of("grace_hopper.jpg"),
    "part of a packet or a logo": part_of("Minduka_Present_Blue_Pack.png", "logo2.png"),
}

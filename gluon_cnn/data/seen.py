"""A figure of pictures beside what a network saw of them."""

from pathlib import Path
from typing import NamedTuple, Tuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from gluon_cnn.files import write_atomically

__all__ = ["MOST_SEEN", "Seen", "is_seen", "save_seen"]

#: Pictures in one figure.
MOST_SEEN = 50
_SIDE, _GAP = 224, 16  # pixels: of a picture, and between two
_WIDTH = 2 * _SIDE + 3 * _GAP  # which a telephone shows with words that can be read
_LINE, _LETTERS = 19, 15
_PAPER, _INK, _FRAME = "white", "#1b1f24", "#9aa3ad"
_SOFTWARE = "gluon-cnn predict"  # in the PNG, which tells a figure from a picture of the user's
_CLEAR = (236, 236, 236, 255)  # under what is transparent


class Seen(NamedTuple):
    """One row of the figure.

    Attributes
    ----------
    original : PIL.Image.Image
        RGBA.
    image : np.ndarray
        What the network saw, uint8 H×W, or H×W×3 in colour.
    words : tuple of str
        Lines to write below them, the first one in bold.
    """

    original: Image.Image
    image: np.ndarray
    words: Tuple[str, ...]


def save_seen(rows, path):
    """Draw a figure of one row or more to a PNG, which appears whole; of more than :data:`MOST_SEEN` the first ones.

    Parameters
    ----------
    rows : list of Seen
    path : path
    """
    fonts = [_font("DejaVuSans-Bold.ttf"), _font("DejaVuSans.ttf")]
    drawn = [_drawn(row, fonts) for row in rows[:MOST_SEEN]]
    figure = Image.new("RGB", (_WIDTH, sum(part.height for part in drawn)), _PAPER)
    top = 0
    for part in drawn:
        figure.paste(part, (0, top))
        top += part.height
    about = PngImagePlugin.PngInfo()
    about.add_text("Software", _SOFTWARE)
    with write_atomically(path) as temporary:
        figure.save(temporary, "PNG", pnginfo=about)


def is_seen(path):
    """Whether a file is a PNG that :func:`save_seen` drew; False if it cannot be read."""
    try:
        with open(path, "rb") as file:
            begin = file.read(33 + 8 + 100)  # the signature and the header, then the text, which Pillow writes next
    except OSError:
        return False
    return begin.startswith(b"\x89PNG\r\n\x1a\n") and begin[37:].startswith(f"tEXtSoftware\0{_SOFTWARE}".encode())


def _drawn(row, fonts):
    """The two pictures of a row, and the words below them."""
    lines = [(fonts[min(order, 1)], line) for order, text in enumerate(row.words) for line in _wrapped(text, fonts)]
    part = Image.new("RGB", (_WIDTH, _SIDE + 3 * _GAP + len(lines) * _LINE), _PAPER)
    draw = ImageDraw.Draw(part)
    for place, image in enumerate((row.original, Image.fromarray(row.image))):
        shown = _fitted(image)
        left = _GAP + place * (_SIDE + _GAP) + (_SIDE - shown.width) // 2
        top = _GAP + (_SIDE - shown.height) // 2
        part.paste(shown, (left, top))
        draw.rectangle([left - 1, top - 1, left + shown.width, top + shown.height], outline=_FRAME)
    for order, (font, line) in enumerate(lines):
        draw.text((_GAP, _SIDE + _GAP + _GAP // 2 + order * _LINE), line, _INK, font=font)
    return part


def _fitted(image):
    """A picture as large as there is room; a small one with its pixels to be seen."""
    scale = _SIDE / max(image.size)
    size = [max(1, round(side * scale)) for side in image.size]
    image = image.convert("RGBA")
    image = Image.alpha_composite(Image.new("RGBA", image.size, _CLEAR), image).convert("RGB")
    return image.resize(size, Image.NEAREST if scale >= 2 else Image.BICUBIC)


def _font(name):
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), _LETTERS)


def _wrapped(text, fonts):
    """A text in lines that are short enough, by the wider font."""
    lines = [""]
    for word in text[:500].split(" "):
        while _width(word, fonts) > _WIDTH - 2 * _GAP:
            cut = next(at for at in range(len(word), 0, -1) if at == 1 or _width(word[:at], fonts) <= _WIDTH - 2 * _GAP)
            lines, word = [*lines, word[:cut]], word[cut:]
        together = f"{lines[-1]} {word}" if lines[-1] else word
        lines = [*lines[:-1], together] if _width(together, fonts) <= _WIDTH - 2 * _GAP else [*lines, word]
    return [line for line in lines if line]


def _width(text, fonts):
    mask = fonts[0].getmask(text)
    return mask.size[0]

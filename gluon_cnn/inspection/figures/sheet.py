"""A sheet on which pictures and words are placed, in inches from its upper left corner."""

import numpy as np

from gluon_cnn.comparison.svg import INK
from gluon_cnn.inspection.figures.style import WIDTH, limit_of, signed_colors

__all__ = ["Sheet", "picture_of", "pictures_at"]

# Over a dark picture, where a page's own colours would be too dark.
_OVER_FOR, _OVER_AGAINST = np.array([1.0, 0.52, 0.12]), np.array([0.3, 0.65, 1.0])
_MOST = 112  # pixels of a picture's side: more are not seen, and would make the page large


class Sheet:
    """A figure of pictures.

    Parameters
    ----------
    height : float
        In inches.
    """

    def __init__(self, height):
        from matplotlib.figure import Figure

        self.figure = Figure(figsize=(WIDTH, height))
        self._axes = self.figure.add_axes([0, 0, 1, 1])
        self._axes.axis("off")
        self._axes.set(xlim=(0, WIDTH), ylim=(height, 0))
        self._axes.autoscale(False)

    def picture(self, image, left, top, width, height=None, **options):
        """Draw H×W or H×W×3 pixels into a rectangle, as large as it can be without another shape; where it is then:
        (left, top, width, height)."""
        height = width if height is None else height
        rows, columns = image.shape[:2]
        scale = min(width / columns, height / rows)
        box = (
            left + (width - scale * columns) / 2,
            top + (height - scale * rows) / 2,
            scale * columns,
            scale * rows,
        )
        self._draw(image, box, **options)
        return box

    def _draw(self, image, box, **options):
        left, top, width, height = box
        options = {"cmap": "gray", "vmin": 0, "vmax": 1, **options}
        self._axes.imshow(
            thinned(image),
            extent=(left, left + width, top + height, top),
            aspect="auto",
            interpolation="none",
            **options,
        )

    def signed(self, values, left, top, width, limit=None, height=None):
        """Draw values with a sign on the common scale, which ends at ``limit``."""
        limit = limit_of(values) if limit is None else limit
        return self.picture(values, left, top, width, height, cmap=signed_colors(), vmin=-limit, vmax=limit)

    def overlay(self, values, box, limit):
        """Lay values with a sign over a picture: the further from 0, the less of the picture is seen."""
        share = np.clip(values / limit, -1, 1)
        colors = np.where(share[..., np.newaxis] > 0, _OVER_FOR, _OVER_AGAINST)
        self._draw(np.concatenate([colors, 0.85 * np.abs(share[..., np.newaxis]) ** 0.8], axis=-1), box)

    def overlay_map(self, values, box, limit, field=None, sides=None):
        """Lay a layer's map over the picture of C×H×W that fills a box: where its positions look, if that is known."""
        left, top, width, height = box
        if field is not None and field.stride is not None and min(field.stride) > 0:
            (y0, y1), (x0, x1) = (
                (offset + (size - stride) / 2, offset + (size - stride) / 2 + stride * number)
                for offset, size, stride, number in zip(field.offset, field.size, field.stride, values.shape)
            )
            scale = width / sides[1], height / sides[0]
            box = left + x0 * scale[0], top + y0 * scale[1], (x1 - x0) * scale[0], (y1 - y0) * scale[1]
        self.overlay(values, box, limit)

    def words(self, text, left, top, size=9.5, **options):
        """Write words whose upper left corner is there."""
        options = {"va": "top", "color": INK, **options}
        return self._axes.text(left, top, text, size=size, **options)

    def outline(self, left, top, width, height, color, lw=1.2):
        """Draw a rectangle."""
        from matplotlib.patches import Rectangle

        self._axes.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=color, lw=lw))

    def scale(self, limit, top, words, unsigned=False, overlay=False):
        """Draw the scale of the colours, which ends at ``limit``, 0.35 inches high."""
        values = np.linspace(0 if unsigned else -1, 1, 128)[np.newaxis]
        width = 2.0
        left = (WIDTH - width) / 2
        box = left, top, width, 0.1
        if overlay:
            self._draw(np.full((1, 1), 0.35), box)
            self.overlay(values, box, 1)
        else:
            self._draw(values, box, cmap=signed_colors(), vmin=-1, vmax=1)
        least = "0" if unsigned else f"−{limit:.3g}"
        self.words(least, left - 0.05, top - 0.02, ha="right", size=9)
        self.words(f"{limit:.3g}", left + width + 0.05, top - 0.02, size=9)
        self.words(words, WIDTH / 2, top + 0.13, ha="center", size=9)


def picture_of(image):
    """An image C×H×W in [0, 1] as a sheet draws it: H×W if it has one channel, H×W×3 if three; of any other number
    their mean."""
    if len(image) == 3:
        return np.clip(image.transpose(1, 2, 0), 0, 1)
    return np.clip(image.mean(axis=0), 0, 1)


def pictures_at(pictures, numbers):
    """The images of some numbers, from an array of all, or from a function that gives them."""
    return np.asarray(pictures(numbers) if callable(pictures) else pictures[numbers])


def thinned(image):
    """An image of which blocks of pixels were averaged until it has few enough."""
    step = -(-max(image.shape[:2]) // _MOST)
    rows, columns = (side // step * step for side in image.shape[:2])
    if step == 1 or not rows or not columns:
        return image
    blocks = image[:rows, :columns].reshape(rows // step, step, columns // step, step, *image.shape[2:])
    return blocks.mean(axis=(1, 3))

"""Test images of Fashion-MNIST drawn as photographs: each kind a function of an image and a random generator.

A photograph is a test image of the sample, enlarged six times and inverted, as the garment was before it became that
image, on a ground, with a margin, and not in the middle. Real photographs, with other things and people in them, are
harder.
"""

import io

import numpy as np
from PIL import Image
from scipy import ndimage

SCALE = 6
SIDE, FULL = 28 * SCALE, 28 * SCALE * 3 // 2  # pixels: of the garment, and of the photograph


def as_image(levels):
    return Image.fromarray(np.clip(levels * 255 + 0.5, 0, 255).astype(np.uint8))


def as_jpeg(image, quality):
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    return Image.open(content)


def garment(image, draw):
    """The garment's levels from 0 to 1, and where it is, somewhere in the photograph."""
    pixels = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.BICUBIC), float) / 255
    outline = ndimage.binary_fill_holes(image > 13).astype(np.uint8) * 255
    outline = np.asarray(Image.fromarray(outline).resize((SIDE, SIDE), Image.BICUBIC), float) / 255
    levels, mask = np.zeros((2, FULL, FULL))
    top, left = (FULL - SIDE) // 2 + draw.integers(-SIDE // 8, SIDE // 8 + 1, 2)
    levels[top : top + SIDE, left : left + SIDE] = pixels
    mask[top : top + SIDE, left : left + SIDE] = np.clip((outline - 0.3) / 0.4, 0, 1)
    return levels, mask


def on(ground, tint=(1, 1, 1), inverted=True):
    """A function that draws a garment on a ground, a colour or what a function draws."""

    def photograph(image, draw):
        levels, mask = garment(image, draw)
        colours = (1 - levels if inverted else levels)[:, :, None] * np.array(tint)
        behind = ground(draw, mask) if callable(ground) else np.broadcast_to(ground, (FULL, FULL, 3))
        return as_image(colours * mask[:, :, None] + behind * (1 - mask[:, :, None]))

    return photograph


def falling_off(draw, mask):
    """Light that falls off towards a corner."""
    down, across = np.mgrid[:FULL, :FULL] / FULL
    return np.repeat((0.95 - 0.35 * (0.6 * across + 0.4 * down))[:, :, None], 3, axis=2)


def wood(draw, mask):
    grain = ndimage.gaussian_filter(draw.normal(0, 1, (FULL, FULL)), (2, 25))
    return np.array([0.80, 0.68, 0.50]) * (1 + 0.06 * (grain / grain.std())[:, :, None])


def with_shadow(draw, mask):
    """Nearly white, darker towards the corners, with a soft shadow of the garment."""
    shadow = 0.3 * ndimage.gaussian_filter(np.roll(mask, (7, 6), (0, 1)), 6)
    down, across = np.mgrid[:FULL, :FULL] / FULL - 0.4
    return np.array([0.96, 0.953, 0.933]) * ((1 - shadow) * (1 - 0.15 * (across**2 + down**2)))[:, :, None]


def with_noise(photograph, deviation, quality):
    def noisy(image, draw):
        levels = np.asarray(photograph(image, draw), float) / 255
        return as_jpeg(as_image(levels + draw.normal(0, deviation, levels.shape)), quality)

    return noisy


def cut_out(image, draw):
    levels, mask = garment(image, draw)
    return Image.fromarray(np.dstack([np.asarray(as_image(1 - levels))] * 3 + [(mask * 255).astype(np.uint8)]), "RGBA")


def tilted(image, draw):
    turn = float(draw.uniform(-15, 15))
    return on((0.99,) * 3)(image, draw).rotate(turn, resample=Image.BICUBIC, fillcolor=(252,) * 3)


def lying(image, draw):
    return on((0.99,) * 3)(image, draw).transpose(Image.ROTATE_90)


PHOTOGRAPHS = {
    "the test image itself": lambda image, draw: Image.fromarray(image),
    "inverted": lambda image, draw: Image.fromarray(255 - image),
    "on white": on((0.99,) * 3),
    "light on black": on((0.0,) * 3, inverted=False),
    "on grey": on((0.5,) * 3),
    "on blue": on((0.24, 0.43, 0.78)),
    "brownish, on green": on((0.59, 0.78, 0.47), tint=(1, 0.75, 0.6)),
    "light that falls off": on(falling_off),
    "shadow, noise, JPEG 60": with_noise(on(with_shadow, tint=(0.95, 0.9, 0.85)), 0.02, 60),
    "on wood, JPEG 80": with_noise(on(wood), 0.01, 80),
    "cut out, transparent": cut_out,
    "on white, tilted by up to 15°": tilted,
    "on white, lying": lying,
}

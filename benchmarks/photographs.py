"""Prediction for photographs: test images of Fashion-MNIST drawn as photographs, and pictures of other things.

    python benchmarks/photographs.py --images 200 --json photographs.json
    python benchmarks/photographs.py --limits
    python benchmarks/photographs.py --figure docs/predict.png

For each kind of photograph it measures the accuracy of a network on the pictures as they are, on the same inverted,
and as ``gluon-cnn predict`` sees them, and how many it warns of. For each kind of foreign picture it measures how many
it warns of. ``--limits`` measures what the principal components leave of the 10,000 test images. ``--figure`` draws a
few of them beside what the network sees.

A photograph is a test image of the sample, enlarged six times and inverted, as the garment was before it became that
image, on a ground, with a margin, and not in the middle. Real photographs, with other things and people in them, are
harder.
"""

import io
import json
from pathlib import Path

import arguments
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from scipy.special import softmax

import gluon_cnn
from gluon_cnn.data import FASHION_MNIST, SAMPLE, read_fashion_mnist
from gluon_cnn.data.picture import read_picture
from gluon_cnn.data.scaled import to_batch
from gluon_cnn.data.seen import Seen, save_seen
from gluon_cnn.data.unlikeness import remainder, unlikeness

# isort: split
import matplotlib

WEIGHTS = Path(__file__).parents[1] / "docs" / "runs" / "gpu" / "lenet-en-seed3" / "net.params"
SCALE = 6
SIDE, FULL = 28 * SCALE, 28 * SCALE * 3 // 2  # pixels: of the garment, and of the photograph
FONTS = [
    Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"
    for name in ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono", "cmr10", "STIXGeneral")
]


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


def part_of_a_photograph(draw):
    """Of Matplotlib's sample picture, Rear Admiral Grace M. Hopper in her office."""
    with Image.open(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg") as image:
        side = int(draw.integers(60, 400))
        left, top = (int(draw.integers(0, length - side)) for length in image.size)
        return image.convert("RGB").crop((left, top, left + side, top + side))


def plain(draw):
    return Image.new("RGB", (100, 100), tuple(map(int, draw.integers(0, 256, 3))))


FOREIGN = {
    "one colour": plain,
    "a gradient": gradient,
    "noise": noise,
    "a soft texture": texture,
    "stripes, chequers": stripes,
    "lines of text": text,
    "a letter": characters("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
    "a digit": characters("0123456789"),
    "a scribble": scribble,
    "a polygon, star or disc": shape,
    "part of a portrait": part_of_a_photograph,
}


def seen(image, **options):
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=1)
    return read_picture(content.getvalue(), "a picture", **options)


def is_warned_of(picture):
    return picture.problem is not None or unlikeness(picture.image) > 1


def make_network():
    """A function that gives the probabilities of pictures' classes."""
    net = gluon_cnn.get_model("lenet", edition="en")
    net.load_parameters(str(WEIGHTS))
    return lambda pictures: softmax(net(to_batch(np.stack([p.image for p in pictures]))).asnumpy(), axis=1)


def draw_figure(path):
    """A boot on white and as a photograph, a shirt on wood, and a letter: each way, and what the network says."""
    network, test = make_network(), read_fashion_mnist(SAMPLE).test
    chosen = [("on white", 9, {"as_is": True}), ("on white", 9, {}), ("shadow, noise, JPEG 60", 9, {})]
    chosen += [("on wood, JPEG 80", 4, {}), ("a digit", 1, {})]
    rows = []
    for kind, number, options in chosen:
        draw = np.random.default_rng(number)
        picture = seen(
            FOREIGN[kind](draw) if kind in FOREIGN else PHOTOGRAPHS[kind](test.images[number], draw), **options
        )
        (shares,) = network([picture])
        best = [f"{100 * shares[n]:.0f} %  {FASHION_MNIST.classes[n]}" for n in shares.argsort()[::-1][:2]]
        warning = ["Warning: it is unlike the images of Fashion-MNIST"] if is_warned_of(picture) else []
        rows.append(Seen(picture.original, picture.image, ("; ".join(picture.done), *warning, *best)))
    save_seen(rows, path)


def measure(number):
    network, test = make_network(), read_fashion_mnist(SAMPLE).test

    def accuracy(pictures, labels):
        return float((network(pictures).argmax(axis=1) == labels).mean())

    labels, found = test.labels[:number], {"images": number, "photographs": {}, "foreign": {}}
    print(f"{'photographs':<32}{'as it is':>10}{'inverted':>10}{'found':>10}{'warned':>10}")
    for kind, photograph in PHOTOGRAPHS.items():
        images = [photograph(image, np.random.default_rng(seed)) for seed, image in enumerate(test.images[:number])]
        ways = [
            [seen(image, **options) for image in images]
            for options in ({"as_is": True}, {"as_is": True, "invert": True}, {})
        ]
        row = [*(accuracy(pictures, labels) for pictures in ways), float(np.mean([is_warned_of(p) for p in ways[2]]))]
        found["photographs"][kind] = row
        print(f"{kind:<32}" + "".join(f"{100 * share:8.1f} %" for share in row), flush=True)
    print(f"{'foreign pictures':<62}{'warned':>10}")
    for kind, foreign in FOREIGN.items():
        row = float(np.mean([is_warned_of(seen(foreign(np.random.default_rng(seed)))) for seed in range(number)]))
        found["foreign"][kind] = row
        print(f"{kind:<62}{100 * row:8.1f} %", flush=True)
    return found


def measure_limits():
    """What is left of the test images, and how many are beyond the limits."""
    images = read_fashion_mnist().test.images
    left, whole = np.array([remainder(image) for image in images]).T
    for name, values in (("all in all", left), ("as a share", left / whole)):
        print(f"99.25 % have {name} at most {np.quantile(values, 0.9925):.4g} left")
    far = np.array([unlikeness(image) for image in images]) > 1
    print(f"{100 * far.mean():.2f} % of {len(images):,} test images are warned of")


def main():
    parser = arguments.parser(__doc__)
    parser.add_argument("--images", type=arguments.count, default=500, help="of each kind, 500 at most (default 500)")
    parser.add_argument("--limits", action="store_true", help="measure the limits alone")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw a few of them to this PNG alone")
    parser.add_argument("--json", type=Path, help="also write what was measured to this file")
    args = parser.parse_args()
    if args.limits:
        measure_limits()
        return
    if args.figure:
        draw_figure(args.figure)
        return
    found = measure(args.images)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

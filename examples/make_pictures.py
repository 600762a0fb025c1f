"""Make a folder of small colour pictures to try ``--data`` with, a folder for each class: garments of Fashion-MNIST's
sample, dyed, on darker grounds of other colours.

    python examples/make_pictures.py garments
    gluon-cnn data garments
    gluon-cnn train lenet --data garments --from pretrained --epochs 40
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from gluon_cnn.data import SAMPLE, read_fashion_mnist

CLASSES = ("ankle boot", "bag", "dress", "trouser")
SIDE = 96  # pixels


def dyed(image, rng):
    """A grey garment, uint8 H×W, in a colour of its own on a ground of another one: uint8 SIDE×SIDE×3."""
    grey = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.BICUBIC), np.float32)[..., None] / 255
    ground, cloth = rng.uniform(0, 90, 3), rng.uniform(110, 255, 3)
    opaque = np.clip(4 * grey, 0, 1)  # the garment's own shades stay, and its edge is soft
    shaded = cloth * (0.5 + grey)
    noisy = opaque * shaded + (1 - opaque) * ground + rng.normal(0, 4, (SIDE, SIDE, 1))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def make_pictures(directory, number, seed=0):
    """Write ``number`` JPEG pictures of each class below a directory."""
    dataset, rng = read_fashion_mnist(SAMPLE), np.random.default_rng(seed)
    for name in CLASSES:
        folder = Path(directory) / name
        folder.mkdir(parents=True, exist_ok=True)
        label = [known.lower() for known in dataset.info.classes].index(name)
        of_class = np.flatnonzero(dataset.train.labels == label)[:number]
        for count, index in enumerate(of_class):
            Image.fromarray(dyed(dataset.train.images[index], rng)).save(folder / f"{count:03}.jpg", quality=90)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", help="where the pictures are written")
    parser.add_argument("--number", type=int, default=75, help="pictures of each class, at most 200 (default 75)")
    args = parser.parse_args()
    make_pictures(args.directory, args.number)
    print(f"{len(CLASSES)} classes of {args.number} pictures in {args.directory}")

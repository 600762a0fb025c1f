"""Pictures in colour that tests make."""

import numpy as np
from PIL import Image

__all__ = ["COLOURS", "in_colour", "write_folder"]

#: The classes of the folder, in the order of their labels, each with its colour.
COLOURS = {"blau": (40, 60, 200), "grün": (40, 180, 60), "rot": (200, 60, 40)}


def in_colour(number, side, seed=0):
    """Noise, uint8 number×side×side×3, brighter to one side and redder than blue."""
    noise = np.random.RandomState(seed).randint(0, 180, size=(number, side, side, 3))
    light = np.linspace(0, 60, side)[:, np.newaxis] + np.array([15, 5, 0])
    return (noise + light).astype(np.uint8)


def write_folder(root, train=12, test=4, seed=0):
    """A folder with so many pictures of each class, which tell themselves apart by their colours."""
    random = np.random.RandomState(seed)
    for part, number in (("train", train), ("test", test)):
        for name, colour in COLOURS.items():
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(number):
                height, width = random.randint(34, 50, size=2)
                noise = random.randint(-40, 40, size=(height, width, 3))
                picture = np.clip(noise + np.array(colour), 0, 255).astype(np.uint8)
                Image.fromarray(picture).save(folder / f"{i}.png")
    return root

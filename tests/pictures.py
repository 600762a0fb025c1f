"""Folders of pictures, made up, that several tests train on."""

import numpy as np
from PIL import Image

#: Classes by the colour of their pictures. The last begins with a letter that is not in ASCII.
COLOURS = {"apple": (210, 40, 40), "leaf": (40, 200, 60), "łąka": (60, 80, 210)}


def picture(colour, seed, size=(40, 32)):
    """A noisy picture of one colour, in Pillow's mode RGB."""
    noise = np.random.RandomState(seed).randint(-40, 41, (*size[::-1], 3))
    return Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))


def save(image, path, **options):
    """Save a picture; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def make_folder(root, each=5, parts=("",), colours=COLOURS, mode="RGB", endings=("png",)):
    """A folder with so many pictures of each class in each part, ``cat/3.png`` or ``train/cat/3.png``."""
    for number, part in enumerate(parts):
        for name, colour in colours.items():
            for index in range(each):
                image = picture(colour, 1000 * number + index).convert(mode)
                save(image, root / part / name / f"{index}.{endings[index % len(endings)]}")
    return root


def noise(number, side, seed=0):
    """Images in colour as an array, uint8 number×side×side×3: noise, brighter below, and redder than blue."""
    values = np.random.RandomState(seed).randint(0, 180, size=(number, side, side, 3))
    light = np.linspace(0, 60, side)[:, np.newaxis] + np.array([15, 5, 0])
    return (values + light).astype(np.uint8)

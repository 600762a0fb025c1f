"""What a recipe says of its images: how they are augmented, and what they are normalised with."""

import contextlib

from gluon_cnn.checks import brief, choice
from gluon_cnn.errors import SettingError

__all__ = ["AUGMENTATIONS", "NORMALIZATIONS", "augmentations", "check_augment", "check_normalize", "split_numbers"]

#: What can be done to training images at random, in this order.
AUGMENTATIONS = ("resized_crop", "crop", "mirror", "light", "jitter", "pca")
#: What ``normalize`` can say in a word: minus the mean of each channel, divided by its deviation or in grey levels of 0
#: to 255, as AlexNet's paper has them. Both are measured on the training images.
NORMALIZATIONS = ("measured", "mean")
_USUAL = ("crop", "mirror", "light")  # where augmentation is only said to be on


def check_augment(name, value):
    """``augment`` as a recipe keeps it: a bool, or words in the order of AUGMENTATIONS."""
    switches = {"on": True, "off": False}
    if not isinstance(value, str):
        with contextlib.suppress(SettingError):
            return choice(name, value, (True, False))
    words = [word.strip() for word in value.split(",")] if isinstance(value, str) else []
    if len(words) == 1 and words[0] in switches:
        return switches[words[0]]
    if not words or not set(words) <= set(AUGMENTATIONS):
        raise SettingError(
            f"{name} is {brief(value)}; it must be on, off, or words out of {', '.join(AUGMENTATIONS)}, joined by "
            "commas.",
            name,
        )
    if {"crop", "resized_crop"} <= set(words):
        raise SettingError(f"{name} is {brief(value)}, but an image is cut out once: use crop or resized_crop.", name)
    return ",".join(word for word in AUGMENTATIONS if word in words)


def augmentations(augment):
    """The words that a recipe's ``augment`` stands for."""
    return (_USUAL if augment else ()) if isinstance(augment, (bool, type(None))) else tuple(augment.split(","))


def check_normalize(name, value):
    """``normalize`` as a recipe keeps it: off, a word, or numbers joined by commas."""
    if value is None or value is False:
        return "off"
    if not isinstance(value, str) or value not in ("off", *NORMALIZATIONS):
        mean, deviation = split_numbers(value)
        return ",".join(map(repr, (*mean, *deviation)))
    return value


def split_numbers(value):
    """The mean and the deviation that numbers in ``normalize`` are, each a tuple of one number or of three."""
    try:
        numbers = [float(each) for each in (value.split(",") if isinstance(value, str) else value)]
    except (TypeError, ValueError, OverflowError):
        numbers = []
    mean, deviation = numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]
    if len(numbers) not in (2, 6) or not all(0 <= x <= 1 for x in mean) or not all(0.001 <= x <= 1 for x in deviation):
        raise SettingError(
            f"normalize is {brief(value)}; it must be off, {', '.join(NORMALIZATIONS)}, or numbers joined by "
            "commas: a mean from 0 to 1 and a deviation from 0.001 to 1, or three of each.",
            "normalize",
        )
    return tuple(mean), tuple(deviation)

"""What a recipe takes from a data set of one's own."""

from gluon_cnn.data import DATA_SETS
from gluon_cnn.recipe import Recipe

__all__ = ["batch_for_own", "lr_for_own", "short_side"]

_SCALED = ("sgd", "nag")  # optimisers whose steps are as long as the learning rate says; Adam's, say, are not


def batch_for_own(values, data_dir):
    """The batch for the data set in a recipe's values by their names: at most the one that is there."""
    most, least, batches = values["batch_size"], 16, 10
    count = DATA_SETS[values["data"]].training_images
    if data_dir is None or count is None:
        return most
    images = count(data_dir, values.get("test_share", Recipe.test_share))
    return min(most, max(least, 2 ** ((images // batches).bit_length() - 1)))


def lr_for_own(values, batch_size):
    """The learning rate in a recipe's values by their names, which is meant for batches of ``batch_size``; smaller in
    proportion where theirs are smaller (Goyal et al., 2017, section 2.1).

    With the whole of it NiN, for one, collapses within an epoch of batches of 16.
    """
    images = values["batch_size"] * values.get("workers", 1)
    if images >= batch_size or values.get("optimizer", Recipe.optimizer) not in _SCALED:
        return values["lr"]
    return values["lr"] * images / batch_size


def short_side(network, data, side):
    """The side of the pictures that images of a side are cut out of: as much larger as in the network's own recipe.

    None if that cuts nothing out, or ``data`` is a data set without pictures, which would be resized.
    """
    whole = network.recipe.get("short_side")
    return round(whole * side / network.side) if whole and DATA_SETS[data].has_pictures else None

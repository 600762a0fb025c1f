"""The pictures of a folder in batches, as the book loads Fashion-MNIST."""

import dataclasses
import logging

from gluon_cnn.checks import whole_number
from gluon_cnn.data.batches import make_batches
from gluon_cnn.data.folder import read_folder
from gluon_cnn.data.moments import Moments, mean_and_deviation
from gluon_cnn.data.own import TEST_SHARE
from gluon_cnn.errors import SettingError
from gluon_cnn.image_settings import check_normalize

__all__ = ["load_data_folder"]

log = logging.getLogger(__name__)


def load_data_folder(
    directory,
    batch_size,
    side,
    *,
    short_side=None,
    channels=None,
    test_share=TEST_SHARE,
    normalize=None,
    augment=None,
    seed=None,
    ctx=None,
    part=(0, 1),
):
    """The pictures in a folder with a folder for each class, ready for a network.

    The folder has two parts, ``train/cat/1.png`` and ``test/cat/2.png`` (or ``val``, ``validation``), or one,
    ``cat/1.png``, which is split here. Classes are numbered in the order of their names.

    Parameters
    ----------
    directory : path
    batch_size : int
        Images in a batch; the last batch of an epoch may be shorter.
    side : int
        Height and width of an image in pixels.
    short_side : int, optional
        What a picture's short side is resized to, ``side`` by default. Images are cut out of the square in its middle:
        again the middle, or with ``crop`` in ``augment`` another part.
    channels : {1, 3}, optional
        Grey or RGB; by default grey if all pictures are.
    test_share : float
        Of each class, where the folder has no test part.
    normalize : str or sequence of float, optional
        ``measured``, on the training images, or numbers in [0, 1]: a mean and a deviation, or three of each.
    augment, seed, ctx, part
        As for :func:`gluon_cnn.load_data_fashion_mnist`. The seed, or 0, also decides what is split off for the test.

    Returns
    -------
    (Batches, Batches)
        The shuffled training part and the test part: iterables of ``(X, y)`` with a ``len()``, X float32 N×C×side×side
        in [0, 1], or normalised, and y int32 N. Pictures that cannot be read are left out, and logged.

    Raises
    ------
    DataError, SettingError
        If the folder is not such a one, or a setting has an invalid value.
    """
    side, stored = _sides(side, short_side)
    normalize = check_normalize("normalize", normalize)
    dataset = read_folder(directory, stored, channels=channels, test_share=test_share, seed=0 if seed is None else seed)
    moments = Moments(dataset.train.images)
    mean, deviation = mean_and_deviation(normalize, dataset.info, moments)
    dataset = dataset._replace(info=dataclasses.replace(dataset.info, mean=mean, deviation=deviation))
    for note in filter(None, (*dataset.notes, dataset.left_out)):
        log.warning(note)
    options = {"augment": augment, "seed": seed, "ctx": ctx, "part": part, "moments": moments}
    return make_batches(dataset, batch_size, crop=side if side < stored else None, **options)


def _sides(side, short_side):
    """The sides of an image and of the square that it is cut out of, in pixels."""
    side = whole_number("side", side)
    stored = side if short_side is None else whole_number("short_side", short_side)
    if side > stored:
        raise SettingError(
            f"side is {side}, and cannot be cut out of a short_side of {stored}: use a smaller side.",
            "side",
            "short_side",
        )
    return side, stored

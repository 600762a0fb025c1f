"""The pictures of a folder in batches, as the book loads Fashion-MNIST."""

import logging

from gluon_cnn.data.batches import make_batches
from gluon_cnn.data.folder import read_folder

__all__ = ["load_data_folder"]

log = logging.getLogger(__name__)


def load_data_folder(
    directory, batch_size, side, *, channels=None, test_share=0.2, augment=None, seed=None, ctx=None, part=(0, 1)
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
        Height and width in pixels: a picture's short side is resized, and the square in the middle is taken.
    channels : {1, 3}, optional
        Grey or RGB; by default grey if all pictures are.
    test_share : float
        Of each class, where the folder has no test part.
    augment, ctx, part
        As for :func:`gluon_cnn.load_data_fashion_mnist`.
    seed : int, optional
        Decides what is split off for the test, 0 if it is left out, and as for
        :func:`gluon_cnn.load_data_fashion_mnist`.

    Returns
    -------
    (Batches, Batches)
        The shuffled training part and the test part: iterables of ``(X, y)`` with a ``len()``, X float32 N×C×side×side
        in [0, 1] and y int32 N. Pictures that cannot be read are left out, and logged.

    Raises
    ------
    DataError
        If the folder is not such a one.
    SettingError
        If a setting has an invalid value.
    """
    dataset = read_folder(directory, side, channels=channels, test_share=test_share, seed=0 if seed is None else seed)
    for note in filter(None, (*dataset.notes, dataset.left_out)):
        log.warning(note)
    return make_batches(dataset, batch_size, augment=augment, seed=seed, ctx=ctx, part=part)

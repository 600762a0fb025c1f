"""A data set of one's own: a folder with a folder of pictures for each class, see ``folder_files``."""

import hashlib
import os

from gluon_cnn.checks import choice, number, whole_number
from gluon_cnn.data.folder_files import find_pictures
from gluon_cnn.data.own import TEST_SHARE, assemble, training_pictures
from gluon_cnn.errors import DataError
from gluon_cnn.files import open_regular, reason_of

__all__ = ["read_folder", "read_folder_of", "training_images"]


def training_images(directory, test_share):
    """How many pictures the training part of a folder has, with those that cannot be read."""
    return training_pictures(find_pictures(directory), test_share)


def read_folder_of(directory, recipe, memory=None, check=None):
    """The data set of a recipe, see :func:`read_folder`."""
    side = recipe.short_side or recipe.side
    options = {
        "channels": recipe.image_channels,
        "test_share": recipe.test_share,
        "seed": recipe.seed,
        "memory": memory,
        "sizes": (recipe.train_size, recipe.test_size),
        "check": check,
    }
    return read_folder(directory, side, **options)


def read_folder(
    directory, side, *, channels=None, test_share=TEST_SHARE, seed=0, memory=None, sizes=(None, None), check=None
):
    """The data set in a folder, as squares of one size.

    Parameters
    ----------
    directory : path
    side : int
        Height and width in pixels, see :func:`gluon_cnn.data.decoded.decode`.
    channels : {1, 3}, optional
        Grey or RGB; grey by default if all pictures are.
    test_share : float
        Of each class, where the folder has no test part.
    seed : int
        Decides which these are.
    memory : int, optional
        Bytes that the pictures may take, see :func:`gluon_cnn.data.held_images.hold`.
    sizes : (int or None, int or None)
        How many images of either part are wanted, see :func:`gluon_cnn.data.own.assemble`.
    check : callable, optional
        As for :class:`gluon_cnn.data.dataset.DataSource`.

    Returns
    -------
    Dataset
        ``info.sha256`` is that of the names, classes and bytes of all files.

    Raises
    ------
    DataError
        As :func:`gluon_cnn.data.folder_files.find_pictures`; or if a class has no picture that can be read.
    """
    side, seed, test_share = whole_number("side", side), whole_number("seed", seed), number("test_share", test_share)
    channels = None if channels is None else choice("channels", channels, (1, 3))
    found = find_pictures(directory)
    parts = list(filter(None, (found.train, found.test)))
    files = {name: digest for part in parts for name, digest in _hashes(part)}
    sha256 = _hash_of_all(parts, found.classes, files)
    if check:
        check(sha256, files)
    return assemble(found, seed, test_share, side, channels, sha256=sha256, files=files, memory=memory, sizes=sizes)


def _hashes(pictures):
    """The name and the SHA-256 of each file."""
    for name in pictures.names:
        path = pictures.root / name
        digest = hashlib.sha256()
        try:
            with open_regular(path) as file:
                for block in iter(lambda: file.read(1 << 20), b""):
                    digest.update(block)
        except OSError as error:
            raise DataError(f"{path} cannot be read ({reason_of(error)}): change who may.", "data_dir") from None
        yield name, digest.hexdigest()


def _hash_of_all(parts, classes, files):
    """The SHA-256 of the names, classes and bytes of all files, wherever the folder is and however it is split."""
    rows = sorted((os.fsencode(name), label) for part in parts for name, label in zip(part.names, part.labels))
    digest = hashlib.sha256()
    for name, label in rows:
        digest.update(b"%s\0%s\0%s\n" % (name, classes[label].encode(), files[os.fsdecode(name)].encode()))
    return digest.hexdigest()

"""A data set of one's own in ``.rec`` files, as MXNet's ``im2rec`` writes them, or this package.

MXNet's own ``ImageRecordIter`` is not used: it cannot begin in the middle of an epoch, its order and its augmentation
depend on the number of its threads, and its crops are not those of pictures from a folder. So a run could not be
resumed to the same bits, nor equal a run on the folder that the records were made of.
"""

import hashlib
from pathlib import Path

import numpy as np

from gluon_cnn.data.folder_files import TEST_PARTS, TRAIN_PART
from gluon_cnn.data.own import assemble, training_pictures
from gluon_cnn.data.pictures import Found
from gluon_cnn.data.record_pictures import ENDING, classes_path, read_file
from gluon_cnn.errors import DataError
from gluon_cnn.files import reason_of

__all__ = ["find_pictures", "find_records", "is_records", "read_records", "test_paths", "training_records"]


def is_records(path):
    """Whether a path leads to a record file, or to a folder of some without folders in it."""
    path = Path(path)
    try:
        if not path.is_dir():
            return path.suffix == ENDING
        inside = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
        return any(entry.suffix == ENDING for entry in inside) and not any(entry.is_dir() for entry in inside)
    except OSError:
        return False


def read_records(place, recipe, memory=None, check=None):
    """The data set in a record file, or in two, as squares of one size.

    Parameters
    ----------
    place : path
        As for :func:`find_records`. Without a test part a file is split by class and seed, as a folder is.
    recipe : Recipe
        Or anything else that has ``side``, ``short_side``, ``image_channels``, ``seed``, ``test_share``, and the
        sizes of the parts.
    memory : int, optional
        Bytes that the pictures may take, see :func:`gluon_cnn.data.held_images.spendable`.
    check : callable, optional
        As for :class:`gluon_cnn.data.dataset.DataSource`.

    Returns
    -------
    Dataset
        Its classes have the names in the file that was written beside the records; without one they are the labels that
        are found, such as ``class 7``.

    Raises
    ------
    DataError
        As :func:`find_records` and :func:`read_file`; or if there are less than two classes, a class has no picture, or
        the two files do not belong together.
    """
    found, files = find_pictures(place)
    digest = hashlib.sha256("\0".join([*found.classes, *files.values()]).encode())
    how = (recipe.seed, recipe.test_share, recipe.short_side or recipe.side, recipe.image_channels)
    sizes = (recipe.train_size, recipe.test_size)
    if check:
        check(digest.hexdigest(), files)
    return assemble(found, *how, sha256=digest.hexdigest(), files=files, memory=memory, sizes=sizes)


def training_records(place, test_share):
    """How many pictures are trained on, with those that cannot be read."""
    return training_pictures(find_pictures(place)[0], test_share)


def find_pictures(place):
    """The pictures in record files, not looked into, and the SHA-256 of each file; errors as :func:`read_records`."""
    paths = [path for path in find_records(place) if path is not None]
    read = [read_file(path) for path in paths]
    infos = [file.info for file in read if file.info]
    if len({info.classes for info in infos}) > 1:
        raise DataError(
            f"{paths[0]} and {paths[1].name} have classes of other names: write both again, from one data set.",
            "data_dir",
        )
    pictures = [file.pictures.take(np.arange(len(file.pictures))) for file in read]  # whose labels are not shared
    if infos:
        classes = infos[0].classes
        for part in pictures:
            _refuse_beyond(part, classes)
    else:
        known = np.unique(np.concatenate([part.labels for part in pictures]))
        classes = tuple(f"class {label}" for label in known)
        for part in pictures:
            part.labels = np.searchsorted(known, part.labels).astype(np.int32)
    if len(classes) < 2:
        raise DataError(f"{paths[0]} has pictures of one class only, {classes[0]}: two are needed.", "data_dir")
    for part in pictures:
        missing = np.setdiff1d(np.arange(len(classes)), part.labels)
        if len(missing):
            raise DataError(f"{part.path} has no picture of {classes[missing[0]]}: add some.", "data_dir")
    notes = [f"the test part is {paths[1].name}"] if paths[1:] else []
    files = {path.name: file.sha256 for path, file in zip(paths, read)}
    if infos:
        files[classes_path(paths[0]).name] = infos[0].sha256_of_names()
    train, test = (*pictures, None)[:2]
    return Found(paths[0].stem, classes, train, test, tuple(notes), paths[0]), files


def _refuse_beyond(pictures, classes):
    beyond = np.flatnonzero(pictures.labels >= len(classes))
    if len(beyond):
        raise DataError(
            f"{pictures.names[beyond[0]]} of {pictures.path} has the label {pictures.labels[beyond[0]]}, but names of "
            f"{len(classes)} classes: write it again.",
            "data_dir",
        )


def find_records(place):
    """The record files of a data set.

    Parameters
    ----------
    place : path
        A ``.rec`` file, or a folder with one, and perhaps with another one that has ``test`` or ``val`` in the place of
        ``train`` in its name, or ``-test`` or ``-val`` at its end.

    Returns
    -------
    (Path, Path or None)
        That of the training part, and that of the test part if there is one.

    Raises
    ------
    DataError
        If there is none, or it is not clear which one.
    """
    try:
        place = Path(place).expanduser().resolve(strict=True)
        if not place.is_dir():
            return place, _test_beside(place)
        found = sorted(path for path in place.iterdir() if path.suffix == ENDING and path.is_file())
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"{place} cannot be read ({reason_of(error)}): name a .rec file.", "data_dir") from None
    tests = {_test_beside(path) for path in found}
    trains = [path for path in found if path not in tests]
    trains = [path for path in trains if TRAIN_PART in path.stem] or trains
    if len(trains) != 1:
        what = f"{len(trains)} .rec files that could be the training part" if trains else "no .rec file"
        raise DataError(f"{place} holds {what}: name one file, such as train.rec.", "data_dir")
    return trains[0], _test_beside(trains[0])


def test_paths(path):
    """Where the record file of the test part can be, if that of the training part is there."""
    before, train, after = path.stem.rpartition(TRAIN_PART)
    stems = [f"{before}{word}{after}" for word in TEST_PARTS] if train else []
    stems += [f"{path.stem}-{word}" for word in TEST_PARTS]
    return [path.with_name(f"{stem}{ENDING}") for stem in stems]


def _test_beside(path):
    """The record file of the test part; None if there is none."""
    return next((found for found in test_paths(path) if found.is_file()), None)

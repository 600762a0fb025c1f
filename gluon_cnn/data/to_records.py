"""A ``.rec`` file of a data set's pictures, as ``im2rec`` would write it, and verified."""

import contextlib
import hashlib
from pathlib import Path

from gluon_cnn.data.held_images import map_pictures
from gluon_cnn.data.record_file import write_record
from gluon_cnn.data.record_pictures import ENDING, RecordsInfo, classes_path, pack, read_file
from gluon_cnn.data.records import test_paths
from gluon_cnn.errors import DataError, SettingError
from gluon_cnn.files import printable, sha256_of, write_atomically

__all__ = ["write_records"]


def write_records(found, path, readable=None):
    """Write the pictures of a data set as they are, not decoded, in their order.

    A test part goes to a file of its own beside the first, with ``-test`` at the end of its name, or with ``test`` in
    the place of ``train``. Beside each file stands one with the names of the classes.

    Parameters
    ----------
    found : Found
    path : path
        Ends in ``.rec``.
    readable : callable
        Of a picture's bytes and name: raises an ImageError if it is to be left out.

    Returns
    -------
    (list of (Path, int), list of str)
        The files with their numbers of pictures, and a line about each picture that was left out.

    Raises
    ------
    SettingError
        If the path is no such name, in no folder, or in or of the data set itself.
    DataError
        If a file was not written as it should be.
    """
    path = Path(path)
    if path.suffix != ENDING:
        raise SettingError(f"{path} does not end in {ENDING}, by which a file of records is known: add it.", "out")
    paths, parts = [path], [found.train]
    if found.test is not None:
        paths.append(test_paths(path)[0])
        parts.append(found.test)
    _refuse_taken(found, paths)
    written, left_out = [], []
    with contextlib.ExitStack() as stack:  # which renames them all after the last one is verified
        for target, pictures in zip(paths, parts):
            _, unreadable = map_pictures(pictures, readable, "looking at pictures")
            left_out += [printable(unreadable[index]) for index in sorted(unreadable)]
            kept = [index for index in range(len(pictures)) if index not in unreadable]
            if not kept:
                raise DataError(f"No picture for {target} can be read: {left_out[0]}", "data_dir")
            beside = stack.enter_context(write_atomically(classes_path(target)))
            temporary = stack.enter_context(write_atomically(target))
            hashes = _write(pictures, kept, temporary)
            keys = pictures.keys
            keys = [keys[index] for index in kept] if found.test is None else None
            beside.write_bytes(RecordsInfo.of(found.classes, len(kept), sha256_of(temporary), keys).to_json())
            _verify(temporary, pictures.labels[kept], hashes, target)
            written.append((target, len(kept)))
    return written, left_out


def _refuse_taken(found, paths):
    """SettingError if a file is the data set's own, or would be taken for a part of the one that is written."""
    sources = {part.path for part in (found.train, found.test) if hasattr(part, "path")}
    for path in paths:
        if not path.parent.is_dir():
            raise SettingError(f"There is no folder {path.parent} for {path.name}: make it, or name another.", "out")
        if path.resolve() in sources:
            raise SettingError(f"{path} is the file that is read: choose another name.", "out")
        if not sources and found.where.resolve() in path.resolve().parents:
            raise SettingError(f"{path} is in the folder that is read, as a picture is: choose another place.", "out")
    others = [path for path in test_paths(paths[0]) if path not in paths and path.exists()]
    if others:
        raise SettingError(
            f"{others[0]} is there, and would be taken for the test part of {paths[0].name}: move it away, or choose "
            "another name.",
            "out",
        )


def _write(pictures, kept, path):
    """Write records, and give the SHA-256 of each picture."""
    hashes = []
    with open(path, "wb") as file:
        for number, index in enumerate(kept):
            content = pictures.encoded(index)
            hashes.append(hashlib.sha256(content).digest())
            write_record(file, pack(pictures.labels[index], content, number))
    return hashes


def _verify(path, labels, hashes, target):
    """DataError unless a file holds what was written to it."""
    again = read_file(path).pictures
    if again.labels.tolist() != labels.tolist() or hashes != [
        hashlib.sha256(again.encoded(index)).digest() for index in range(len(again))
    ]:
        raise DataError(f"{target} does not hold what was written to it: write it to another disk.", "out")

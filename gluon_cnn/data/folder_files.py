"""The files of a folder with a folder of pictures for each class, not looked into.

Either in two parts, ``train/cat/1.png`` and ``test/cat/2.png``, or in one, ``cat/1.png``. The folder of the test
part may also be called ``val`` or ``validation``.
"""

import os
import stat
import unicodedata
from pathlib import Path

from gluon_cnn.data.pictures import FolderPictures, Found
from gluon_cnn.errors import DataError
from gluon_cnn.files import printable, reason_of

__all__ = ["TEST_PARTS", "TRAIN_PART", "few", "find_pictures", "is_folder"]

TRAIN_PART = "train"
#: What the folder of the test part can be called, in the order in which they are looked for.
TEST_PARTS = ("test", "val", "validation", "valid")
#: What systems leave in folders, in small letters. What begins with a dot is left out too.
_LITTER = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "icon\r", "lost+found"}
_DEEPEST = 20  # folders in folders
_MOST = 5_000_000  # pictures


def is_folder(path):
    """Whether a path leads to a folder."""
    return Path(path).is_dir()


def find_pictures(directory):
    """Look for the classes and pictures of a folder, without opening a file.

    Parameters
    ----------
    directory : path

    Returns
    -------
    Found

    Raises
    ------
    DataError
        If there is no such folder or it cannot be read; it has less than two classes, or a class without a file; its
        two parts have different classes; or there is a link in it, or something that is neither a file nor a folder.
    """
    root = _root(directory)
    folders, _ = _entries(root)
    train, test, unused = _parts(root, folders)
    notes = [f"{root / name} is not used" for name in unused]
    for place in dict.fromkeys([root, root / train, root / (test or train)]):
        loose = sorted(_entries(place)[1])
        if loose:
            notes.append(f"files beside the folders in {place} are not used: {few(loose)}")
    parts = [_classes_in(root, part) for part in ([train, test] if test else [train])]
    classes = tuple(sorted(parts[0]))
    if classes and all(name.lower() in TEST_PARTS for name in classes):
        raise DataError(
            f"{root} has only {few(classes)}, of a test part: put {TRAIN_PART} beside it, with the same classes.",
            "data",
            "data_dir",
        )
    if len(classes) < 2:
        what = f"only one class, {classes[0]}" if classes else "no classes"
        raise DataError(
            f"{root} has {what}: make a folder of pictures for each class, of two or more.", "data", "data_dir"
        )
    for part in parts[1:]:
        _refuse_other_classes(root, (train, set(classes)), (test, set(part)))
    pictures = [_pictures(root, classes, part) for part in parts]
    return Found(
        _as_class(root.name) or "pictures", classes, *(*pictures, None)[:2], tuple(map(printable, notes)), root
    )


def few(names, most=5):
    """Some names in words, and how many there are more."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more


def _root(directory):
    if directory is None:
        raise DataError("A data set of your own is looked for nowhere by itself: name its folder.", "data_dir")
    try:
        root = Path(directory).expanduser().resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"{directory} cannot be read ({reason_of(error)}): name a folder.", "data_dir") from None
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: name one with a folder of pictures for each class.", "data_dir")
    return root


def _entries(folder):
    """The names of the folders in a folder, and its files, ``{name: (size in bytes, time of its last change)}``."""
    folders, files = [], {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.lower() in _LITTER:
                    continue
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    folders.append(entry.name)
                elif stat.S_ISREG(status.st_mode):
                    files[entry.name] = status.st_size, status.st_mtime_ns
                else:
                    raise _neither(folder / entry.name, status)
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({reason_of(error)}): change who may read it.", "data_dir") from None
    return sorted(folders), files


def _neither(path, status):
    if stat.S_ISLNK(status.st_mode):  # it could lead anywhere, and around
        return DataError(f"{path} is a link, and a data set has none: put there what it leads to.", "data_dir")
    return DataError(f"{path} is neither a file nor a folder: take it away.", "data_dir")


def _parts(root, folders):
    """The names of the training part and of the test part, or None, and of the folders that are not used.

    A single folder ``train`` is the training part. Beside others it is a class, as of vehicles, unless there is a test
    part too.
    """
    by_name = {name.lower(): name for name in folders}
    train = by_name.get(TRAIN_PART)
    tests = [by_name[name] for name in TEST_PARTS if name in by_name]
    if train is None or not (tests or len(folders) == 1):
        return "", None, []
    # The test part of ImageNet, say, has pictures without classes.
    test = next((name for name in tests if _entries(root / name)[0]), None)
    for name in (train, test or (tests[0] if tests else train)):
        if not _entries(root / name)[0]:
            raise DataError(f"{root / name} has no classes: make a folder of pictures for each.", "data_dir")
    return train, test, [name for name in folders if name not in (train, test)]


def _classes_in(root, part):
    """``{class: [(name, seen)]}`` of a part, sorted."""
    classes = {}
    for folder in _entries(root / part)[0]:
        name = _as_class(folder)
        if name in classes:
            raise DataError(f"{root / part} has two folders with the name {name}: rename one.", "data_dir")
        start = f"{part}/{folder}" if part else folder
        classes[name] = sorted(_files_in(root, start))
        if not classes[name]:
            raise DataError(
                f"The class {name} has no picture in {root / start}: add pictures, or take the folder away.", "data_dir"
            )
    return classes


def _files_in(root, start):
    """The files in a folder and in those inside, as paths in ``root``, each with its size and time."""
    found, folders = [], [start]
    while folders:
        folder = folders.pop()
        if folder.count("/") > start.count("/") + _DEEPEST:
            raise DataError(f"{root / folder} is more than {_DEEPEST} folders deep: move it up.", "data_dir")
        inside, files = _entries(root / folder)
        folders += [f"{folder}/{name}" for name in inside]
        found += [(f"{folder}/{name}", seen) for name, seen in files.items()]
        if len(found) > _MOST:
            raise DataError(f"{root / start} has more than {_MOST:,} files: is it the right folder?", "data_dir")
    return found


def _refuse_other_classes(root, one, other):
    for (name, has), (missing_in, lacks) in ((one, other), (other, one)):
        missing = sorted(has - lacks)
        if missing:
            raise DataError(
                f"{root / name} has classes that {root / missing_in} has not ({few(missing)}): give both the same.",
                "data_dir",
            )


def _pictures(root, classes, part):
    rows = sorted((name, label, seen) for label, of in enumerate(classes) for name, seen in part[of])
    return FolderPictures(root, *zip(*rows))


def _as_class(name):
    """A folder's name as that of a class. An accent may be a character of its own there, as on macOS."""
    return unicodedata.normalize("NFC", printable(name))

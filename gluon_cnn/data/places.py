"""Where the releases of Fashion-MNIST are looked for, and where they are put when they are got."""

import functools
import os
from pathlib import Path

from gluon_cnn.checks import choice
from gluon_cnn.data.releases import FILES, RELEASES
from gluon_cnn.data.verified import data_home, expanded, missing_in, path_of, read_download, read_file, release_of
from gluon_cnn.errors import DataError

__all__ = ["find_fashion_mnist", "release_to_train_on", "releases_here"]

DEBIAN_PLACE = Path("/usr/share/datasets/fashion-mnist")

_ADVICE = {
    "first": "then only a computer on which the book's code has run still has it, in ~/.mxnet/datasets/fashion-mnist; "
    "name a copy of that directory, or ask for the second",
    "second": "connect to the network, or name a directory with Fashion-MNIST's four files",
}


def find_fashion_mnist(root=None, release=None, *, prefer="second", get=True):
    """The directory that holds the four files, after getting them if they are nowhere (None without ``get``).

    They are looked for in ``root`` and only there if it is given; else in ``$MXNET_HOME/datasets/fashion-mnist``, where
    Gluon has its own, in a folder beside it for each release, and in the place of Debian's package. If they are in none
    of these, they are downloaded: the first release from ``$MXNET_GLUON_REPO`` or MXNet's bucket, the second from
    Zalando's two places or out of Debian's package.

    Parameters
    ----------
    root : path, optional
    release : {"first", "second"}, optional
        Which release; by default whichever is found, and ``prefer`` where both are. The second is downloaded.
    prefer : {"first", "second"}
    get : bool
        Whether to download what is nowhere.

    Raises
    ------
    DataError
        If ``root`` does not hold the files, or they are of another release, or cannot be downloaded.
    SettingError
        If there is no such release.
    """
    if release is not None:
        choice("release", release, RELEASES)
    if root is not None:
        return _given_directory(expanded(root).resolve(), release)
    found = releases_here()
    for wanted in [release] if release else [prefer, *RELEASES]:
        if wanted in found:
            return found[wanted]
    return _download(release or "second") if get else None


def release_to_train_on(root=None, prefer="second"):
    """The release that :func:`find_fashion_mnist` finds or gets if none is asked for."""
    return release_of(find_fashion_mnist(root, prefer=prefer))


def releases_here(root=None):
    """``{release: directory}`` of the releases that are in the places where they are looked for, or in ``root``.

    Raises
    ------
    DataError
        If the labels in one of them are of no release, or of two, or ``root`` does not hold the files.
    """
    if root is not None:
        directory = _given_directory(expanded(root).resolve(), None)
        return {release_of(directory): directory}
    places = [data_home(), *map(_own_folder, RELEASES), DEBIAN_PLACE]
    found = {}
    for place in places:
        if not missing_in(place):
            found.setdefault(release_of(place), place)
    return found


def _own_folder(release):
    """Where a release is put if Gluon's place holds the other one."""
    return data_home().with_name(f"{data_home().name}-{release}")


def _given_directory(directory, release):
    if not directory.is_dir():
        raise DataError(
            f"The data directory {directory} does not exist: name one with Fashion-MNIST's files, or leave it out to "
            "have them found or downloaded.",
            "data_dir",
        )
    missing = missing_in(directory)
    if missing:
        raise DataError(
            f"The data directory {directory} holds no {missing[0]} or {missing[0]}.gz: name one with all four files of "
            "Fashion-MNIST, or leave it out to have them found or downloaded.",
            "data_dir",
        )
    held = release_of(directory)
    if release not in (None, held):
        raise DataError(
            f"{directory} holds {RELEASES[held].words}, not the {release}: name another directory, or ask for the "
            f"{held}.",
            "data_dir",
            "release",
        )
    return directory


def _download(release):
    """Get what is missing of a release, and return the directory that then holds it."""
    from gluon_cnn.data import download  # which takes longer to import than all else here

    directory = data_home() if _may_hold(data_home(), release) else _own_folder(release)
    wanted, mirrors = RELEASES[release], RELEASES[release].mirrors
    repository = os.environ.get("MXNET_GLUON_REPO")
    if release == "first" and repository:
        mirrors = (f"{repository.rstrip('/')}/gluon/dataset/fashion-mnist/",)
    check = {
        f"{name}.gz": functools.partial(_check_download, name=name, release=release) for name in missing_in(directory)
    }
    debian = (wanted.debian_package, DEBIAN_PLACE) if wanted.debian_package else None
    download.get_files(wanted.words, directory, mirrors, check, advice=_ADVICE[release], debian=debian)
    return directory


def _may_hold(directory, release):
    """Whether a directory holds nothing else than files of a release."""
    try:
        return all(read_file(directory, name).release == release for name in FILES if path_of(directory, name))
    except DataError:
        return False


def _check_download(path, name, release):
    file = read_download(path, name)
    if file.release != release:
        raise DataError(f"{path} is of {RELEASES[file.release].words}.")

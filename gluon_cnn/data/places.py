"""Where the releases of Fashion-MNIST are looked for, and where they are put when they are got."""

import contextlib
import functools
import os
from pathlib import Path

from gluon_cnn.checks import choice
from gluon_cnn.data.releases import FILES, RELEASES
from gluon_cnn.data.verified import (
    data_home,
    expanded,
    missing_file,
    missing_in,
    path_of,
    read_download,
    read_file,
    release_of,
)
from gluon_cnn.errors import DataError

__all__ = ["find_fashion_mnist", "incomplete_here", "release_found", "releases_here"]

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
    found, incomplete = releases_here(), incomplete_here()
    if release is None and "first" in incomplete and "first" not in found and (prefer == "first" or not found):
        if get:
            place, name = incomplete["first"]
            raise DataError(
                f"{place} has no {name} of {RELEASES['first'].words}: put it there, ask for the first to have it "
                "downloaded, or ask for the second.",
                "release",
            )
        return None
    for wanted in [release] if release else [prefer, *RELEASES]:
        if wanted in found:
            return found[wanted]
    return _download(release or "second") if get else None


def release_found(root=None, prefer="second"):
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
    found = {}
    for place in _places():
        if not missing_in(place):
            found.setdefault(release_of(place), place)
    return found


def incomplete_here():
    """``{release: (directory, name)}`` of the places that have some of a release's files, but not that one."""
    found = {}
    for place in _places():
        missing = missing_in(place)
        there = sorted(set(FILES) - set(missing), key=lambda name: "images" in name)  # labels are read faster
        if missing and there:
            with contextlib.suppress(DataError):  # a damaged file
                found.setdefault(read_file(place, there[0]).release, (place, missing[0]))
    return found


def _places():
    return [data_home(), *map(_own_folder, RELEASES), DEBIAN_PLACE]


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
        raise missing_file(directory, missing[0])
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

    wanted, mirrors, advice = RELEASES[release], RELEASES[release].mirrors, _ADVICE[release]
    repository = os.environ.get("MXNET_GLUON_REPO")
    if release == "first" and repository:
        mirrors = (f"{repository.rstrip('/')}/gluon/dataset/fashion-mnist/",)
        advice = f"look at MXNET_GLUON_REPO; {advice}"
    debian = (wanted.debian_package, DEBIAN_PLACE) if wanted.debian_package else None
    with download.one_at_a_time(data_home().parent):  # or two processes would choose one folder for two releases
        if release in releases_here():  # another process has got it meanwhile
            return releases_here()[release]
        directory = data_home() if _may_hold(data_home(), release) else _own_folder(release)
        missing = missing_in(directory)
        check = {f"{name}.gz": functools.partial(_check_download, name=name, release=release) for name in missing}
        download.get_files(wanted.words, directory, mirrors, check, advice=advice, debian=debian)
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

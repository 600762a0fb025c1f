"""Get files from the first place that has them: mirrors over HTTP, then a Debian package."""

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import portalocker
import requests
import urllib3

from gluon_cnn.errors import DataError
from gluon_cnn.files import flush_to_disk, open_own

__all__ = ["get_files", "one_at_a_time"]

log = logging.getLogger(__name__)

ATTEMPTS = 3  # at each mirror
CONNECT_TIMEOUT, READ_TIMEOUT = 10, 30  # seconds
SLOW_AFTER = 20  # seconds, after which less than SLOWEST counts as no answer
SLOWEST = 10_000  # bytes a second
LARGEST = 100_000_000  # bytes; no file asked for here comes near it
CHUNK = 1 << 16  # bytes

# Answers that mean "this mirror does not have it": another attempt would get the same one.
_FINAL_STATUS = range(400, 500)


class _Refused(Exception):
    """A mirror answered, and asking it again would be useless."""


class _Incomplete(Exception):
    """A mirror stopped in the middle of a file, or sent it too slowly; asking it again may help."""


def get_files(what, directory, mirrors, verify, *, advice, debian=None):
    """Put verified files into ``directory``.

    A file appears under its final name only when its check has passed. An interrupted
    download is continued. A second process waits for the first one, and finds its files.

    Parameters
    ----------
    what : str
        What the files are, for messages.
    directory : Path
        Created if it does not exist.
    mirrors : sequence of str
        URLs that end in a slash, in the order in which they are asked.
    verify : dict of str to callable
        For each file's name a function of a path that raises DataError if the file is not the right one.
    advice : str
        What to do if they cannot be downloaded.
    debian : (str, Path), optional
        A Debian package with the same files, and where in it they are.

    Raises
    ------
    DataError
        If a file cannot be downloaded, saying what was tried.
    """
    with one_at_a_time(directory):
        missing = {name: check for name, check in verify.items() if not (directory / name).is_file()}
        failures = _from_mirrors(directory, mirrors, missing)
        tried = "; ".join(sorted(set(failures.values())))
        if failures and debian:
            tried += _from_debian(directory, {name: missing[name] for name in failures}, *debian)
    lacking = [name for name in verify if not (directory / name).is_file()]
    if lacking:
        raise DataError(f"{', '.join(lacking)} of {what} cannot be downloaded ({tried}): {advice}.", "data_dir")
    log.info(f"got {what} into {directory}")


@contextlib.contextmanager
def one_at_a_time(directory):
    """A block that one process at a time is in; the others wait. A DataError if the directory cannot be written."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with open_own(directory / ".download.lock", "a") as lock:
            portalocker.lock(lock, portalocker.LOCK_EX)
            yield
    except OSError as error:
        raise DataError(
            f"The files cannot be put into {directory} ({error.strerror or error}): make room there, or set MXNET_HOME "
            "to another place."
        ) from error


def _from_mirrors(directory, mirrors, verify):
    """Download each file; returns, for each that no mirror gave, what the mirrors said."""
    failures = {}
    for name, check in verify.items():
        answers = []
        for mirror in mirrors:
            try:
                _download(mirror + name, directory / name, check)
                log.info(f"{name}: from {urlsplit(mirror).netloc}")
                break
            except _Refused as refused:
                answers.append(f"{urlsplit(mirror).netloc}: {refused}")
        else:
            failures[name] = "; ".join(answers)
    return failures


def _download(url, target, check):
    part = target.with_name(target.name + ".part")
    problem = None
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(2 ** (attempt - 1))
        resumed = part.exists() and part.stat().st_size > 0
        try:
            _transfer(url, part)
            check(part)
        except (_Incomplete, requests.RequestException, urllib3.exceptions.HTTPError) as error:
            problem = _in_short(error)
        except DataError:
            part.unlink()
            problem = "the file it sent is not the right one"
            if not resumed:
                break
        else:
            _take(part, target)
            return
    raise _Refused(problem)


def _transfer(url, part):
    """Append to ``part`` what it lacks; a server that cannot send a range sends everything."""
    from tqdm import tqdm  # here, where an import that fails on a variable can be explained

    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)) as response:
        if response.status_code == 416:  # nothing is lacking, or the part is of another file
            return
        if response.status_code in _FINAL_STATUS:
            raise _Refused(f"HTTP status {response.status_code}")
        response.raise_for_status()
        if response.status_code != 206 or not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            have = 0
        length = response.headers.get("Content-Length", "")
        expected = have + int(length) if length.isdigit() else None
        if (expected or 0) > LARGEST:
            raise _Refused(f"it would send {expected:,} bytes")
        with open_own(part, "ab" if have else "wb") as file, tqdm(
            desc=part.stem,
            file=sys.stderr,
            total=expected,
            initial=have,
            unit="B",
            unit_scale=True,
            disable=None,
            leave=False,
        ) as bar:
            have = _receive(response.raw, file, have, bar)
    if expected is not None and have != expected:
        raise _Incomplete(f"the connection closed after {have:,} of {expected:,} bytes")


def _receive(body, file, have, bar):
    """Copy the body as it comes in, and give up on a server that only drips; returns the file's length."""
    start, received = time.monotonic(), 0
    # read1 gives what has arrived, where read waits until a whole chunk has, however long that takes.
    for block in iter(lambda: body.read1(CHUNK, decode_content=False), b""):
        file.write(block)
        bar.update(len(block))
        received += len(block)
        if have + received > LARGEST:
            raise _Refused(f"it sent more than {LARGEST:,} bytes")
        waited = time.monotonic() - start
        if waited > SLOW_AFTER and received / waited < SLOWEST:
            raise _Incomplete(f"only {received:,} bytes came in {waited:.0f} seconds")
    return have + received


def _take(file, target):
    if os.path.lexists(target):  # a link to nothing, or no file
        raise FileExistsError(0, f"{target.name} is there and is no file")
    flush_to_disk(file)
    file.replace(target)
    flush_to_disk(target.parent)


def _in_short(error):
    if isinstance(error, _Incomplete):
        return str(error)
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.HTTPError):
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, requests.TooManyRedirects):
        return "it redirects forever"
    return "no connection"


def _from_debian(directory, verify, package, place):
    """Unpack files from a Debian package; no root and no installed package list are needed.

    Returns what went wrong, to follow what the mirrors said; empty if nothing did.
    """
    try:
        with tempfile.TemporaryDirectory(dir=directory, prefix=".debian-") as scratch:
            unpacked = _unpack_debian_package(package, Path(scratch))
            for name, check in verify.items():
                file = unpacked / place.relative_to("/") / name
                if file.resolve() != unpacked.resolve() / place.relative_to("/") / name or not file.is_file():
                    raise DataError(f"the package has no {name}")
                check(file)
                _take(file, directory / name)
    except DataError as error:
        return f"; Debian's {package}: {str(error).rstrip('.')}"
    log.info(f"{', '.join(verify)}: from Debian's {package}")
    return ""


def _unpack_debian_package(package, scratch):
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise DataError("this is not a Debian system")
    # apt's own lists first; where there are none, or old ones, lists of our own in the scratch directory.
    (scratch / "lists" / "partial").mkdir(parents=True)
    own_lists = ["-o", f"Dir::State::Lists={scratch}/lists", "-o", f"Dir::Cache={scratch}"]
    for commands in (
        [["apt-get", "download", package]],
        [["apt-get", *own_lists, "update"], ["apt-get", *own_lists, "download", package]],
    ):
        with contextlib.suppress(subprocess.SubprocessError):
            for command in commands:
                subprocess.run(command, cwd=scratch, capture_output=True, check=True, timeout=300)
            break
    archives = list(scratch.glob("*.deb"))
    if not archives:
        raise DataError("apt-get cannot download it")
    unpacked = scratch / "unpacked"
    try:
        subprocess.run(["dpkg-deb", "-x", archives[0], unpacked], capture_output=True, check=True, timeout=300)
    except subprocess.SubprocessError:
        raise DataError("dpkg-deb cannot unpack it") from None
    return unpacked

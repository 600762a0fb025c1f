"""Files that are whole or not there, and the hashes that prove it."""

import contextlib
import glob
import hashlib
import os
import re
from pathlib import Path

__all__ = ["flush_to_disk", "remove_leftovers", "sha256_of", "write_atomically"]

_TEMPORARY = re.compile(r"\..+\.(\d+)\.tmp(\.\w+)?")  # what write_atomically writes to, with its process's id


@contextlib.contextmanager
def write_atomically(path):
    """Give a temporary path to write to; when the block ends well, it becomes ``path`` in one step.

    The bytes are on the disk before the name is. After an error neither the temporary file nor a
    half-written ``path`` is left; a ``path`` that was there before is untouched.
    """
    path = Path(path)
    remove_leftovers(path.parent, path.name)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        flush_to_disk(temporary)
        temporary.replace(path)
        flush_to_disk(path.parent)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def remove_leftovers(directory, name=""):
    """Remove the temporary files that killed processes left in a directory, or only those of the file ``name``."""
    for path in directory.glob(f".{glob.escape(name)}*.tmp*"):
        match = _TEMPORARY.fullmatch(path.name)
        if match and path.is_file() and not _runs(int(match[1])):
            path.unlink()


def _runs(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it is another user's
        return True
    return True


def flush_to_disk(path):
    """Wait until what was written to a file, or renamed in a directory, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path):
    """The SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()

"""Files that are whole or not there, and the hashes that prove it."""

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

__all__ = ["flush_to_disk", "is_temporary", "remove_temporaries", "sha256_of", "write_atomically"]


@contextlib.contextmanager
def write_atomically(path):
    """Give a temporary path to write to; when the block ends well, it becomes ``path`` in one step.

    The bytes are on the disk before the name is. After an error neither the temporary file nor a
    half-written ``path`` is left; a ``path`` that was there before is untouched.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        flush_to_disk(temporary)
        temporary.replace(path)
        flush_to_disk(path.parent)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def is_temporary(path):
    """Whether a name is one that something unfinished has here: ``.name.tmp`` and what may follow."""
    return path.name.startswith(".") and ".tmp" in path.name


def remove_temporaries(directory):
    """Remove what a process that was killed left unfinished in a directory that nobody else writes to now."""
    for path in filter(is_temporary, directory.iterdir()):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


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

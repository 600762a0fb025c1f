"""Files that are whole or not there, the hashes that prove it, and nobody else's files touched."""

import contextlib
import errno
import hashlib
import os
import re
import stat
from pathlib import Path

from gluon_cnn.errors import RunError, SettingError

__all__ = [
    "as_unicode",
    "flush_to_disk",
    "known_as",
    "leftovers",
    "open_own",
    "open_regular",
    "printable",
    "reason_of",
    "refuse_foreign",
    "remedy",
    "remove_leftovers",
    "sha256_of",
    "write_atomically",
]

# What write_atomically writes to: our mark, the process's id, when it started, and the end of the file's name.
_TEMPORARY = re.compile(r"\.gluon-cnn-([1-9]\d*)-(\d+)-(.+)", re.DOTALL)
_LONGEST = 255  # bytes of a name, on all common file systems
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def write_atomically(path):
    """Give a temporary path to write to; when the block ends well, it becomes ``path`` in one step.

    The bytes are on the disk before the name is. After an error neither the temporary file nor a
    half-written ``path`` is left; a ``path`` that was there before is untouched. A symbolic link stays, and what it
    leads to is replaced. A file that was there keeps its mode and, where this user may give it away, its owner.

    Raises
    ------
    SettingError
        If ``path`` is there and is not a regular file.
    """
    path, before = _target(path)
    remove_leftovers(path.parent, path.name)
    process = os.getpid()
    temporary = path.with_name(_temporary_name(path.name, process, _start_of(process)))
    try:
        # Nobody else may read what replaces a private file, not even while it is written.
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if before else 0o666))
        try:
            yield temporary
            _finish(temporary, before)
            temporary.replace(path)
            flush_to_disk(path.parent)
        finally:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
    except OSError as error:
        if error.errno and error.filename in (None, str(temporary)):  # the name that the user knows
            error.filename = str(known_as(path))
        raise


def _target(path):
    """The file to replace, through symbolic links, and its status; None if there is none yet."""
    path, before = Path(path), None
    with contextlib.suppress(FileNotFoundError):
        before = path.stat()
    if before and not stat.S_ISREG(before.st_mode):
        raise SettingError(f"{known_as(path)} is not a regular file: choose another name.", "out")
    return path.resolve() if path.is_symlink() else path, before


def _finish(temporary, before):
    """Give the new file the mode and owner of the one before, and wait until it is on the disk."""
    with open(temporary, "rb") as file:
        now = os.fstat(file.fileno())
        if before and (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
            with contextlib.suppress(OSError):  # only root can
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
        if before and stat.S_IMODE(now.st_mode) != stat.S_IMODE(before.st_mode):
            with contextlib.suppress(PermissionError):  # as on some network mounts; it stays private then
                os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
        os.fsync(file.fileno())


def _temporary_name(name, process, start):
    mark = f".gluon-cnn-{process}-{start}-"
    while len(os.fsencode(mark + name)) > _LONGEST:
        name = name[1:]  # the ending stays, because it says what to write
    return mark + name


def leftovers(directory, name=None):
    """The temporary files that killed processes left in a directory, or only those of the file ``name``."""
    found = []
    for path in directory.glob(".gluon-cnn-*"):
        match = _TEMPORARY.fullmatch(path.name)
        if not match or (name is not None and path.name != _temporary_name(name, match[1], match[2])):
            continue
        if path.is_file() and not path.is_symlink() and not _runs(int(match[1]), int(match[2])):
            found.append(path)
    return found


def remove_leftovers(directory, name=None):
    """Remove the temporary files that :func:`leftovers` finds."""
    for path in leftovers(directory, name):
        with contextlib.suppress(OSError):  # gone by now, or another user's
            path.unlink()


def _runs(process, start):
    """Whether the process that started then still runs, and not only another one that got its id."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OverflowError:  # no process ever has this id
        return True
    except OSError:  # it is another user's
        pass
    now = _start_of(process)
    return now == start or 0 in (now, start)


def _start_of(process):
    """When a process started, in the system's ticks since it booted; 0 if that cannot be known."""
    try:
        status = Path(f"/proc/{process}/stat").read_bytes()
    except OSError:  # not on Linux
        return 0
    return int(status.rpartition(b")")[2].split()[19])  # after the program's name, which may hold anything


def open_own(path, mode, **options):
    """Open a file that only this program writes, in place; it is made if it is not there. RunError if it is foreign."""
    refuse_foreign(path)  # before it is opened, which alone can have an effect on a device
    return open(path, mode, opener=_opener(path, os.O_NOFOLLOW, _refuse), **options)


def _opener(path, more, check):
    """An opener for ``open``, with more flags, which also checks what it has opened: by ``check(path, status)``."""

    def opener(name, flags):
        descriptor = os.open(name, flags | more, 0o666)
        try:
            check(path, os.fstat(descriptor))
        except (OSError, RunError):
            os.close(descriptor)
            raise
        return descriptor

    return opener


def refuse_foreign(path):
    """RunError if a name is a link, symbolic or hard, or not a regular file: what is written would be another's."""
    with contextlib.suppress(FileNotFoundError):
        _refuse(path, Path(path).lstat())


def _refuse(path, status):
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise RunError(
            f"{known_as(path)} is a link or not a regular file: move it away, or choose another directory.", "out"
        )


def known_as(path):
    """A path as an error names it: where it goes through a directory that this process holds open, by the name that
    the directory has now."""
    match = re.match(r"/proc/self/fd/\d+(?=/)", str(path))
    if match:
        with contextlib.suppress(OSError):
            return Path(os.readlink(match[0]) + str(path)[match.end() :])
    return path


def open_regular(path, mode="rb", **options):
    """Open a file to read, as ``open`` does; OSError if the name leads to a directory, a FIFO, a socket or a device.

    A FIFO in a file's place would be waited for, and ``/dev/zero`` never ends.
    """
    _require_regular(path, Path(path).stat())  # before it is opened, which alone can have an effect on a device
    # Not to wait for a FIFO that is there by now.
    return open(path, mode, opener=_opener(path, os.O_NONBLOCK, _require_regular), **options)


def _require_regular(path, status):
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def reason_of(error):
    """Why a file cannot be read or written: the system's words alone, or the last line of any other error."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return getattr(error, "strerror", None) or lines[-1]


def as_unicode(text):
    """A path, or text with one in it, as Unicode: bytes of a file's name that are not UTF-8 become ``\\xff`` and the
    like."""
    return str(text).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def printable(name):
    """A file's name as text that every file can hold and every terminal show: its bytes need not be UTF-8, and it may
    hold what moves a cursor."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda match: f"\\x{ord(match[0]):02x}", as_unicode(name))


def remedy(error):
    """What has to be done after an error before what was to be written can be written; an MXNetError names no cause."""
    full = getattr(error, "errno", errno.ENOSPC) in _FULL
    return "make room" if full else "see that it can be written"


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

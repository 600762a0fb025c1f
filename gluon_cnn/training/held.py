"""A run's directory while a process trains in it: locked, and reached whatever happens to its name."""

import contextlib
import errno
import logging
import os
import re
import time
from pathlib import Path

import portalocker

from gluon_cnn.errors import RunError
from gluon_cnn.files import open_own, write_atomically

__all__ = ["LOCK", "DirectoryLost", "HeldDirectory"]

log = logging.getLogger(__name__)

LOCK = "run.lock"

# How the system's call fails where another process has the lock, and on file systems that know no locks.
_TAKEN = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES}
_UNKNOWN = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
_BY_DESCRIPTOR = "/proc/self/fd/{}"  # Linux's path to what is open, wherever it is
_WAIT = 0.2  # seconds for whatever removes a directory to be done with it
_SAVED, _FAILED = " and saved there", "; what came after its last checkpoint is lost"


class DirectoryLost(RunError):
    """A run's directory was moved, deleted or replaced, or given to another process, while the run was trained."""


class HeldDirectory:
    """A directory that this process has locked and holds open.

    What is written to ``place`` goes into this very directory, also after it was moved and another one has its name.
    The lock is the operating system's, so that it ends with its process, however that ends.

    Parameters
    ----------
    directory : Path
        One that exists.

    Attributes
    ----------
    directory : Path
        Its name.
    place : Path
        A path that leads to it wherever it is; its name where the system has no such path.

    Raises
    ------
    RunError
        If another process has locked it.
    OSError
        If it cannot be opened or written.
    """

    def __init__(self, directory):
        self.directory = directory
        self._files_were_lost = False
        self._stack = contextlib.ExitStack()
        try:
            self._descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            self._stack.callback(os.close, self._descriptor)
            path = Path(_BY_DESCRIPTOR.format(self._descriptor))
            self._follows = self._is_at(path)
            self.place = path if self._follows else directory
            owner = self._lock()
        except BaseException:
            self.close()
            raise
        if owner:
            self.close()
            raise RunError(f"{self.directory} is in use by {owner}: wait for it or end it.")

    def close(self):
        """Unlock the directory and let it go."""
        self._stack.close()

    @contextlib.contextmanager
    def writing(self, needed):
        """A context in which something is written to ``place``.

        Parameters
        ----------
        needed : dict
            The bytes of files by their names. They are written again if they are gone, because nobody can resume the
            run without them.

        Raises
        ------
        DirectoryLost
            If the directory, or what tells that it is this process's, is not what it was. It says what is kept.
        """
        if not self._follows and not self._is_at(self.directory):  # there is no other way into it than its name
            self._refuse_lost(_FAILED, {})
        self._keep_lock()
        try:
            yield
        except (OSError, RunError):
            time.sleep(_WAIT)  # the reason may be that somebody removes the directory, and is not done
            self._refuse_lost(_FAILED, needed if self._follows else {})
            raise
        self._refuse_lost(_SAVED, needed if self._follows else {})

    def _lock(self):
        """Lock the directory, and write this process's number into the lock; or return which process has done so."""
        file = self._stack.enter_context(open_own(self.place / LOCK, "ab+", buffering=0))
        if not re.fullmatch(rb"\d*\n?", os.pread(file.fileno(), 32, 0)):
            name = self.directory / LOCK
            raise RunError(f"{name} is not the lock of a run: move it away, or choose another directory.", "out")
        try:
            portalocker.lock(file, portalocker.LOCK_EX | portalocker.LOCK_NB)
            self._stack.callback(portalocker.unlock, file)
            self._locks = True
        except portalocker.exceptions.LockException as error:
            number = getattr(error.args[0], "errno", errno.EAGAIN) if error.args else errno.EAGAIN
            if number in _TAKEN:
                return _owner(file)
            if number not in _UNKNOWN:
                raise error.args[0] from None
            # It takes two processes in one directory to do harm, and the first of them will see the other's number.
            self._locks = False
            log.warning(
                f"the file system of {self.directory} has no locks ({os.strerror(number)}): do not start another "
                "process in it"
            )
        self._file, self._identity = file, os.fstat(file.fileno())
        file.truncate(0)
        file.write(b"%d\n" % os.getpid())
        return None

    def _keep_lock(self):
        """Lock the directory again if its lock was removed or replaced; DirectoryLost if another process has it."""
        try:
            now = (self.place / LOCK).lstat()
        except FileNotFoundError:
            now = None
        except OSError:
            return  # the write fails as well, and its error says more
        if now and os.path.samestat(now, self._identity):
            if not self._locks and _owner(self._file) != f"process {os.getpid()}":
                self._refuse_taken(_owner(self._file))
            return
        if self._is_deleted():
            return  # the write fails, and nobody else can lock it
        self._files_were_lost = True
        owner = self._lock()
        if owner:
            self._refuse_taken(owner)

    def _refuse_taken(self, owner):
        raise DirectoryLost(
            f"{self.directory} was taken over by {owner} during its run, which was stopped; what came after its last "
            "checkpoint is lost: leave the run to that process."
        )

    def _missing(self, needed):
        for name in needed:
            try:
                (self.place / name).stat()
            except FileNotFoundError:
                yield name
            except OSError:  # it cannot be known
                pass

    def _refuse_lost(self, kept, needed):
        """DirectoryLost if the directory is not where it was, or files in it were lost."""
        if self._is_at(self.directory) and not self._files_were_lost and not any(self._missing(needed)):
            return
        time.sleep(_WAIT)
        try:
            for name in self._missing(needed):
                with write_atomically(self.place / name) as temporary:
                    temporary.write_bytes(needed[name])
        except OSError:
            kept = _FAILED
        stopped = f"during its run, which was stopped{kept}"
        if self._is_at(self.directory):
            raise DirectoryLost(
                f"Files of {self.directory} were removed or replaced {stopped}: resume it, or remove what is left.",
                "resume",
            )
        now = self._name_now()
        if now:
            words = f"{self.directory} was moved to {now} {stopped}: resume it from there."
            raise DirectoryLost(words, "resume", "out")
        if self._is_deleted():
            raise DirectoryLost(
                f"{self.directory} was deleted during its run, which was stopped, and nothing could be kept: begin it "
                "again."
            )
        raise DirectoryLost(
            f"{self.directory} no longer leads to its run, as after an unmount; the run was stopped{kept}: bring that "
            "directory back and resume it.",
            "resume",
        )

    def _is_at(self, path):
        with contextlib.suppress(OSError):
            return os.path.samestat(Path(path).stat(), os.fstat(self._descriptor))
        return False

    def _is_deleted(self):
        with contextlib.suppress(OSError):
            return os.fstat(self._descriptor).st_nlink == 0
        return False

    def _name_now(self):
        """Where the directory is now, as far as the system knows; else None."""
        with contextlib.suppress(OSError):
            path = os.readlink(self.place)
            return path if self._is_at(path) else None
        return None


def _owner(lock):
    """The process whose number is in a lock's file, in words."""
    number = os.pread(lock.fileno(), 32, 0).decode(errors="replace").strip()
    return f"process {number}" if number else "another process"

"""A run's ``train.log``: what was printed, with times."""

import contextlib
import logging
import sys

from gluon_cnn.files import open_own, reason_of

__all__ = ["log_to"]

log = logging.getLogger(__name__)


class _LogFile(logging.StreamHandler):
    """Writes what is logged to a file. Where that fails, as on a full disk, it says so once, and the run continues."""

    def __init__(self, path, shown):
        # Paths, which are logged too, need not be UTF-8.
        super().__init__(open_own(path, "a", encoding="utf-8", errors="backslashreplace"))
        self._path, self._failed = shown, False

    def handleError(self, record):
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._failed:
            self._failed = True  # first, because this handler gets the warning too
            log.warning(f"{self._path} cannot be written ({reason_of(error)}): the run continues without it")

    def close(self):
        with contextlib.suppress(OSError):  # it could not be written before either
            self.stream.close()
        super().close()


@contextlib.contextmanager
def log_to(run):
    """A block in which what is logged is also written to a run's file, with times."""
    with run.writing(run.log_path) as path:
        handler = _LogFile(path, run.log_path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    package = logging.getLogger("gluon_cnn")
    package.setLevel(logging.INFO)
    package.addHandler(handler)
    try:
        yield
    finally:
        package.removeHandler(handler)
        handler.close()

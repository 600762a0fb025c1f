"""Write checkpoints while the training continues."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor, wait

import mxnet as mx

from gluon_cnn.errors import CheckpointError, RunError
from gluon_cnn.files import reason_of, remedy
from gluon_cnn.training.checkpoint import write_checkpoint
from gluon_cnn.training.checkpoints import last_checkpoint, tidy
from gluon_cnn.training.memory import is_out_of_memory
from gluon_cnn.training.snapshot import take_snapshot

__all__ = ["Saver"]


class Saver:
    """Writes one checkpoint after another, on a thread of its own.

    An error of the thread is raised by the next call. As a context, it waits for the last checkpoint at its end.

    Parameters
    ----------
    directory : Path
        Of the run's checkpoints.
    meanwhile : callable
        Is called every second that this waits.
    writing : callable
        Gives, as a context, the path to write a directory by.

    Attributes
    ----------
    seconds : float
        How long the last checkpoint took, mostly beside the training.
    """

    def __init__(self, directory, meanwhile=lambda: None, writing=contextlib.nullcontext):
        self.directory, self._meanwhile, self._open = directory, meanwhile, writing
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._pending = None
        self.seconds = 0.0

    def save(self, net, trainer, state, then=None):
        """Copy a training and have it written; ``then`` is called, on the thread, once it is on the disk."""
        self.wait()
        began = time.monotonic()
        self._pending = self._thread.submit(self._write, take_snapshot(net, trainer, state), then, began)

    def wait(self):
        """Wait until what was given is on the disk.

        Raises
        ------
        RunError
            If it cannot be written.
        TrainingDiverged
            If a parameter is not a finite number.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            while not wait([pending], timeout=1.0).done:
                self._meanwhile()
            pending.result()

    @property
    def failed(self):
        """Whether the next call will raise an error. This one does not wait."""
        return self._pending is not None and self._pending.done() and self._pending.exception() is not None

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        try:
            if error is None:
                self.wait()
        finally:
            self._thread.shutdown()

    def _write(self, snapshot, then, began):
        with self._open(self.directory) as directory:
            self._save_in(directory, snapshot)
        self.seconds = time.monotonic() - began
        if then is not None:
            then()

    def _save_in(self, directory, snapshot):
        try:
            write_checkpoint(directory, snapshot)
            tidy(directory)
        except (FileNotFoundError, CheckpointError):
            raise RunError(
                f"Files in {self.directory} were removed or changed while a checkpoint was written there; what came "
                "after the last whole one is lost: resume the run if there is one, or begin it again.",
                "resume",
            ) from None
        except (OSError, mx.MXNetError) as error:
            if is_out_of_memory(error):  # an error of earlier steps, which MXNet reports to the first thread that waits
                raise
            earlier = "the earlier ones are whole" if last_checkpoint(directory) else "there is no earlier one"
            raise RunError(
                f"No checkpoint can be written to {self.directory} ({reason_of(error)}), and {earlier}: "
                f"{remedy(error)} and resume the run.",
                "resume",
            ) from None

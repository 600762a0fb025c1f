"""ONNX Runtime in a process of its own, which a damaged or hostile file can end, but no more."""

import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from multiprocessing import Pipe

import numpy as np
import psutil

from gluon_cnn.errors import InteropError
from gluon_cnn.interop.extras import missing_extra
from gluon_cnn.interop.onnx_graph import size_of
from gluon_cnn.runtime import threads

__all__ = ["OnnxProcess"]

#: Bytes of memory that a file may take, beside so many times its size, and seconds that it may compute a batch.
MEMORY, FACTOR, SECONDS = 208 << 20, 3, 40
_PAUSE = 0.05  # seconds between two looks at the memory
_LONGEST = 300  # characters of a reason
# The process finds what this one finds, and nothing else.
_CODE = "import sys; sys.path[:] = sys.argv[2:]; from gluon_cnn.interop.onnx_child import main; main(int(sys.argv[1]))"


class OnnxProcess:
    """A process that runs an ONNX file, see :mod:`gluon_cnn.interop.onnx_child`. It ends with this object.

    Parameters
    ----------
    path : path
        A regular file.

    Attributes
    ----------
    model : dict
        What the file says of itself: ``inputs`` and ``outputs``, each a list of name, type and shape; ``last``, the
        operator that computes each output; ``producer``; ``metadata``.

    Raises
    ------
    InteropError
        If the file cannot be opened, needs too much memory or time, or a package is missing.
    """

    def __init__(self, path):
        self.path, self._most, self._one_at_a_time = path, None, threading.Lock()
        self._start()
        wanted = {"memory": MEMORY, "factor": FACTOR, "seconds": SECONDS, "threads": threads()}
        try:
            self._send({"path": str(path), **wanted})
            self._receive()
            base = self._resident()
            self._most = base + MEMORY + FACTOR * size_of(path)
            self._most = base + MEMORY + FACTOR * self._receive()["size"]
            self.model = self._receive()
        except BaseException:
            self.close()
            raise

    def run(self, output, batch):
        """The numbers of one output for a batch, a NumPy array float32.

        Raises
        ------
        InteropError
            If the file cannot compute them within its memory and time.
        """
        batch = np.ascontiguousarray(batch)
        try:
            with self._one_at_a_time:
                self._send({"shape": batch.shape, "type": batch.dtype.str, "output": output}, batch)
                shape = self._receive()["shape"]
                return np.frombuffer(self._bytes(), np.float32).reshape(shape)
        except InteropError:
            raise
        except BaseException:  # such as Ctrl-C, to which the other process would not listen
            self.close()
            raise

    def close(self):
        """End the process."""
        self._end()

    def _start(self):
        self._connection, other = Pipe()
        descriptor = str(other.fileno())
        # No server or scheduler of MXNet's starts in it, and NumPy computes nothing there.
        variables = {name: value for name, value in os.environ.items() if name != "DMLC_ROLE"}
        variables.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        nowhere = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE, descriptor, *map(str, sys.path)],
            env=variables,
            pass_fds=[other.fileno()],
            **nowhere,
        )
        other.close()
        self._end = weakref.finalize(self, _end, self._process, self._connection)

    def _send(self, message, array=None):
        try:
            self._connection.send_bytes(json.dumps(message).encode())
            if array is not None:
                self._connection.send_bytes(memoryview(array.reshape(-1)).cast("B"))
        except OSError:
            raise self._ended() from None

    def _receive(self):
        """The next message; an InteropError if it says that something failed."""
        message = json.loads(self._bytes())
        if "failed" not in message:
            return message
        if message["failed"] == "import":
            raise missing_extra(message["module"] or "onnxruntime", "onnx", message["reason"])
        if message["failed"] == "memory":
            raise self._too_large()
        raise self._cannot(message["reason"])

    def _bytes(self):
        try:
            while not self._connection.poll(_PAUSE):
                if self._most and self._resident() > self._most:  # where the system has no limit of its own
                    self.close()
                    raise self._too_large()
            return self._connection.recv_bytes()
        except (EOFError, OSError):
            raise self._ended() from None

    def _resident(self):
        """Bytes of memory that the process has."""
        try:
            return psutil.Process(self._process.pid).memory_info().rss
        except psutil.Error:  # it has ended, which the connection will show
            return 0

    def _ended(self):
        """What to raise when the process has ended by itself."""
        code = self._process.wait()
        if code == -signal.SIGALRM:
            return self._cannot(f"it takes more than {SECONDS} seconds")
        by = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return self._cannot(f"ONNX Runtime's process ended with {by}")

    def _too_large(self):
        return self._cannot(f"it needs more memory than {FACTOR} times its size and {MEMORY >> 20} MB")

    def _cannot(self, reason):
        shown = "".join(letter if letter.isprintable() else "?" for letter in reason)
        shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
        return InteropError(
            f"{self.path} is not a file that ONNX Runtime can run ({shown}): name another one, or export it again."
        )


def _end(process, connection):
    process.kill()
    process.wait()
    connection.close()

"""The process that runs an ONNX file for another one, with limits. It does not import MXNet.

ONNX Runtime can be made to die, to take all memory and to compute forever, by the file that it runs. Here it takes only
itself along. Messages are JSON, and arrays are the bytes after their message; nothing that is received can run code.
"""

import contextlib
import json
import os
import re
import resource
import signal
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

__all__ = ["main"]

_FATAL = 4  # the only errors that ONNX Runtime logs; the others become exceptions
_STACK = 8 << 20  # bytes that a thread reserves, and seldom uses
_BYTES_PER_SECOND = 5e6  # of a file, at least, while it is opened
_MOST_TEXT, _MOST_NUMBERS = 1_000_000, 2_000_000  # characters of metadata; numbers of an answer
_NO_MEMORY = re.compile("bad_alloc|bad allocation|allocate memory|out of memory", re.IGNORECASE)


def main(descriptor):
    """Answer the process at the other end of a connection until it closes it.

    Parameters
    ----------
    descriptor : int
        Of the connection. The first message is ``{"path", "threads", "memory", "factor", "seconds"}``: the file, the
        threads, the bytes that may be used beside so many times the file's size, and the seconds that an answer may
        take. Its answers are ``{"ready"}``, ``{"size"}`` of all files, and what the model takes and gives. Each
        message after that announces a batch, ``{"shape", "type", "output"}``, and is answered with the output's
        numbers in float32. ``{"failed": kind, "reason"}`` is the answer where something does not work.
    """
    for number in (signal.SIGINT, signal.SIGTSTP):  # which a terminal sends here too
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no file where it dies
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        _serve(Connection(descriptor))


def _end_with(parent):
    """End when the process that started this one ends, even in the middle of a batch."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _serve(connection):
    wanted = json.loads(connection.recv_bytes())
    try:
        session = _open(connection, wanted)
    except Exception as error:
        _send(connection, _failure(error))
        return
    while True:
        signal.alarm(0)
        message = json.loads(connection.recv_bytes())
        signal.alarm(wanted["seconds"])  # which kills, even if Python never gets its turn again
        batch = np.frombuffer(connection.recv_bytes(), message["type"]).reshape(message["shape"])
        try:
            found = _as_floats(_run(session, message["output"], batch))
        except Exception as error:
            _send(connection, _failure(error))
        else:
            _send(connection, {"shape": found.shape})
            connection.send_bytes(memoryview(found.reshape(-1)).cast("B"))


def _open(connection, wanted):
    """The session of a file, of which the other process is told."""
    from gluon_cnn.interop.onnx_graph import last_operators, read_graph, size_in_all, size_of

    path = Path(wanted["path"])
    size = size_of(path)
    signal.alarm(_seconds(wanted, size))
    import onnxruntime
    import psutil

    _send(connection, {"ready": True})
    used = getattr(psutil.Process().memory_info(), "data", None)  # None where the system does not count it
    _limit_memory(used, wanted, size)
    model = read_graph(path)
    size, last = size_in_all(path, model), last_operators(model.graph)
    del model
    signal.alarm(_seconds(wanted, size))
    _limit_memory(used, wanted, size)
    _send(connection, {"size": size})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = wanted["threads"]
    options.log_severity_level = _FATAL
    options.enable_cpu_mem_arena = False  # which keeps, and takes, up to twice of what is needed
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    _send(connection, _described(session, last))
    return session


def _seconds(wanted, size):
    """How long a file of ``size`` bytes may take to be opened."""
    return wanted["seconds"] + int(size / _BYTES_PER_SECOND)


def _limit_memory(used, wanted, size):
    """Let an allocation fail where a file of ``size`` bytes takes too much. Only Linux does; OnnxProcess looks too."""
    if used is None:
        return
    most = used + wanted["memory"] + wanted["factor"] * size + wanted["threads"] * _STACK
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _described(session, last):
    """What a model takes, gives and says of itself."""
    about = session.get_modelmeta()
    texts = about.custom_metadata_map
    if sum(map(len, [*texts, *texts.values()])) > _MOST_TEXT:
        raise ValueError(f"it has more than {_MOST_TEXT:,} characters of metadata")
    ends = [[(end.name, end.type, end.shape) for end in ends] for ends in (session.get_inputs(), session.get_outputs())]
    return {"inputs": ends[0], "outputs": ends[1], "last": last, "producer": about.producer_name, "metadata": texts}


def _run(session, output, batch):
    """One output of a batch; in halves if the whole needs too much memory and the batch may have any size."""
    (taken,) = session.get_inputs()
    try:
        return session.run([output], {taken.name: batch})[0]
    except Exception as error:
        if len(batch) == 1 or isinstance(taken.shape[0], int) or not _lacks_memory(error):
            raise
    half = len(batch) // 2
    return np.concatenate([_run(session, output, part) for part in (batch[:half], batch[half:])])


def _as_floats(found):
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f":
        raise ValueError(f"it gives {getattr(found, 'dtype', type(found).__name__)} instead of floating-point numbers")
    if found.size > _MOST_NUMBERS:
        raise ValueError(f"it gives {found.size:,} numbers at a time")
    with np.errstate(over="ignore"):  # an infinite number is noticed by whoever asked for it
        return np.ascontiguousarray(found, np.float32).reshape(found.shape)


def _lacks_memory(error):
    return isinstance(error, MemoryError) or bool(_NO_MEMORY.search(str(error)))


def _failure(error):
    """An exception as a message; those of ONNX Runtime and of protobuf have no base class of their own."""
    if isinstance(error, ImportError):
        return {"failed": "import", "reason": str(error), "module": error.name or ""}
    if _lacks_memory(error):
        return {"failed": "memory", "reason": ""}
    # ONNX Runtime's message, without the place in its own code.
    said = re.sub(r"^(\[ONNXRuntimeError\] : \d+ : \w+ : )?(.*failed:(/\S+ .*\) )?)?", "", " ".join(str(error).split()))
    return {"failed": "run", "reason": said.rstrip(".") or type(error).__name__}


def _send(connection, message):
    connection.send_bytes(json.dumps(message).encode())

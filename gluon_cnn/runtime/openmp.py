"""How many OpenMP threads MXNet's operators use, and the engine threads that begin them."""

import contextlib
import ctypes
import os
import warnings

from gluon_cnn.runtime.cores import usable_cores

__all__ = [
    "restart_engine_threads",
    "run_on_engine_thread",
    "set_threads",
    "threads",
    "threads_chosen_by_user",
    "use_every_core",
]

_EngineFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
_callbacks = []

_CHOSEN_BY_USER = bool(os.environ.get("OMP_NUM_THREADS"))  # read before this package sets it


def threads_chosen_by_user():
    """Whether OMP_NUM_THREADS was set before this package set it."""
    return _CHOSEN_BY_USER


def use_every_core():
    """Set OMP_NUM_THREADS to every core that this process may use, unless the user has set it."""
    os.environ["OMP_NUM_THREADS"] = str(threads() if _CHOSEN_BY_USER else usable_cores())


def threads():
    """The number of OpenMP threads that the environment asks for."""
    # OpenMP allows a list, one number for each level of nesting. The first is the one in use; the list ends MXNet.
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdigit() and int(first) > 0 else usable_cores()


def set_threads(number, devices=()):
    """Make MXNet's operators use ``number`` OpenMP threads from now on, on ``mx.cpu()`` and the CPUs among ``devices``.

    MXNet's own ``MXSetNumOMPThreads`` does not reach oneDNN and BLAS, which ask OpenMP. OpenMP keeps the
    number for each thread that begins parallel work, so it is set on the engine's.
    """
    import mxnet

    if number != threads():
        restart_engine_threads()
    os.environ["OMP_NUM_THREADS"] = str(number)
    mxnet.base.check_call(mxnet.base._LIB.MXSetNumOMPThreads(ctypes.c_int(number)))
    try:
        openmp = ctypes.CDLL("libgomp.so.1")  # the one that libmxnet.so is linked to, and has loaded
    except OSError:  # not on Linux
        return
    for cpu in {0, *(device.device_id for device in devices if device.device_type == "cpu")}:
        run_on_engine_thread(lambda: openmp.omp_set_num_threads(number), cpu)


def restart_engine_threads():
    """Make MXNet end its engine's threads and start new ones.

    Each keeps the oneDNN primitives that it has made, which are made for one number of threads. With another number
    they would give the old number's bits at its speed, or, with a larger one, write past their memory and end the
    process: LeNet's did. MXNet starts new threads whenever the process forks, which takes about 10 ms.
    """
    import mxnet

    if not hasattr(os, "fork"):
        return
    # Forking waits for the engine's threads while it holds Python's lock. So none of them may still want that lock, as
    # one does that frees a NumPy array's memory, which begins after the last operation and ends before the next begins.
    mxnet.nd.waitall()
    mxnet.nd.zeros(1, mxnet.cpu()).wait_to_read()
    mxnet.nd.waitall()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of children that would run on
        child = os.fork()
    if child == 0:
        os._exit(0)
    with contextlib.suppress(ChildProcessError):  # the program ignores SIGCHLD
        os.waitpid(child, 0)


def run_on_engine_thread(function, cpu=0):
    """Queue ``function`` behind MXNet's work on ``mx.cpu(cpu)``, to be called by the thread that does that work."""
    import mxnet

    callback = _EngineFunction(lambda *_: function())
    _callbacks.append(callback)  # called later, so it has to stay
    context = (ctypes.c_int32 * 2)(1, cpu)  # device type and number, as in MXNet's struct Context
    push = mxnet.base._LIB.MXEnginePushSync
    mxnet.base.check_call(push(callback, None, None, ctypes.byref(context), None, 0, None, 0, None, 0, b"gluon_cnn"))

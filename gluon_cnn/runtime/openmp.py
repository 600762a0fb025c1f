"""How many OpenMP threads MXNet's operators use, and the engine threads that begin them."""

import contextlib
import ctypes
import logging
import os
import re
import threading
import warnings

from gluon_cnn.runtime.cores import usable_cores
from gluon_cnn.runtime.environment import thread_number

__all__ = [
    "overruled_variables",
    "prepare_to_fork",
    "restart_engine_threads",
    "run_on_engine_thread",
    "set_threads",
    "thread_restriction",
    "threads",
    "threads_chosen_by_user",
    "use_every_core",
    "within_thread_limit",
]

_EngineFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
_callbacks = []

_CHOSEN_BY_USER = bool(os.environ.get("OMP_NUM_THREADS"))  # read before this package sets it

_overruled = {}  # variables that this package has changed, with the values that they had
_restricted = []  # the first number that was more than OpenMP gives, and what it gives
_said = []
_after_fork = []  # what is set on the engine's threads again when a fork has replaced them

# Variables of OpenMP (KMP is Intel's and LLVM's) that do not change how many threads it gives.
_HARMLESS = {"OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OMP_PROC_BIND", "OMP_PLACES", "OMP_DISPLAY_ENV"}


def threads_chosen_by_user():
    """Whether OMP_NUM_THREADS was set before this package set it."""
    return _CHOSEN_BY_USER


def use_every_core():
    """Set OMP_NUM_THREADS to every core that this process may use, or to the number that the user has set.

    If OpenMP gives fewer threads, it is set to those. Variables that make OpenMP give another number each time, or
    always one, are overruled; that has an effect if OpenMP is not yet loaded.
    """
    if _read("OMP_DYNAMIC", "false").lower() != "false":
        _overrule("OMP_DYNAMIC", "false")
    if not _positive(_read("OMP_MAX_ACTIVE_LEVELS", "1")):
        _overrule("OMP_MAX_ACTIVE_LEVELS", "1")
    if _CHOSEN_BY_USER and thread_number() is None:
        return  # the import of MXNet says what is wrong with it
    asked = threads() if _CHOSEN_BY_USER else usable_cores()
    os.environ["OMP_NUM_THREADS"] = str(_granted(asked))


def threads():
    """The number of OpenMP threads that the environment asks for."""
    return thread_number() or usable_cores()


def thread_restriction():
    """Why OpenMP gives fewer threads than were asked for, as half a sentence; None if it gives as many."""
    if not _restricted:
        return None
    asked, number = _restricted[0]
    return f"{number} thread{'s' * (number != 1)} instead of {asked}, because {_restrictions()}"


def overruled_variables():
    """The names of OpenMP's variables that this package has overruled, with the values that they had."""
    return dict(_overruled)


@contextlib.contextmanager
def within_thread_limit():
    """A block that imports MXNet and makes no thread of its engine ask OpenMP for more threads than it gives."""
    openmp = _loaded_openmp()
    asked, given = (0, 0) if openmp is None else _measured(None)
    if asked != given:
        # OpenMP was loaded by another package, so its number stays. MXNet sets its own on each thread that it starts,
        # but only if it does not find OMP_NUM_THREADS.
        number, most = os.environ.pop("OMP_NUM_THREADS"), os.environ.get("MXNET_OMP_MAX_THREADS")
        os.environ["MXNET_OMP_MAX_THREADS"] = number
        openmp.omp_set_num_threads(int(number))  # the naive engine works on this thread
        try:
            yield
        finally:
            os.environ["OMP_NUM_THREADS"] = number
            del os.environ["MXNET_OMP_MAX_THREADS"]
            if most is not None:
                os.environ["MXNET_OMP_MAX_THREADS"] = most
    else:
        yield
    _say_restriction()


def set_threads(number, devices=()):
    """Make MXNet's operators use ``number`` OpenMP threads from now on, on ``mx.cpu()`` and the CPUs among ``devices``.

    MXNet's own ``MXSetNumOMPThreads`` does not reach oneDNN and BLAS, which ask OpenMP. OpenMP keeps the
    number for each thread that begins parallel work, so it is set on the engine's. If OpenMP gives fewer threads than
    ``number``, it is set to those, because oneDNN's results are wrong with fewer threads than it prepares for.
    """
    import mxnet

    number = _granted(number)
    _say_restriction()
    if number != threads():
        restart_engine_threads()
    os.environ["OMP_NUM_THREADS"] = str(number)
    mxnet.base.check_call(mxnet.base._LIB.MXSetNumOMPThreads(ctypes.c_int(number)))
    openmp = _loaded_openmp()
    if openmp is None:  # not on Linux
        return
    cpus = {0, *(device.device_id for device in devices if device.device_type == "cpu")}
    _set_on_engine(openmp, number, cpus)
    if thread_restriction() and not _after_fork:  # the engine's new threads begin with OpenMP's own number
        os.register_at_fork(after_in_parent=_set_after_fork)
    if thread_restriction():
        _after_fork[:] = openmp, number, cpus


def _set_on_engine(openmp, number, cpus):
    import mxnet

    for cpu in cpus:
        run_on_engine_thread(lambda: openmp.omp_set_num_threads(number), cpu)
    mxnet.nd.waitall()  # a fork would wait forever for a thread that wants Python's lock


def _set_after_fork():
    _set_on_engine(*_after_fork)


def restart_engine_threads():
    """Make MXNet end its engine's threads and start new ones.

    Each keeps the oneDNN primitives that it has made, which are made for one number of threads. With another number
    they would give the old number's bits at its speed, or, with a larger one, write past their memory and end the
    process: LeNet's did. MXNet starts new threads whenever the process forks, which takes about 10 ms.
    """
    if not hasattr(os, "fork"):
        return
    prepare_to_fork()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of children that would run on
        child = os.fork()
    if child == 0:
        os._exit(0)
    with contextlib.suppress(ChildProcessError):  # the program ignores SIGCHLD
        os.waitpid(child, 0)


def prepare_to_fork():
    """Let MXNet's engine end its work, because forking waits for its threads while it holds Python's lock.

    So none of them may still want that lock, as one does that frees a NumPy array's memory, which begins after the last
    operation and ends before the next begins. Until Python 3.9 ``subprocess`` forks.
    """
    import mxnet

    mxnet.nd.waitall()
    mxnet.nd.zeros(1, mxnet.cpu()).wait_to_read()
    mxnet.nd.waitall()


def run_on_engine_thread(function, cpu=0):
    """Queue ``function`` behind MXNet's work on ``mx.cpu(cpu)``, to be called by the thread that does that work."""
    import mxnet

    callback = _EngineFunction(lambda *_: function())
    _callbacks.append(callback)  # called later, so it has to stay
    context = (ctypes.c_int32 * 2)(1, cpu)  # device type and number, as in MXNet's struct Context
    push = mxnet.base._LIB.MXEnginePushSync
    mxnet.base.check_call(push(callback, None, None, ctypes.byref(context), None, 0, None, 0, None, 0, b"gluon_cnn"))


def _granted(number):
    """How many threads OpenMP gives to a thread that asks for ``number``; remembers if they are fewer."""
    if _loaded_openmp() is None:
        granted = min(number, _positive(_read("OMP_THREAD_LIMIT", "")) or number)
    else:
        granted = _measured(number)[1]
    if granted < number and not _restricted:
        _restricted.append((number, granted))
    return granted


def _measured(number):
    """What a new thread asks OpenMP for in a parallel region, ``number`` or OpenMP's own, and what it is given.

    It is measured on a thread that ends afterwards, because OpenMP's threads stay with the thread that began them, and
    only if there is a variable that may lower the number.
    """
    openmp = _loaded_openmp()
    if not _suspects():
        return number, number
    found = []

    def measure():
        if number:
            openmp.omp_set_num_threads(number)
        openmp.GOMP_parallel_start(openmp.omp_get_num_threads, None, 0)  # any function that does nothing
        given = openmp.omp_get_num_threads()
        openmp.GOMP_parallel_end()
        if openmp.omp_get_dynamic():  # another number each time
            given = 1
        found.extend([openmp.omp_get_max_threads(), given])

    thread = threading.Thread(target=measure)
    thread.start()
    thread.join()
    return tuple(found)


def _loaded_openmp():
    """The OpenMP that libmxnet.so uses or will use, if it is loaded, else None."""
    try:
        everything = ctypes.CDLL(None)
        if hasattr(everything, "GOMP_parallel_start"):  # preloaded, as Intel's and LLVM's are, which stand in for it
            return everything
        return ctypes.CDLL("libgomp.so.1", mode=os.RTLD_NOW | os.RTLD_NOLOAD)
    except (AttributeError, OSError, TypeError):  # not loaded, or not on Linux
        return None


def _read(name, default):
    """The value of a variable as OpenMP reads it: newer versions take one that ends in ``_ALL`` in its place."""
    return (os.environ.get(name) or os.environ.get(f"{name}_ALL") or default).strip()


def _overrule(name, value):
    _overruled.setdefault(name, _read(name, value))
    os.environ[name] = value


def _suspects():
    """The variables that may make OpenMP give fewer threads, with the user's values."""
    names = (name for name in os.environ if name.startswith(("OMP_", "KMP_")) and name not in _HARMLESS)
    return {name: _overruled.get(name, os.environ[name]) for name in names}


def _restrictions():
    """The variables that seem to be why OpenMP gives fewer threads, and their values."""
    suspects = _suspects()
    limits = {name: value for name, value in suspects.items() if "LIMIT" in name and _positive(value)}
    causes = limits or {name: suspects[name] for name in _overruled if name in suspects} or suspects
    return " and ".join(f"{name} is {value}" for name, value in sorted(causes.items()))


def _say_restriction():
    if _restricted and not _said:
        _said.append(True)
        logging.getLogger("gluon_cnn.runtime").warning("MXNet's operators use %s", thread_restriction())


def _positive(text):
    """The whole number above 0 that OpenMP reads in ``text``, None if there is none or it is beyond all machines."""
    return int(text) if re.fullmatch(r"\s*\+?0*[1-9][0-9]{0,8}\s*", text) else None

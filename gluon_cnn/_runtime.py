"""Everything that must happen before ``import mxnet``.

MXNet 1.9.1 was released before Python 3.11 and NumPy 1.24, finds CUDA only through the system's
library path, and gives OpenMP half of the processors it sees. Each is put right here, once, and
only where it is needed.

And it copies 200,000 values or more from NumPy with OpenMP, on Python's own thread. That thread then has
OpenMP threads of its own for good; with those of MXNet's engine they are more than there are cores, so
libgomp lets none of them wait actively any more, and each of the many short parallel loops of a
convolution on a small image begins by waking a thread up. On two cores a step of LeNet took 38 ms
instead of 16. MXNET_CPU_PARALLEL_SIZE, the number of values from which it copies so, is raised out of
reach.

libgomp's threads wait actively for 300,000 rounds (about 3 ms), which is fine on an idle machine. Where any
other program keeps a core busy, they wait for a thread that has no core to run on: an epoch of LeNet took
over 25 s instead of 4. GOMP_SPINCOUNT of 2,000 costs 3 % on the idle machine and brings that down to 10 s.

MXNet keeps four pieces of temporary memory, which operators take in turn, and each grows to the most that one of
them asks for, up to 392 MiB in VGG. One is enough, since a CPU context runs one operator at a time: with
MXNET_CPU_TEMP_COPY of 1 VGG's training takes 1.08 times the memory it needs by count instead of 1.16, and AlexNet's
1.13 instead of 1.25 (benchmarks/memory.py).
"""

import contextlib
import ctypes
import importlib
import importlib.util
import logging
import math
import os
import socket
import sys
import threading
import time
import warnings
from importlib import metadata
from pathlib import Path

INSTALL_HINT = "pip install gluon-cnn[cpu], or gluon-cnn[cu112] for an NVIDIA GPU"
CPU_BUILD = "the CPU build of MXNet is installed: pip uninstall mxnet, then pip install gluon-cnn[cu112]"
NO_KERNELS = "MXNet 1.9.1's wheels have kernels for 5.0 to 8.9 only: use --ctx cpu or another GPU"

# Folder of the PyPI package below site-packages/nvidia, and the libraries MXNet needs from it, each
# after those it depends on itself.
_CUDA_LIBRARIES = (
    ("cuda_runtime", "libcudart.so.11.0"),
    ("cuda_nvrtc", "libnvrtc.so.11.2"),
    ("nvtx", "libnvToolsExt.so.1"),
    ("cublas", "libcublasLt.so.11"),
    ("cublas", "libcublas.so.11"),
    ("cudnn", "libcudnn.so.8"),
    ("cufft", "libcufft.so.10"),
    ("curand", "libcurand.so.10"),
    ("cusparse", "libcusparse.so.11"),
    ("cusolver", "libcusolver.so.11"),
    ("nccl", "libnccl.so.2"),
)
_CUDA_WHEELS = ("mxnet-cu112", "mxnet-cu110")

_ENGINE_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
_callbacks = []

#: Whether OMP_NUM_THREADS was set before this package set it.
threads_chosen_by_user = False


def import_mxnet():
    """Make the process ready for MXNet and import it.

    Raises
    ------
    ImportError
        If MXNet, NumPy, the NVIDIA driver or a CUDA library is missing, saying what to install.
    """
    already_imported = "mxnet" in sys.modules
    if not already_imported:
        _restore_numpy_aliases()
        _restore_distutils()
        _load_cuda_libraries()
        os.environ.setdefault("MXNET_CPU_PARALLEL_SIZE", str(1 << 30))
        if "MXNET_CPU_WORKER_NTHREADS" not in os.environ:
            os.environ.setdefault("MXNET_CPU_TEMP_COPY", "1")
        if "OMP_WAIT_POLICY" not in os.environ:
            os.environ.setdefault("GOMP_SPINCOUNT", "2000")
        if os.environ.get("DMLC_ROLE") == "server":  # which works within the import below, and ends there
            address = os.environ.get("DMLC_PS_ROOT_URI", ""), os.environ.get("DMLC_PS_ROOT_PORT", "")
            threading.Thread(target=end_with_scheduler, args=(address,), daemon=True).start()
    global threads_chosen_by_user
    threads_chosen_by_user = bool(os.environ.get("OMP_NUM_THREADS"))
    os.environ["OMP_NUM_THREADS"] = str(threads() if threads_chosen_by_user else usable_cores())
    try:
        with root_logger_left_alone():
            import mxnet
    except ModuleNotFoundError as error:
        if error.name != "mxnet":
            raise
        raise ImportError(f"MXNet is not installed: {INSTALL_HINT}.") from None
    except OSError as error:
        raise ImportError(_explain_missing_library(str(error))) from error
    except (AttributeError, RuntimeError) as error:  # a NumPy it does not know, or files of it that are gone
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ImportError(f"MXNet cannot be imported ({reason}): gluon-cnn doctor says what to do.") from error
    if already_imported:
        _begin_engine_threads_anew()  # which have MXNet's own number so far
        set_threads(threads())
    return mxnet


def is_own_command():
    """Whether this process is ``gluon-cnn`` or ``python -m gluon_cnn...``, and not a program that imports the package.

    While Python looks for the module that ``-m`` names, and imports the package for it, the program is called ``-m``.
    """
    if sys.argv[0] != "-m":
        return Path(sys.argv[0]).stem == "gluon-cnn"
    try:
        words = getattr(sys, "orig_argv", None) or Path("/proc/self/cmdline").read_text().split("\0")
        return words[words.index("-m") + 1].split(".")[0] == "gluon_cnn"
    except (OSError, ValueError, IndexError):
        return False


@contextlib.contextmanager
def root_logger_left_alone():
    """MXNet logs by ``logging.info``, which would give a root logger without handlers one that prints everything."""
    root, silent = logging.getLogger(), logging.NullHandler()
    root.addHandler(silent)
    try:
        yield
    finally:
        root.removeHandler(silent)


def end_with_scheduler(address, every=10.0):
    """End this process once nobody listens at the address (host, port) of a job's scheduler any more.

    A parameter server would wait for ever for a job that was killed. It looks every so many seconds, and three times
    before it believes it.
    """
    seen, misses = False, 0
    while misses < 3:
        time.sleep(every)
        try:
            socket.create_connection(address, timeout=every).close()
            seen, misses = True, 0
        except OSError:
            misses += seen
    print("gluon-cnn: the scheduler of this server's job is gone, so the server ends.", file=sys.stderr, flush=True)
    os._exit(1)


def set_threads(number, devices=()):
    """Let MXNet's operators use ``number`` OpenMP threads from now on, on ``mx.cpu()`` and the CPUs among ``devices``.

    MXNet's own ``MXSetNumOMPThreads`` does not reach oneDNN and BLAS, which ask OpenMP. OpenMP keeps the
    number for each thread that begins parallel work, so it is set on the engine's.
    """
    import mxnet

    if number != threads():
        _begin_engine_threads_anew()
    os.environ["OMP_NUM_THREADS"] = str(number)
    mxnet.base.check_call(mxnet.base._LIB.MXSetNumOMPThreads(ctypes.c_int(number)))
    try:
        openmp = ctypes.CDLL("libgomp.so.1")  # the one that libmxnet.so is linked to, and has loaded
    except OSError:  # not on Linux
        return
    for cpu in {0, *(device.device_id for device in devices if device.device_type == "cpu")}:
        run_on_engine_thread(lambda: openmp.omp_set_num_threads(number), cpu)


def _begin_engine_threads_anew():
    """Let MXNet end its engine's threads and begin others.

    Each keeps the oneDNN primitives that it has made, which are made for one number of threads. With another number
    they would give the old number's bits at its speed, or, with a larger one, write past their memory and end the
    process: LeNet's did. MXNet begins its threads anew whenever the process forks, which takes about 10 ms.
    """
    import mxnet

    if not hasattr(os, "fork"):
        return
    # To fork is to wait for the engine's threads while holding Python's lock. So none of them may still want it, as one
    # does that frees a NumPy array's memory. That begins after the last operation is done, and before another begins.
    mxnet.nd.waitall()
    mxnet.nd.zeros(1, mxnet.cpu()).wait_to_read()
    mxnet.nd.waitall()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12's, of a child that would go on
        child = os.fork()
    if child == 0:
        os._exit(0)
    with contextlib.suppress(ChildProcessError):  # of a program that does not want to hear of its children's ends
        os.waitpid(child, 0)


def threads():
    """The number of OpenMP threads that the environment asks for."""
    # OpenMP allows a list, one number a level of nesting, which ends MXNet's process; the first is the one in use.
    first = os.environ["OMP_NUM_THREADS"].split(",")[0].strip()
    return int(first) if first.isdigit() and int(first) > 0 else usable_cores()


def run_on_engine_thread(function, cpu=0):
    """Queue ``function`` behind MXNet's work on ``mx.cpu(cpu)``, to be called by the thread that does it."""
    import mxnet

    callback = _ENGINE_FUNCTION(lambda *_: function())
    _callbacks.append(callback)  # called later, so it has to stay
    context = (ctypes.c_int32 * 2)(1, cpu)  # device type and number, as in MXNet's struct Context
    push = mxnet.base._LIB.MXEnginePushSync
    mxnet.base.check_call(push(callback, None, None, ctypes.byref(context), None, 0, None, 0, None, 0, b"gluon_cnn"))


def usable_cores():
    """How many physical cores this process may keep busy: its affinity, hyper-threads counted once,
    within its cgroup's quota; at least 1."""
    processors = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    cores = len({_siblings(processor) for processor in processors})
    return max(1, math.ceil(min(cores, _cgroup_quota())))


def _siblings(processor):
    """A name for the core a logical processor belongs to; without topology, each is its own."""
    topology = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list")
    try:
        return topology.read_text().strip()
    except OSError:
        return str(processor)


def _cgroup_quota(proc_file=Path("/proc/self/cgroup"), mount=Path("/sys/fs/cgroup")):
    """CPUs that the process's cgroup, or one above it, allows; infinite where nothing limits it."""
    try:
        lines = proc_file.read_text().splitlines()
    except OSError:
        return math.inf
    smallest = math.inf
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2: one tree for every controller
            top, read = mount, _quota_v2
        elif "cpu" in controllers.split(","):
            top, read = mount / "cpu", _quota_v1
        else:
            continue
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            smallest = min(smallest, read(folder))
            if folder == top:
                break
    return smallest


def _quota_v2(folder):
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return math.inf


def _quota_v1(folder):
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        return math.inf if quota <= 0 else quota / int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return math.inf


def _restore_numpy_aliases():
    """Give NumPy 1.20 to 1.26 back the ``numpy.bool`` that MXNet reads while it is imported."""
    try:
        import numpy
    except ModuleNotFoundError:
        raise ImportError(f"NumPy is not installed: {INSTALL_HINT}.") from None
    if int(numpy.__version__.split(".")[0]) >= 2:
        raise ImportError(
            f"MXNet 1.9.1 does not work with NumPy {numpy.__version__}: pip install 'numpy<2' (or {INSTALL_HINT})."
        )
    if "bool" not in vars(numpy):  # asking with hasattr would print NumPy's own deprecation warning
        numpy.bool = bool


def _restore_distutils():
    """Python 3.12 has no distutils; setuptools carries a copy and a hook that finds it."""
    if importlib.util.find_spec("distutils") is None:
        try:
            importlib.import_module("setuptools")  # which installs the hook
        except ModuleNotFoundError:
            raise ImportError("MXNet needs distutils, which Python 3.12 dropped: pip install setuptools.") from None


def _load_cuda_libraries():
    """Load the CUDA 11 libraries that PyPI's nvidia-*-cu11 packages brought, for the GPU wheel.

    Once loaded with global visibility they satisfy libmxnet.so, whatever LD_LIBRARY_PATH says. A
    library that is not there is left to the system's own search.
    """
    if any(_is_installed(wheel) for wheel in _CUDA_WHEELS):
        for path in cuda_libraries().values():
            if path is not None:
                ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


def cuda_libraries():
    """For each CUDA library that the GPU wheel needs, in the order in which they are loaded, its file among PyPI's
    packages, or None."""
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(folder) for folder in spec.submodule_search_locations] if spec else []
    return {
        library: next((path for folder in folders if (path := folder / package / "lib" / library).is_file()), None)
        for package, library in _CUDA_LIBRARIES
    }


def has_kernels(capability):
    """Whether MXNet 1.9.1's CUDA wheels have machine code for a compute capability, given as (major, minor).

    They have it for 5.0, 6.0, 7.0, 8.0 and 8.6, each of which later minor versions run as well, and no PTX, from which
    a driver could make code for a later major one (``cuobjdump --list-elf`` and ``--list-ptx`` of libmxnet.so).
    """
    return (5, 0) <= capability < (9, 0)


def _is_installed(distribution):
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _explain_missing_library(message):
    library = message.split(":")[0]
    if library.startswith("libcuda.so"):
        return (
            "The GPU build of MXNet is installed, but this machine has no NVIDIA driver (libcuda.so.1): "
            "install the driver, or use the CPU build with pip uninstall mxnet-cu112 && pip install gluon-cnn[cpu]."
        )
    if library.startswith("lib") and ".so" in library:
        return f"MXNet cannot be loaded, because {library} is missing: {INSTALL_HINT}."
    return f"MXNet cannot be loaded: {message}"

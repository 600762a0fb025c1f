"""``import mxnet``, made to work on every Python that this package supports, in whichever module it stands."""

import contextlib
import io
import os
import sys
import threading
import warnings

from gluon_cnn.errors import InstallationError
from gluon_cnn.runtime.environment import check_variables, variables_in_words, wrong_variables
from gluon_cnn.runtime.installation import INSTALL_HINT, mxnet_wheels, two_wheels
from gluon_cnn.runtime.openmp import (
    restart_engine_threads,
    set_threads,
    threads,
    use_every_core,
    within_thread_limit,
)
from gluon_cnn.runtime.repairs import restore_distutils, restore_numpy_aliases, root_logger_left_alone
from gluon_cnn.runtime.server import end_with_scheduler

__all__ = ["import_mxnet", "prepare"]

_VARIABLES = {"MXNET_CPU_PARALLEL_SIZE": str(1 << 30), "MXNET_CPU_TEMP_COPY": "1", "GOMP_SPINCOUNT": "2000"}

_TOO_LATE = (
    "mxnet was imported before gluon_cnn, too late for {}: beside other programs, training takes several times as "
    "long. Import gluon_cnn first."
)


def prepare(afterwards):
    """Make this process ready for ``import mxnet``; ``gluon_cnn`` calls it before anything else.

    It sets the variables that MXNet and OpenMP read once, when they are loaded, and makes the import of MXNet begin
    with the repairs. What is missing or wrong becomes an error there, not here. MXNet itself is not imported, except by
    a process of a job that is a parameter server or the scheduler, because it does all its work within that import.

    Where MXNet has been imported already, it gets every core, as it would have before, and a warning says what has
    come too late.

    Parameters
    ----------
    afterwards : callable
        Called without arguments once MXNet is imported.
    """
    already_imported = sys.modules.get("mxnet") is not None
    use_every_core()
    too_late = _set_variables()
    if already_imported:
        restart_engine_threads()  # which were started for MXNet's own number
        set_threads(threads())
        afterwards()
        if too_late:
            warnings.warn(_TOO_LATE.format(", ".join(too_late)), RuntimeWarning, stacklevel=3)
        return
    sys.meta_path.insert(0, _Finder(afterwards))
    role = os.environ.get("DMLC_ROLE")
    if role not in ("server", "scheduler") or wrong_variables():
        return
    if role == "server":
        address = os.environ["DMLC_PS_ROOT_URI"], os.environ["DMLC_PS_ROOT_PORT"]
        threading.Thread(target=end_with_scheduler, args=(address,), daemon=True).start()
    with contextlib.suppress(InstallationError):  # the first to use MXNet gets it again, and can report it
        import_mxnet()


def import_mxnet():
    """Import MXNet and return it.

    Raises
    ------
    InstallationError
        If MXNet, or anything that it needs, is missing or does not fit, saying what to install.
    """
    try:
        import mxnet
    except ModuleNotFoundError:  # MXNet itself, because within its import this is an InstallationError
        raise InstallationError(f"MXNet is not installed: {INSTALL_HINT}.") from None
    return mxnet


def _set_variables():
    """Set what MXNet and OpenMP read when they are loaded, where the user has not; returns the names of what was set.

    README.md has the measurements.
    """
    values = dict(_VARIABLES)
    if "MXNET_CPU_WORKER_NTHREADS" in os.environ:  # several operators run at a time, with memory for each
        del values["MXNET_CPU_TEMP_COPY"]
    if "OMP_WAIT_POLICY" in os.environ:
        del values["GOMP_SPINCOUNT"]
    missing = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(missing)
    return sorted(missing)


class _Finder:
    """Finds MXNet as Python would, but makes its import begin with the repairs; and two other libraries that fail on a
    variable of the environment, to say which it is.

    It does not inherit from MetaPathFinder, because importlib.abc takes a third of the time of this package's import.
    """

    def __init__(self, afterwards):
        self._afterwards = afterwards

    def find_spec(self, name, path=None, target=None):
        if name not in _AROUND:
            return None
        others = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module):
            with _AROUND[name]():
                execute(module)
            if name == "mxnet":
                self._afterwards()

        spec.loader.exec_module = exec_module
        return spec


@contextlib.contextmanager
def _repaired():
    """A block that imports MXNet: repairs before it, and every failure as an InstallationError."""
    # Here, because what it imports takes a while, and `import gluon_cnn` does not need it.
    from gluon_cnn.runtime.cuda import FUSION, VARIABLES, check_libraries, explain_missing_library, prepare_for_cuda

    ours = {**_VARIABLES, **VARIABLES, FUSION: "0"}
    try:
        check_variables()
        restore_numpy_aliases()
        restore_distutils()
        check_libraries()
        prepare_for_cuda()
        with within_thread_limit(), root_logger_left_alone(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MXNet's own, where they are errors
            yield
    except InstallationError:
        raise
    except OSError as error:
        raise _naming_variables(_two_wheels() or explain_missing_library(str(error)), ("MXNET_",), ours) from error
    except (AttributeError, ImportError, RuntimeError, TypeError, ValueError) as error:  # such as of an unknown NumPy
        message = f"MXNet cannot be imported ({_reason(error)}): uninstall it, then {INSTALL_HINT}."
        message = _two_wheels() or message
        raise _naming_variables(message, ("MXNET_", "DMLC_", "PS_"), ours) from error


def _two_wheels():
    """What to say if several wheels of MXNet are installed, which is why none can be imported; None if one is."""
    wrong = two_wheels(mxnet_wheels())
    return wrong and "{}: {}.".format(*wrong)


@contextlib.contextmanager
def _tqdm():
    """A block that imports tqdm, and tries it if there are variables for it, which it reads then and checks later."""
    with _explained("tqdm", ("TQDM_",)):
        yield
        if variables_in_words(("TQDM_",)):
            with sys.modules["tqdm"].tqdm(total=1_000_000, file=io.StringIO()) as bar:
                bar.update(500_000)
                bar.refresh()


@contextlib.contextmanager
def _explained(library, prefixes):
    """A block that imports a library; if that fails, the error names the variables that begin with some prefixes."""
    try:
        yield
    except Exception as error:
        if not variables_in_words(prefixes):
            raise
        message = f"{library} cannot be imported ({type(error).__name__}: {_reason(error)})"
        raise InstallationError(f"{message}; change or unset {variables_in_words(prefixes)}.") from error


def _naming_variables(message, prefixes, ours):
    """An InstallationError with the variables of some prefixes that the user has set, one of which may be the cause."""
    variables = variables_in_words(prefixes, but=ours)
    if variables:
        message = f"{message[:-1]}; or change or unset {variables}."
    return InstallationError(message)


def _reason(error):
    """The line of an error's message that says what is wrong."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].strip() if lines[0].startswith("Traceback") else lines[0]


_AROUND = {
    "matplotlib": lambda: _explained("Matplotlib", ("MPL", "MATPLOTLIB")),
    "mxnet": _repaired,
    "tqdm": _tqdm,
}

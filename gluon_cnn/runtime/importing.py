"""``import mxnet``, made to work on every Python that this package supports, in whichever module it stands."""

import contextlib
import os
import sys
import threading
import warnings

from gluon_cnn.errors import InstallationError
from gluon_cnn.runtime.cuda import explain_missing_library, prepare_for_cuda
from gluon_cnn.runtime.installation import INSTALL_HINT
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


_TOO_LATE = (
    "mxnet was imported before gluon_cnn, too late for {}: beside other programs, training takes several times as "
    "long. Import gluon_cnn first."
)


def prepare():
    """Make this process ready for ``import mxnet``; ``gluon_cnn`` calls it before anything else.

    It sets the variables that MXNet and OpenMP read once, when they are loaded, and makes the import of MXNet begin
    with the repairs. What is missing becomes an error there, not here. MXNet itself is not imported, except by a
    process of a job that is a parameter server or the scheduler, because it does all its work within that import.

    Where MXNet has been imported already, it gets every core, as it would have before, and a warning says what has
    come too late.
    """
    already_imported = sys.modules.get("mxnet") is not None
    use_every_core()
    too_late = _set_variables()
    if already_imported:
        restart_engine_threads()  # which were started for MXNet's own number
        set_threads(threads())
        if too_late:
            warnings.warn(_TOO_LATE.format(", ".join(too_late)), RuntimeWarning, stacklevel=3)
        return
    sys.meta_path.insert(0, _MXNetFinder())
    role = os.environ.get("DMLC_ROLE")
    if role == "server":
        address = os.environ.get("DMLC_PS_ROOT_URI", ""), os.environ.get("DMLC_PS_ROOT_PORT", "")
        threading.Thread(target=end_with_scheduler, args=(address,), daemon=True).start()
    if role in ("server", "scheduler"):
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
    variables = {"MXNET_CPU_PARALLEL_SIZE": str(1 << 30)}
    if "MXNET_CPU_WORKER_NTHREADS" not in os.environ:  # else several operators run at a time, with memory for each
        variables["MXNET_CPU_TEMP_COPY"] = "1"
    if "OMP_WAIT_POLICY" not in os.environ:
        variables["GOMP_SPINCOUNT"] = "2000"
    missing = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(missing)
    return sorted(missing)


class _MXNetFinder:
    """Finds MXNet as Python would, but makes its import begin with the repairs.

    It does not inherit from MetaPathFinder, because importlib.abc takes a third of the time of this package's import.
    """

    def find_spec(self, name, path=None, target=None):
        if name != "mxnet":
            return None
        others = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module):
            with _repaired():
                execute(module)

        spec.loader.exec_module = exec_module
        return spec


@contextlib.contextmanager
def _repaired():
    """A block that imports MXNet: repairs before it, and every failure as an InstallationError."""
    try:
        restore_numpy_aliases()
        restore_distutils()
        prepare_for_cuda()
        with within_thread_limit(), root_logger_left_alone():
            yield
    except InstallationError:
        raise
    except OSError as error:
        raise InstallationError(explain_missing_library(str(error))) from error
    except (AttributeError, ImportError, RuntimeError) as error:  # an unknown NumPy; a missing package; missing files
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InstallationError(f"MXNet cannot be imported ({reason}): uninstall it, then {INSTALL_HINT}.") from error

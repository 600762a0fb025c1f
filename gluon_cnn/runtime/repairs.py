"""What MXNet takes for granted and newer software no longer gives it."""

import contextlib
import importlib
import importlib.util
import logging

from gluon_cnn.errors import InstallationError
from gluon_cnn.runtime.installation import INSTALL_HINT

__all__ = ["restore_distutils", "restore_numpy_aliases", "root_logger_left_alone"]


def restore_numpy_aliases():
    """Give NumPy 1.20 to 1.26 back the ``numpy.bool`` that MXNet reads while it is imported.

    Raises
    ------
    InstallationError
        If NumPy is not installed, damaged, or NumPy 2.
    """
    try:
        import numpy
    except ModuleNotFoundError:
        raise InstallationError(f"NumPy is not installed: {INSTALL_HINT}.") from None
    except ImportError as error:
        reason = str(error).strip().splitlines()[0]
        raise InstallationError(f"NumPy cannot be imported ({reason}): uninstall it, then {INSTALL_HINT}.") from error
    if int(numpy.__version__.split(".")[0]) >= 2:
        raise InstallationError(
            f"MXNet 1.9.1 does not work with NumPy {numpy.__version__}: pip install 'numpy<2' (or {INSTALL_HINT})."
        )
    if "bool" not in vars(numpy):  # hasattr would print NumPy's own deprecation warning
        numpy.bool = bool


def restore_distutils():
    """Python 3.12 has no distutils; setuptools has a copy, and a hook that finds it.

    Raises
    ------
    InstallationError
        If there is neither.
    """
    if importlib.util.find_spec("distutils") is None:
        try:
            importlib.import_module("setuptools")  # which installs the hook
        except ModuleNotFoundError:
            raise InstallationError(
                "MXNet needs distutils, which Python 3.12 no longer has: pip install setuptools."
            ) from None


@contextlib.contextmanager
def root_logger_left_alone():
    """Give the root logger a handler for as long as MXNet may call ``logging.info``.

    On a root logger that has none, ``logging.info`` installs one that prints every message of the program from then on.
    """
    root, silent = logging.getLogger(), logging.NullHandler()
    root.addHandler(silent)
    try:
        yield
    finally:
        root.removeHandler(silent)

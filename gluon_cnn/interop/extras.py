"""Packages that only some formats need, imported where they are used."""

import importlib

from gluon_cnn.errors import InteropError
from gluon_cnn.runtime import install_hint

__all__ = ["import_extra", "missing_extra"]


def import_extra(module, extra):
    """Import a module that the extra ``extra`` installs; InteropError with the pip command if it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise missing_extra(module, extra, error) from None


def missing_extra(module, extra, reason):
    """The InteropError for a module that the extra ``extra`` installs and that cannot be imported."""
    return InteropError(f"{module} cannot be imported ({reason}): {install_hint(extra)}.")

"""Networks of GluonCV's model zoo and of Gluon's own, for grey images: ``gluoncv:NAME`` and ``gluon:NAME``."""

import sys
import warnings

from gluon_cnn.errors import ModelError

__all__ = ["import_gluoncv"]


def import_gluoncv():
    """The library; ModelError if it is not installed."""
    if "gluoncv" not in sys.modules:
        # With PyTorch 2 beside it, which it does not need here, GluonCV refuses to be imported.
        torch = sys.modules.get("torch")
        sys.modules["torch"] = None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import gluoncv  # noqa: F401
        except ImportError as error:
            raise ModelError(
                f"GluonCV cannot be imported ({error}): pip install gluoncv==0.10.5.post0 brings it."
            ) from None
        finally:
            del sys.modules["torch"]
            if torch is not None:
                sys.modules["torch"] = torch
    return sys.modules["gluoncv"]

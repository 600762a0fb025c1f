"""MXNet's two kinds of arrays: ``mx.nd``, and ``mx.np``, the only kind that Gluon takes in MXNet 2."""

import contextlib
import logging

import mxnet as mx

__all__ = ["array_mode"]


@contextlib.contextmanager
def array_mode(with_numpy):
    """MXNet with or without NumPy's arrays and shapes; arrays without shapes are not allowed in between."""
    scopes = (mx.util.np_shape, mx.util.np_array) if with_numpy else (mx.util.np_array, mx.util.np_shape)
    # MXNet says so by logging.info, which would give a root logger without handlers one that prints everything.
    root, silent = logging.getLogger(), logging.NullHandler()
    root.addHandler(silent)
    try:
        with scopes[0](with_numpy), scopes[1](with_numpy):
            yield
    finally:
        root.removeHandler(silent)

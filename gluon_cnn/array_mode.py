"""MXNet's two kinds of arrays: ``mx.nd``, and ``mx.np``, the only kind that Gluon takes in MXNet 2."""

import contextlib

import mxnet as mx

from gluon_cnn._runtime import root_logger_left_alone

__all__ = ["array_mode"]


@contextlib.contextmanager
def array_mode(with_numpy):
    """MXNet with or without NumPy's arrays and shapes; arrays without shapes are not allowed in between."""
    scopes = (mx.util.np_shape, mx.util.np_array) if with_numpy else (mx.util.np_array, mx.util.np_shape)
    with root_logger_left_alone(), scopes[0](with_numpy), scopes[1](with_numpy):
        yield

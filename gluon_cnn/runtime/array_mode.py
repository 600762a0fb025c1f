"""MXNet's two kinds of arrays: ``mx.nd``, and ``mx.np``, the only kind that Gluon takes in MXNet 2."""

import contextlib

import mxnet as mx

from gluon_cnn.runtime.repairs import root_logger_left_alone

__all__ = ["array_mode"]


@contextlib.contextmanager
def array_mode(with_numpy):
    """A block in which MXNet has NumPy's arrays and shapes, or has neither.

    Shapes come first and go last, because MXNet refuses NumPy's arrays without NumPy's shapes.
    """
    scopes = (mx.util.np_shape, mx.util.np_array) if with_numpy else (mx.util.np_array, mx.util.np_shape)
    with root_logger_left_alone(), scopes[0](with_numpy), scopes[1](with_numpy):
        yield

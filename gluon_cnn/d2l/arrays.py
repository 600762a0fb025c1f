"""Arrays under the names that the book has for every framework, in English 0.14 to 0.17 and the second Chinese edition.

The book's build replaces most of them by MXNet's own in the notebooks, but not all. They are those of ``mx.np``, which
these editions switch on.
"""

import mxnet as mx

__all__ = [
    "abs",
    "arange",
    "argmax",
    "astype",
    "concat",
    "cos",
    "cosh",
    "exp",
    "eye",
    "float32",
    "int32",
    "linspace",
    "log",
    "matmul",
    "meshgrid",
    "normal",
    "numpy",
    "ones",
    "rand",
    "reduce_sum",
    "reshape",
    "sin",
    "sinh",
    "size",
    "stack",
    "tanh",
    "tensor",
    "to",
    "transpose",
    "zeros",
]

tensor, zeros, ones, eye = mx.np.array, mx.np.zeros, mx.np.ones, mx.np.eye
arange, linspace, meshgrid = mx.np.arange, mx.np.linspace, mx.np.meshgrid
int32, float32 = mx.np.int32, mx.np.float32
normal, rand = mx.np.random.normal, mx.np.random.rand
abs, exp, log = mx.np.abs, mx.np.exp, mx.np.log
sin, sinh, cos, cosh, tanh = mx.np.sin, mx.np.sinh, mx.np.cos, mx.np.cosh, mx.np.tanh
concat, stack = mx.np.concatenate, mx.np.stack
matmul = mx.np.dot  # which for vectors and matrices is the same


def size(a):
    """How many numbers an array has."""
    return a.size


def transpose(a):
    """An array with its axes in the opposite order."""
    return a.T


def numpy(x):
    """A copy of MXNet's array as one of NumPy."""
    return x.asnumpy()


def to(x, device):
    """The array on a device."""
    return x.as_in_context(device)


def reshape(x, *shape, **options):
    """``x.reshape``."""
    return x.reshape(*shape, **options)


def reduce_sum(x, *axis, **options):
    """``x.sum``."""
    return x.sum(*axis, **options)


def argmax(x, *axis, **options):
    """``x.argmax``."""
    return x.argmax(*axis, **options)


def astype(x, *dtype, **options):
    """``x.astype``."""
    return x.astype(*dtype, **options)

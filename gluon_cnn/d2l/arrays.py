"""Arrays and devices under the names that the book has for every framework, in English 0.14 and later and the second
Chinese edition.

The book's build replaces most of them by MXNet's own in the notebooks, but not all. They are those of ``mx.np``, which
these editions switch on.
"""

import mxnet as mx

from gluon_cnn.runtime.devices import number_of_gpus

__all__ = [
    "abs",
    "arange",
    "argmax",
    "astype",
    "batch_matmul",
    "concat",
    "cos",
    "cosh",
    "cpu",
    "exp",
    "expand_dims",
    "eye",
    "float32",
    "gpu",
    "int32",
    "int64",
    "linspace",
    "log",
    "matmul",
    "meshgrid",
    "normal",
    "num_gpus",
    "numpy",
    "ones",
    "ones_like",
    "rand",
    "randn",
    "reduce_mean",
    "reduce_sum",
    "repeat",
    "reshape",
    "sigmoid",
    "sin",
    "sinh",
    "size",
    "stack",
    "swapaxes",
    "tanh",
    "tensor",
    "to",
    "transpose",
    "zeros",
    "zeros_like",
]

tensor, zeros, ones, eye = mx.np.array, mx.np.zeros, mx.np.ones, mx.np.eye
arange, linspace, meshgrid = mx.np.arange, mx.np.linspace, mx.np.meshgrid
ones_like, zeros_like, expand_dims = mx.np.ones_like, mx.np.zeros_like, mx.np.expand_dims
int32, int64, float32 = mx.np.int32, mx.np.int64, mx.np.float32
normal, rand, randn = mx.np.random.normal, mx.np.random.rand, mx.np.random.randn
abs, exp, log = mx.np.abs, mx.np.exp, mx.np.log
sin, sinh, cos, cosh, tanh = mx.np.sin, mx.np.sinh, mx.np.cos, mx.np.cosh, mx.np.tanh
concat, stack = mx.np.concatenate, mx.np.stack
matmul = mx.np.dot  # which for vectors and matrices is the same
batch_matmul, sigmoid = mx.npx.batch_dot, mx.npx.sigmoid
cpu, gpu, num_gpus = mx.cpu, mx.gpu, number_of_gpus


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


def reduce_mean(x, *axis, **options):
    """``x.mean``."""
    return x.mean(*axis, **options)


def repeat(x, *repeats, **options):
    """``x.repeat``."""
    return x.repeat(*repeats, **options)


def swapaxes(x, *axes, **options):
    """``x.swapaxes``."""
    return x.swapaxes(*axes, **options)


def argmax(x, *axis, **options):
    """``x.argmax``."""
    return x.argmax(*axis, **options)


def astype(x, *dtype, **options):
    """``x.astype``."""
    return x.astype(*dtype, **options)

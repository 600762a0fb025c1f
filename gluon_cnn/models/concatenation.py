"""Blocks that join arrays along the channels: paths side by side, and layers that keep their input."""

import mxnet as mx
from mxnet.gluon import nn

__all__ = ["ForwardDense", "ForwardParallel", "dense", "parallel"]


def parallel(hybrid):
    """An empty container that shows its input to each of its children and joins their outputs along the channels.

    An ``nn.HybridSequential`` if ``hybrid``, else an ``nn.Sequential``, to which the paths are added.
    """
    return _HybridParallel() if hybrid else _Parallel()


def dense(hybrid):
    """An empty container whose children each take what came before them: its input and all earlier outputs, joined.

    An ``nn.HybridSequential`` if ``hybrid``, else an ``nn.Sequential``, to which the layers are added.
    """
    return _HybridDense() if hybrid else _Dense()


def _concatenate(arrays):
    """Join arrays of one kind, or symbols, along their second axis."""
    first = arrays[0]
    if isinstance(first, mx.nd.NDArray):
        if isinstance(first, mx.np.ndarray):
            return mx.np.concatenate(arrays, axis=1)
        return mx.nd.concat(*arrays, dim=1)
    if mx.util.is_np_array():
        return mx.sym.np.concatenate(arrays, axis=1)
    return mx.sym.concat(*arrays, dim=1)


# Made of other layers only, so that each takes arrays of either kind and symbols.
class ForwardParallel:
    def forward(self, x):
        """The children's outputs for a batch, joined."""
        return _concatenate([path(x) for path in self])


class ForwardDense:
    def forward(self, x):
        """A batch and all children's outputs, joined."""
        for layer in self:
            x = _concatenate([x, layer(x)])
        return x


class _Parallel(ForwardParallel, nn.Sequential):
    pass


class _HybridParallel(ForwardParallel, nn.HybridSequential):
    pass


class _Dense(ForwardDense, nn.Sequential):
    pass


class _HybridDense(ForwardDense, nn.HybridSequential):
    pass

"""Dropout that MXNet's seed decides on every device."""

from mxnet import npx
from mxnet.gluon import nn
from mxnet.util import is_np_array

__all__ = ["Dropout"]


class Dropout(nn.Dropout):
    """``nn.Dropout`` without cuDNN.

    On a GPU Gluon's layer asks for cuDNN's dropout, whose generator is seeded once, by C's ``rand()``, and never by
    ``mx.random.seed``: two runs of one seed would drop other units, and so would a run that is resumed. MXNet's own
    operator draws from the generator that is seeded, and on the CPU it draws the same masks as Gluon's layer.
    """

    if hasattr(nn.Dropout, "hybrid_forward"):

        def hybrid_forward(self, F, x):
            if self._rate > 0:
                dropout = F.npx.dropout if is_np_array() else F.Dropout
                return dropout(x, p=self._rate, axes=self._axes, name="fwd", cudnn_off=True)
            return super().hybrid_forward(F, x)

    else:  # MXNet 2

        def forward(self, x):
            if self._rate > 0:
                return npx.dropout(x, p=self._rate, axes=self._axes, name="fwd", cudnn_off=True)
            return super().forward(x)

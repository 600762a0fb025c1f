"""Local response normalisation across channels (Krizhevsky et al., 2012, section 3.3)."""

import mxnet as mx
from mxnet.gluon import nn

from gluon_cnn.checks import number, whole_number
from gluon_cnn.errors import SettingError

__all__ = ["LocalResponseNorm"]


class LocalResponseNorm(nn.HybridBlock):
    """Divides each number by what the channels beside it give at the same position, so that they inhibit one another.

    A number a becomes a / (k + α · Σ a²)^β, where the sum is over ``size`` channels with its own in the middle, fewer
    at either end. This is the paper's formula, and its α: MXNet, like PyTorch and ONNX, divides the α that it is given
    by the number of channels, so it is given ``size`` times as much.

    Parameters
    ----------
    size : int, default 5
        Number of channels in a sum, odd.
    alpha, beta, k : float, default 1e-4, 0.75, 2
        Of the formula.

    Attributes
    ----------
    options : dict
        What MXNet's operator ``LRN`` is given.

    Raises
    ------
    SettingError
        If a number is out of range, or ``size`` even.
    """

    def __init__(self, size=5, alpha=1e-4, beta=0.75, k=2, **kwargs):
        super().__init__(**kwargs)
        size, alpha = whole_number("size", size), number("alpha", alpha)
        if size % 2 == 0:
            raise SettingError(f"size is {size}; it must be odd.", "size")
        self._formula = {"size": size, "alpha": alpha, "beta": number("beta", beta), "k": number("k", k)}
        self.options = {"nsize": size, "alpha": size * alpha, "beta": self._formula["beta"], "knorm": self._formula["k"]}

    def _normalised(self, lrn, x):
        """What the operator gives, which mx.np does not have, so that its arrays and symbols go there and back."""
        if mx.util.is_np_array():
            return lrn(x.as_nd_ndarray(), **self.options).as_np_ndarray()
        return lrn(x, **self.options)

    if hasattr(nn.Dropout, "hybrid_forward"):

        def hybrid_forward(self, F, x):
            return self._normalised(F.LRN, x)

    else:  # MXNet 2

        def forward(self, x):
            return self._normalised(mx.nd.LRN, x)

    def __repr__(self):
        return f"LocalResponseNorm({', '.join(f'{name}={value:g}' for name, value in self._formula.items())})"

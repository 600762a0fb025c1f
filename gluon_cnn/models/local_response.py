"""Local response normalisation across channels (Krizhevsky et al., 2012, section 3.3)."""

import mxnet as mx
from mxnet.gluon import nn

from gluon_cnn.checks import number, whole_number
from gluon_cnn.errors import SettingError

__all__ = ["LocalResponseNorm"]


class LocalResponseNorm(nn.HybridBlock):
    """Divides each number by what the channels beside it give at the same position, so that they inhibit one another.

    A number a becomes a / (k + α · Σ a²)^β, where the sum is over ``size`` channels with its own in the middle, fewer
    at either end. This is the paper's formula and its α; MXNet's operator ``LRN``, PyTorch and ONNX divide the α that
    they are given by ``size``.

    It is computed by an average pooling across the channels, and not by ``LRN``. On the CPU that gives a wrong gradient
    wherever a convolution or a pooling follows, because it takes the gradient in oneDNN's layout for one in the plain
    layout (MXNet 1.9.1). It takes float32 only, and is no faster.

    Parameters
    ----------
    size : int, default 5
        Number of channels in a sum, odd.
    alpha, beta, k : float, default 1e-4, 0.75, 2
        Of the formula.

    Attributes
    ----------
    formula : dict
        These numbers by their names.

    Raises
    ------
    SettingError
        If a number is out of range, or ``size`` even.
    """

    def __init__(self, size=5, alpha=1e-4, beta=0.75, k=2, **kwargs):
        super().__init__(**kwargs)
        size = whole_number("size", size)
        if size % 2 == 0:
            raise SettingError(f"size is {size}; it must be odd.", "size")
        others = {"alpha": alpha, "beta": beta, "k": k}
        self.formula = {"size": size, **{name: number(name, value) for name, value in others.items()}}

    def _normalised(self, F, x):
        """What the formula gives, by the operators in ``F``, for N×C×H×W."""
        size, alpha, beta, k = self.formula.values()
        images = F.expand_dims(F.square(x), axis=1)  # of C×H×W, as of a volume
        window = {"kernel": (size, 1, 1), "pad": (size // 2, 0, 0), "pool_type": "avg", "count_include_pad": True}
        mean = F.squeeze(F.Pooling(images, **window), axis=1)
        return x * (size * alpha * mean + k) ** -beta

    def _of_either_kind(self, F, x):
        """The same for arrays and symbols of ``mx.np`` too, which has not all of these operators."""
        if mx.util.is_np_array():
            return self._normalised(F, x.as_nd_ndarray()).as_np_ndarray()
        return self._normalised(F, x)

    if hasattr(nn.Dropout, "hybrid_forward"):

        def hybrid_forward(self, F, x):
            return self._of_either_kind(F, x)

    else:  # MXNet 2

        def forward(self, x):
            return self._of_either_kind(mx.nd, x)

    def __repr__(self):
        return f"LocalResponseNorm({', '.join(f'{name}={value:g}' for name, value in self.formula.items())})"

"""A compiled network whose training steps oneDNN computes faster: its channels are filled up."""

from mxnet.gluon import nn

from gluon_cnn.models.sequential import HybridSequential
from gluon_cnn.training.inference import is_for_onednn

__all__ = ["for_training"]

# oneDNN's fast kernels take channels in blocks of 16, or of 8, and MXNet 1.9.1 refuses each whose layout needs more
# memory than the array has. So LeNet's convolutions with 6 channels are left to the slowest one, forward and backward.
_BLOCK = 16


def for_training(net, recipe, devices):
    """The network whose training steps are fastest of those that compute what ``net`` does.

    That is, of LeNet in float32 on the CPU, one of the same parameters in which its first convolution has 10 channels
    more. They cannot change a result, for the second convolution takes them times 0. Or it is ``net`` itself, of the
    others and where it is not compiled. Either computes the same but for the order in which numbers are added up, and
    either may be used at any time, with what the other has learned.

    Parameters
    ----------
    net : Block
        Initialised on ``devices``.
    recipe : Recipe
        Of ``net``.
    devices : list of mx.Context

    Returns
    -------
    Block
    """
    if not (is_for_onednn(net, devices) and recipe.model == "lenet" and not recipe.amp):
        return net
    first, pool, second, *others = net
    more = -first.weight.shape[0] % _BLOCK
    filled = HybridSequential(prefix="")  # takes no number from the names of other networks
    filled.add(_Filled(first, outputs=more), pool, _Filled(second, inputs=more), *others)
    filled.hybridize(static_alloc=True, static_shape=True)
    return filled


class _Filled(nn.HybridBlock):
    """A convolution with so many more channels, whose weights are zeros that nobody keeps."""

    def __init__(self, convolution, inputs=0, outputs=0):
        super().__init__(prefix="")
        self.params.update(convolution.params)
        self.weight, self.bias, self.act = convolution.weight, convolution.bias, convolution.act
        self._inputs, self._outputs = inputs, outputs
        self._options = {**convolution._kwargs, "num_filter": self.weight.shape[0] + outputs}

    def hybrid_forward(self, F, x, weight, bias):
        # Not by concatenation with zeros, with which MXNet's compiled networks lose a few kilobytes in every step.
        def filled(array, shape, number):
            """With so many zeros after the second but last of four axes."""
            return F.pad(array.reshape(shape), mode="constant", pad_width=(0, 0, 0, 0, 0, number, 0, 0))

        channels, inputs, *kernel = self.weight.shape
        if self._inputs:
            weight = filled(weight, (1, channels, inputs, -1), self._inputs)
        if self._outputs:
            weight = filled(weight, (1, 1, channels, -1), self._outputs)
            bias = filled(bias, (1, 1, channels, 1), self._outputs).reshape((-1,))
        weight = weight.reshape((channels + self._outputs, inputs + self._inputs, *kernel))
        return self.act(F.Convolution(x, weight, bias, **self._options))

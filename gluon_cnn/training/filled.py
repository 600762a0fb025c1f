"""A compiled network whose training steps oneDNN computes faster: its channels are filled up."""

from mxnet.gluon import nn

from gluon_cnn.models.sequential import HybridSequential
from gluon_cnn.training.inference import is_for_onednn

__all__ = ["for_training"]

# oneDNN's fast kernels take channels in blocks of 16, or of 8, and MXNet 1.9.1 refuses each whose layout needs more
# memory than the array has. So LeNet's 6 channels are left to the slowest, forward and backward.
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
        channels, inputs, *kernel = self.weight.shape
        if self._inputs:
            weight = F.concat(weight, F.zeros((channels, self._inputs, *kernel)), dim=1)
        if self._outputs:
            weight = F.concat(weight, F.zeros((self._outputs, inputs, *kernel)), dim=0)
            bias = F.concat(bias, F.zeros((self._outputs,)), dim=0)
        return self.act(F.Convolution(x, weight, bias, **self._options))

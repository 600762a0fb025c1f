"""What oneDNN wants: the same network in a form whose training steps, or predictions, it computes faster."""

import contextlib

import mxnet as mx
from mxnet.gluon import nn

from gluon_cnn.models import find_network
from gluon_cnn.models.sequential import HybridSequential, layers_of

__all__ = ["for_inference", "for_training"]

# oneDNN's fast kernels take channels in blocks of 16, or of 8, and MXNet 1.9.1 refuses each whose layout needs more
# memory than the array has. So LeNet's convolutions with 6 channels are left to the slowest one, forward and backward.
_BLOCK = 16
# How many pixels a pass needs to save more than it costs to optimise a network, and to compile the network again for
# training: about ten of the book's batches, of 128 images of 224×224. All 10,000 test images of 96×96 are more.
_WORTH_IT = 14 * 128 * 224**2


def _is_for_onednn(net, recipe, devices):
    """Whether a network is one of ours, compiled, and MXNet 1's oneDNN computes it."""
    if recipe.source:  # whose file may change while the network is trained, so that it is not looked at again
        return False
    features = mx.runtime.Features()
    built = "MKLDNN" in features and features.is_enabled("MKLDNN")  # MXNet 2 has another name for it
    compiled = isinstance(net, HybridSequential) and net._active and not mx.util.is_np_array()
    return built and compiled and devices == [mx.cpu()]


def for_training(net, recipe, devices):
    """The network whose training steps are fastest of those that compute what ``net`` does.

    That is ``net`` itself; or, of LeNet and VGG compiled in float32 on the CPU, another one of the same parameters:

    - The first convolution's activation comes after the pooling, where that is by maximum. The greatest of four numbers
      has the greatest activation, and only a quarter as many are left to compute.
    - LeNet's first convolution has 10 channels more. They cannot change a result, because the second convolution takes
      them times 0.

    VGG's computes the same to the bit; LeNet's except for the order in which numbers are added up, and for which of
    several numbers gets the gradient if their sigmoids are rounded to the same. Either may be used at any time, with
    what the other has learned.

    Networks that are rearranged begin with a convolution, a pooling and a convolution, and their steps are then at
    least 5 % shorter; those of the others would be at most 2 % shorter. The later poolings stay as they are: VGG's step
    would be another 4 % shorter, but the arrays take memory, 1.15 times what is needed by count instead of 1.08.

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
    if not (_is_for_onednn(net, recipe, devices) and find_network(recipe.model).rearranged and not recipe.amp):
        return net
    first, pool, second, *others = layers_of(net)
    more = -first.weight.shape[0] % _BLOCK
    pooled = [pool, first.act] if isinstance(pool, nn.MaxPool2D) else [first.act, pool]
    rearranged = HybridSequential(prefix="")  # takes no number from the names of other networks
    rearranged.add(_Convolution(first, outputs=more), *pooled, _Convolution(second, inputs=more), second.act, *others)
    rearranged.hybridize(static_alloc=True, static_shape=True)
    return rearranged


@contextlib.contextmanager
def for_inference(net, recipe, devices, images, trained=None):
    """The network that computes most quickly what ``net`` does for a number of images.

    That is one of the same layers and parameters, in which MXNet's oneDNN back end has put each ReLU, and each batch
    normalisation and sum that follows a convolution, into the layer before it; or ``trained``, where the former is no
    faster or cannot be made. The former keeps the weights from its first batch on in an order of its own, and
    multiplied by what a batch normalisation does to them, and does not see all of a later change: so it is for one pass
    over the data, and gives its memory back at the end of the ``with`` block.

    LeNet in batches of 256 would take twice as long, with batch normalisation too: its sigmoids are slower within a
    convolution or a dense layer than after it. GoogLeNet would gain less than 5 % (``benchmarks/predict_speed.py``).

    Parameters
    ----------
    net : Block
        Initialised on ``devices``.
    recipe : Recipe
        Of ``net``.
    devices : list of mx.Context
    images : int
    trained : Block, optional
        What :func:`for_training` gave for ``net``; ``net`` by default. It has given its memory back while another one
        is used.

    Yields
    ------
    Block
        Takes batches of any size.
    """
    trained, side = net if trained is None else trained, recipe.side
    worth_it = images * side**2 >= _WORTH_IT
    if not (worth_it and _is_for_onednn(net, recipe, devices) and find_network(recipe.model).optimized):
        yield trained
        return
    trained.hybridize(static_alloc=True, static_shape=True)  # again, or the memory of both would be taken at once
    optimized = HybridSequential(prefix="")  # takes no number from the names of other networks
    optimized.add(*net)
    channels = next(iter(net.collect_params().values())).shape[1]  # of the first convolution's weight
    example = mx.nd.zeros((1, channels, side, side))
    optimized.optimize_for(example, backend="MKLDNN", static_alloc=True, static_shape=True)
    try:
        yield optimized
    finally:
        optimized._clear_cached_op()  # Python would keep it for a while, since a block and its name scope are a cycle


class _Convolution(nn.HybridBlock):
    """A convolution without its activation, padded with input or output channels of zeros that are not parameters."""

    def __init__(self, convolution, inputs=0, outputs=0):
        super().__init__(prefix="")
        self.params.update(convolution.params)
        self.weight, self.bias = convolution.weight, convolution.bias
        self._inputs, self._outputs = inputs, outputs
        self._kwargs = {**convolution._kwargs, "num_filter": self.weight.shape[0] + outputs}

    def hybrid_forward(self, F, x, weight, bias):
        # Not by concatenation with zeros, with which MXNet's compiled networks lose a few kilobytes in every step.
        def filled(array, shape, number):
            """The array as ``shape``, with ``number`` zeros at the end of the third of its four axes."""
            return F.pad(array.reshape(shape), mode="constant", pad_width=(0, 0, 0, 0, 0, number, 0, 0))

        channels, inputs, *kernel = self.weight.shape
        if self._inputs:
            weight = filled(weight, (1, channels, inputs, -1), self._inputs)
        if self._outputs:
            weight = filled(weight, (1, 1, channels, -1), self._outputs)
            bias = filled(bias, (1, 1, channels, 1), self._outputs).reshape((-1,))
        if self._inputs or self._outputs:
            weight = weight.reshape((channels + self._outputs, inputs + self._inputs, *kernel))
        return F.Convolution(x, weight, bias, **self._kwargs)

"""A compiled network that only computes logits, where oneDNN computes them faster."""

import contextlib

import mxnet as mx

from gluon_cnn.models.sequential import HybridSequential

__all__ = ["for_inference", "is_for_onednn"]

# Networks that are faster so, see benchmarks/predict_speed.py. LeNet in batches of 256 takes twice as long: its
# sigmoids are slower within a convolution or a dense layer than after it.
_OPTIMIZED = ("alexnet", "nin", "vgg11")
# From how many pixels on that saves more than it costs to make one, and to compile the network again for training,
# which is what about ten of the book's batches save, of 128 images of 224×224.
_WORTH_IT = 16 * 128 * 224**2


def is_for_onednn(net, devices):
    """Whether a network is compiled, and MXNet 1's oneDNN computes it."""
    features = mx.runtime.Features()
    built = "MKLDNN" in features and features.is_enabled("MKLDNN")  # MXNet 2 has another name for it
    compiled = isinstance(net, HybridSequential) and net._active and not mx.util.is_np_array()
    return built and compiled and devices == [mx.cpu()]


@contextlib.contextmanager
def for_inference(net, recipe, devices, images, trained=None):
    """The network that computes most quickly what ``net`` does for a number of images.

    That is one of the same layers and parameters, in which MXNet's oneDNN back end has put each ReLU into the layer
    before it; or ``trained``, where this is no faster or is not to be had. The former keeps the weights in an order of
    its own from its first batch on and does not see all of a later change: so it is for one pass over the data, and
    gives its memory back at the end of the ``with`` block.

    Parameters
    ----------
    net : Block
        Initialised on ``devices``.
    recipe : Recipe
        Of ``net``.
    devices : list of mx.Context
    images : int
    trained : Block, optional
        What :func:`gluon_cnn.training.rearranged.for_training` gave for ``net``; ``net`` by default. It has
        given its memory back while another one is used.

    Yields
    ------
    Block
        Takes batches of any size.
    """
    trained, side = net if trained is None else trained, recipe.resize or 28
    if not (is_for_onednn(net, devices) and recipe.model in _OPTIMIZED and images * side**2 >= _WORTH_IT):
        yield trained
        return
    trained.hybridize(static_alloc=True, static_shape=True)  # anew, or the memory of both would be taken at once
    optimized = HybridSequential(prefix="")  # takes no number from the names of other networks
    optimized.add(*net)
    optimized.optimize_for(mx.nd.zeros((1, 1, side, side)), backend="MKLDNN", static_alloc=True, static_shape=True)
    try:
        yield optimized
    finally:
        optimized._clear_cached_op()  # Python would keep it for a while, since a block and its name scope are a cycle

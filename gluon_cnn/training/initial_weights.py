"""Initial weights: those that the book's published runs began from, or drawn from a seed."""

import mxnet as mx
from mxnet import gluon

from gluon_cnn.checks import choice
from gluon_cnn.models import find_network, list_models
from gluon_cnn.models.sequential import smallest_image
from gluon_cnn.recipe import EDITIONS, PUBLISHED_EDITIONS
from gluon_cnn.runtime.array_mode import array_mode
from gluon_cnn.seeding import WEIGHTS, seed_mxnet

__all__ = ["initialize_as_published", "initialize_from_seed"]


def initialize_as_published(net, edition="zh-v1", *, ctx=None):
    """Give a book network the weights that every published run of it began from.

    No notebook sets a seed, but MXNet's generator begins at 0 in each process and the initialisers draw on the CPU. So
    the weights are those that come after what a notebook draws before it trains: an example image, the default weights
    of the network that the example is shown to, then Xavier's.

    Parameters
    ----------
    net : nn.Sequential or nn.HybridSequential
        LeNet of that edition, AlexNet, VGG-11 or NiN, for one input channel. Initialised again.
    edition : {"zh-v1", "en"}
    ctx : mx.Context or list of mx.Context, optional
        Where the parameters are put; MXNet's current context by default.

    Raises
    ------
    SettingError
        For another edition.
    """
    with_numpy = EDITIONS[choice("edition", edition, PUBLISHED_EDITIONS)].numpy_arrays
    network = _record_of(net)
    shape = (1, 1, network.side, network.side)
    net.initialize(force_reinit=True, ctx=ctx, init=mx.init.Zero())
    _forward_zeros(net, shape, ctx)  # the layers learn their shapes, and all weights below are drawn at once
    shown = _shown(network, shape) if network.shown else net
    with mx.cpu(), array_mode(with_numpy):
        mx.random.seed(0)
        if with_numpy:
            mx.np.random.uniform(size=shape)
        else:
            mx.nd.random.uniform(shape=shape)
        # Block's own, because that of MXNet 2's HybridSequential goes back to NumPy's arrays.
        gluon.Block.initialize(shown, force_reinit=True)
        gluon.Block.initialize(net, force_reinit=True, init=mx.init.Xavier())
        weights = {name: parameter.data().asnumpy() for name, parameter in net.collect_params().items()}
    # Again, for the caller's kind of array and its devices.
    net.initialize(force_reinit=True, ctx=ctx, init=mx.init.Zero())
    array = mx.np.array if mx.util.is_np_array() else mx.nd.array
    for name, parameter in net.collect_params().items():
        parameter.set_data(array(weights[name]))


def _record_of(net):
    """The record of a book network. One that was built by hand is known by the smallest image that it takes."""
    records = [record for record in map(find_network, list_models()) if record.published_as]
    title = getattr(net, "network_name", None)
    found = [record for record in records if record.title == title]
    return (found or [record for record in records if (record.side <= 28) == (smallest_image(net) <= 28)])[0]


def _shown(network, shape):
    """The network to which the notebooks show the example, with weights of 0."""
    net = network.shown(hybrid=True)
    for parameter in net.collect_params().values():
        parameter.grad_req = "null"  # nobody trains it
    net.initialize(mx.init.Zero())
    _forward_zeros(net, shape, None)
    return net


def initialize_from_seed(net, seed, shape, *, ctx=None):
    """Give ``net`` Xavier's weights (``init.Xavier()`` with its defaults, as the book) drawn from ``seed``.

    Parameters
    ----------
    net : Block
        Initialised again.
    seed : int
    shape : tuple of int
        N×C×H×W of an input, from which the layers learn how many weights they have.
    ctx : mx.Context or list of mx.Context, optional
        Where the parameters are put; MXNet's current context by default.
    """
    seed_mxnet(seed, purpose=WEIGHTS)
    net.initialize(force_reinit=True, ctx=ctx, init=mx.init.Xavier())
    _forward_zeros(net, shape, ctx)


def _forward_zeros(net, shape, ctx):
    zeros = mx.np.zeros if mx.util.is_np_array() else mx.nd.zeros
    net(zeros(shape, ctx=ctx[0] if isinstance(ctx, (list, tuple)) else ctx))

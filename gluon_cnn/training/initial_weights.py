"""Initial weights: those that the book's published runs began from, or drawn from a seed."""

import mxnet as mx
from mxnet.gluon import Block

from gluon_cnn.checks import brief, choice
from gluon_cnn.errors import DeviceError, ModelError
from gluon_cnn.models import find_network
from gluon_cnn.models.parameters import fits, named_parameters, put_parameters
from gluon_cnn.published_weights import MODELS, published_shapes, published_weights
from gluon_cnn.recipe import PUBLISHED_EDITIONS
from gluon_cnn.runtime.devices import as_list, as_text, parse_context
from gluon_cnn.seeding import WEIGHTS, seed_mxnet

__all__ = ["initialize_as_published", "initialize_from_seed"]


def initialize_as_published(net, edition="zh-v1", *, ctx=None):
    """Give a book network the weights that every published run of it began from.

    They are those of :func:`gluon_cnn.published_weights.published_weights`, whose module says where they come from.

    Parameters
    ----------
    net : nn.Sequential or nn.HybridSequential
        LeNet or DenseNet of that edition, AlexNet, VGG-11 with a quarter of the channels, NiN, GoogLeNet or ResNet-18,
        for one input channel and ten classes. One that was built by hand is known by the shapes of its weights.
        Initialised again.
    edition : {"zh-v1", "en"}
    ctx : mx.Context or list of mx.Context, optional
        Where the parameters are put; MXNet's current context by default.

    Raises
    ------
    SettingError
        For another edition.
    ModelError
        If the network is none of these.
    DeviceError
        If ``ctx`` is no device, or one that cannot be used.
    """
    edition, ctx = choice("edition", edition, PUBLISHED_EDITIONS), _usable(ctx)
    if not isinstance(net, Block):
        raise ModelError(f"{brief(net)} is not a Gluon block: give one of the book's networks.", "model")
    model = _published_model(net, edition)
    net.initialize(force_reinit=True, ctx=ctx, init=mx.init.Zero())
    side = find_network(model).side
    try:
        forward_zeros(net, (1, 1, side, side), ctx)  # from which the layers learn their shapes
    except Exception as error:  # whatever somebody's network can raise
        raise _unpublished(edition) from error
    _published_model(net, edition)  # whether these are right too
    weights = published_weights(model, edition).values()
    put_parameters(net, dict(zip(named_parameters(net), weights)), ctx)


def _usable(ctx):
    """The devices that ``ctx`` names, MXNet's current one if it is None, as a list of contexts."""
    contexts = as_list(mx.context.current_context() if ctx is None else ctx)
    kind = type(mx.cpu())  # mx.Context is no class in MXNet 2
    if not contexts or not all(isinstance(context, kind) for context in contexts):
        raise DeviceError(f"ctx is {brief(ctx)}; it must be a context, such as mx.cpu(), or a list of them.", "ctx")
    return parse_context(as_text(contexts))


def _published_model(net, edition):
    """The name of the published network that has parameters like those of ``net``, as far as their shapes are known."""
    parameters = named_parameters(net)
    for model in MODELS:
        shapes = published_shapes(model, edition)
        if len(shapes) == len(parameters) and all(map(_alike, shapes.items(), parameters.items())):
            return model
    raise _unpublished(edition)


def _alike(published, own):
    """Whether a parameter of a network, with its name, is of the kind and shape of a published name and shape."""
    (name, shape), (own_name, parameter) = published, own
    return name.rpartition(".")[2] == own_name.rpartition(".")[2] and fits(shape, parameter.shape)


def _unpublished(edition):
    return ModelError(
        f"The network is not one whose runs were published in edition {edition}: build {', '.join(MODELS[:-1])} or "
        f"{MODELS[-1]} of that edition, for one channel and ten classes.",
        "edition",
    )


def initialize_from_seed(net, seed, shape, *, ctx=None):
    """Give ``net`` Xavier's weights (``init.Xavier()`` with its defaults, as the book) drawn from ``seed``, or those of
    the initialiser that a layer was made with.

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
    forward_zeros(net, shape, ctx)


def forward_zeros(net, shape, ctx):
    """What a network gives for zeros, a batch of a shape, on a device or the first of several."""
    zeros = mx.np.zeros if mx.util.is_np_array() else mx.nd.zeros
    return net(zeros(shape, ctx=ctx[0] if isinstance(ctx, (list, tuple)) else ctx))

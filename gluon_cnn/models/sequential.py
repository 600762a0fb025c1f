"""The ``Sequential`` that every network is built on, and the smallest image it can take."""

import weakref

from mxnet.gluon import nn

from gluon_cnn.errors import ModelError

__all__ = ["check_images", "layers_of", "network", "sequential", "smallest_image"]


def sequential(hybrid):
    """An empty ``nn.HybridSequential`` if ``hybrid``, else an ``nn.Sequential``, for a block."""
    return nn.HybridSequential() if hybrid else nn.Sequential()


def network(name, hybrid):
    """The same for a whole network, which goes by ``name`` in its errors."""
    net = HybridSequential() if hybrid else Sequential()
    net.network_name = name
    return net


def layers_of(block):
    """The layers of a network in order, containers opened: an activation inside a convolution or a
    dense layer belongs to it."""
    if block._reg_params or not block._children:
        yield block
    else:
        for child in block._children.values():
            yield from layers_of(child() if isinstance(child, weakref.ref) else child)  # a reference in MXNet 2


def smallest_image(net):
    """Height (and width) in pixels of the smallest image that a chain of layers can take.

    From the last layer to the first: to give ``size`` pixels, a window of ``kernel`` that moves by
    ``stride`` needs ``(size - 1) * stride + kernel`` pixels, less the padding on both sides.
    """
    size = 1
    for layer in reversed(list(layers_of(net))):
        window = getattr(layer, "_kwargs", {})
        if "kernel" in window and not window.get("global_pool"):
            kernel, stride, padding = window["kernel"][0], window["stride"][0], window["pad"][0]
            size = max(1, (size - 1) * stride + kernel - 2 * padding)
    return size


def check_images(net, name, shape):
    """Raise a ModelError that names the smallest image if ``net`` cannot take a batch of ``shape``."""
    if len(shape) != 4:
        raise ModelError(f"{name} takes images as N×C×H×W, not an array of shape {tuple(shape)}.")
    smallest = smallest_image(net)
    if min(shape[2:]) < smallest:
        raise ModelError(
            f"{name} takes images of {smallest}×{smallest} pixels or more, not {shape[2]}×{shape[3]}: "
            f"resize them to at least {smallest}."
        )


class _ChecksImages:
    """Says which images a network takes, where MXNet would speak of a kernel's size.

    Not a forward hook, since MXNet warns of one whenever the network is compiled. Symbols pass
    unchecked, so the check is no part of a compiled or exported network.
    """

    network_name = None

    def __call__(self, x, *args):
        if self.network_name and hasattr(x, "shape"):
            check_images(self, self.network_name, x.shape)
        return super().__call__(x, *args)


# Gluon names a block after its class, so these keep the names of the classes that they stand for.
class Sequential(_ChecksImages, nn.Sequential):
    """An ``nn.Sequential`` that is a whole network."""


class HybridSequential(_ChecksImages, nn.HybridSequential):
    """An ``nn.HybridSequential`` that is a whole network."""

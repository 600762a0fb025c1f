"""The ``Sequential`` that every network is built on, and the smallest image that a network takes."""

import weakref

from mxnet.gluon import nn

from gluon_cnn.errors import ModelError

__all__ = ["check_images", "layers_of", "named_sequential", "sequential", "smallest_image"]


def sequential(hybrid):
    """An empty ``nn.HybridSequential`` if ``hybrid``, else an ``nn.Sequential``, for a block."""
    return nn.HybridSequential() if hybrid else nn.Sequential()


def named_sequential(name, hybrid):
    """The same for a whole network, which its errors call ``name``."""
    net = HybridSequential() if hybrid else Sequential()
    net.network_name = name
    return net


def layers_of(block):
    """Yield the layers of a network in order, including those inside containers.

    An activation inside a convolution or a dense layer is part of that layer.
    """
    if block._reg_params or not block._children:
        yield block
    else:
        for child in block._children.values():
            yield from layers_of(child() if isinstance(child, weakref.ref) else child)  # a reference in MXNet 2


def smallest_image(net):
    """Height and width in pixels of the smallest image that a chain of layers takes.

    It is computed from the last layer to the first: to give ``size`` pixels, a window of ``kernel`` that moves by
    ``stride`` needs ``(size - 1) * stride + kernel`` pixels, less the padding on both sides. Where the last window may
    end outside the image, one pixel in it is enough.
    """
    size = 1
    for layer in reversed(list(layers_of(net))):
        window = getattr(layer, "_kwargs", {})
        if "kernel" in window and not window.get("global_pool"):
            kernel, stride, padding = window["kernel"][0], window["stride"][0], window["pad"][0]
            last_is_cut = window.get("pooling_convention") == "full" and size > 1
            needed = (size - 2) * stride + kernel + 1 if last_is_cut else (size - 1) * stride + kernel
            size = max(1, needed - 2 * padding)
    return size


def check_images(net, name, shape):
    """Raise a ModelError that gives the smallest size if ``net`` cannot take a batch of ``shape``."""
    if len(shape) != 4:
        raise ModelError(f"{name} takes images as N×C×H×W, not an array of shape {tuple(shape)}.")
    smallest = smallest_image(net)
    if min(shape[2:]) < smallest:
        raise ModelError(
            f"{name} takes images of {smallest}×{smallest} pixels or more, not {shape[2]}×{shape[3]}: "
            f"resize them to at least {smallest}.",
            "side",
        )


class _ChecksImages:
    """Reports which images a network takes, where MXNet would report a kernel's size.

    This is not a forward hook, because MXNet warns about hooks whenever a network is compiled. Symbols are not checked,
    so the check is not part of a compiled or exported network.
    """

    network_name = None

    def __call__(self, x, *args):
        if self.network_name and hasattr(x, "shape"):
            check_images(self, self.network_name, x.shape)
        return super().__call__(x, *args)


# Gluon names a block after its class, so these have the names of the classes that they replace.
class Sequential(_ChecksImages, nn.Sequential):
    """An ``nn.Sequential`` that is a whole network."""


class HybridSequential(_ChecksImages, nn.HybridSequential):
    """An ``nn.HybridSequential`` that is a whole network."""

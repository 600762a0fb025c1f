"""Weights from PyTorch and to PyTorch, and whole networks to PyTorch.

Both frameworks store a convolution's weight as out×in×height×width and a dense layer's as out×in, and both flatten
N×C×H×W in that order. So no number moves, and only the names differ. Layers are matched by their order, because notes
on the book call the same layer ``3``, ``conv.3`` or ``net.3``.
"""

import itertools
import math
from collections import OrderedDict

import numpy as np

from gluon_cnn.checks import choice
from gluon_cnn.errors import InteropError
from gluon_cnn.interop.extras import import_extra
from gluon_cnn.interop.state_dict import NAMES, numbers_decide, read_state_dict
from gluon_cnn.models.parameters import fits, named_parameters, put_parameters
from gluon_cnn.models.stored import StoredArray

__all__ = ["from_torch", "named_in_order", "to_torch", "torch_network"]

#: How the layers of a PyTorch network are named: all in one Sequential, or the dense ones in another.
LAYOUTS = ("sequential", "conv-fc")

# number of a weight's axes: kind of layer
_KINDS = {1: "normalisation", 2: "dense layer", 4: "convolution"}


def from_torch(net, state_dict, *, order=None):
    """Load the weights of a PyTorch network into a Gluon network.

    Convolutions are matched in order, and so are dense layers and batch normalisations. Each must have the shapes of
    its counterpart. A state dict has the order of the PyTorch network's layers, except in a safetensors file, which has
    its names sorted as text; there numbers in the names give the order. Strides, padding and activations are not in a
    state dict, so they are not compared.

    Parameters
    ----------
    net : Block
        Made of convolutions, dense layers and batch normalisations, as every network here. It need not be initialised,
        and it may be hybridized. Known shapes must fit; unknown ones, such as the inputs of the first dense layer, are
        taken from the state dict. Parameters stay on the devices where they are, or go to the CPU.
    state_dict : dict or path
        Names to tensors of PyTorch or NumPy; or a file of them, ``.safetensors`` or from ``torch.save``. Only tensors
        are read from the latter, and no code is run.
    order : torch.nn.Module or list of str, optional
        The order of the layers, where names such as ``up`` and ``down`` in a safetensors file do not tell it: the
        PyTorch network, or the name of each layer in the state dict.

    Returns
    -------
    Block
        ``net``.

    Raises
    ------
    InteropError
        If a tensor is missing, left over or of another shape, or the file does not hold weights. It names the first
        layer that does not fit, and the network is unchanged. Also if layers have the same shapes and a file does not
        tell their order.
    """
    state = read_state_dict(state_dict, order)
    matched = dict(_matched(named_parameters(net), state))  # before anything is changed
    _refuse_lost_order(state)
    put_parameters(net, matched)
    return net


def to_torch(net, *, layout="sequential"):
    """A network's weights in the form that PyTorch's ``load_state_dict`` takes.

    Parameters
    ----------
    net, layout
        As in :func:`torch_network`.

    Returns
    -------
    OrderedDict
        Names to tensors on the CPU, copies of the network's. To save them in a file that cannot hold code:
        ``safetensors.torch.save_file(to_torch(net), "nin.safetensors")``.

    Raises
    ------
    InteropError
        As :func:`torch_network`.
    """
    return torch_network(net, layout=layout).state_dict()


def torch_network(net, *, layout="sequential"):
    """Translate a network with its weights to PyTorch.

    Parameters
    ----------
    net : nn.Sequential or nn.HybridSequential
        Made of the layers of the book's networks: convolutions, dense layers, poolings, dropout, batch normalisations,
        activations; and of its blocks, which become those of :mod:`gluon_cnn.interop.torch_blocks`. Its shapes must be
        known.
    layout : {"sequential", "conv-fc"}
        ``sequential`` gives one ``Sequential``, in which activations and ``Flatten`` count as layers, so LeNet's second
        convolution is ``3``, as in the book's PyTorch edition. ``conv-fc`` puts the layers before the first dense one
        into ``conv`` and the others into ``fc``, so it is ``conv.3``, as in the networks of the notes. The layers of an
        Inception block are called ``p1_1``, ``p2_1``, ``p2_2`` and so on, those of a residual block ``conv1``, ``bn1``
        and so on, and those of a dense block ``net.0``, ``net.1`` and so on, as in the book's.

    Returns
    -------
    torch.nn.Sequential
        float32 on the CPU. It is in training mode, as new PyTorch networks are: call ``eval()`` before you predict.
        Trained there, it computes what MXNet would, except for a running variance: PyTorch divides by n - 1 where
        MXNet divides by n.

    Raises
    ------
    InteropError
        If PyTorch is not installed, or a layer has no counterpart there.
    ModelError
        If the weights have no values yet.
    SettingError
        For another layout.
    """
    choice("layout", layout, LAYOUTS)
    torch = import_extra("torch", "torch")
    from gluon_cnn.interop.torch_modules import translate

    modules, _ = translate(net)
    network = modules[0] if isinstance(modules[0], torch.nn.Sequential) else torch.nn.Sequential(*modules)
    if layout == "sequential":
        return network
    parts = list(network)
    flatten = next((i for i, part in enumerate(parts) if isinstance(part, torch.nn.Flatten)), len(parts))
    if flatten >= len(parts) - 1:
        raise InteropError(f"{net.name} has no dense layers to put into fc: leave layout out.", "layout")
    conv, fc = torch.nn.Sequential(*parts[:flatten]), torch.nn.Sequential(*parts[flatten + 1 :])
    return torch.nn.Sequential(OrderedDict(conv=conv, flatten=parts[flatten], fc=fc))


def _refuse_lost_order(state):
    """Raise InteropError if layers could be exchanged, because only their sorted names say which comes first."""
    alike = {}
    for layer, names in state.layers.items() if state.is_sorted else ():
        shapes = sorted((what, state.arrays[name].shape) for what, name in names.items())
        alike.setdefault(str(shapes), []).append(layer)
    for layers in alike.values():
        # As the layers are sorted, neighbours are enough: if numbers decide between those, they decide between all.
        pairs = [pair for pair in zip(layers, layers[1:]) if not numbers_decide(*pair)]
        if pairs:
            doubtful = list(dict.fromkeys(itertools.chain.from_iterable(pairs)))
            more = [f"{len(doubtful) - 6} more"] if len(doubtful) > 6 else []
            raise InteropError(
                f"{state.where} has its names sorted, so nothing tells the order of {', '.join(doubtful[:6] + more)}, "
                "which have the same shapes: give the PyTorch network as order, or a list of its layers' names.",
                "order",
            )


def _matched(parameters, state):
    """Pairs of a parameter's name in the network and its array in the state dict."""
    arrays, waiting = state.arrays, {}  # the state dict's layers that have no counterpart yet, by kind, in order
    for names in state.layers.values():
        waiting.setdefault(_kind(arrays, names), []).append(names)
    for layer in _layers(parameters):
        weight = parameters[layer["weight"]]
        kind = 1 if layer["weight"].endswith("gamma") else len(weight.shape)
        if not waiting.get(kind):
            raise _misfit(
                f"The network has {layer['weight']} of shape {_shape(weight)}, but the state dict has no "
                f"{_KINDS.get(kind, 'layer')} left for it"
            )
        names = waiting[kind].pop(0)
        for what, name in layer.items():
            has = f"The network has {name} of shape {_shape(parameters[name])}"
            if what not in names:
                raise _misfit(f"{has}, but the state dict has no {what} beside {names['weight']}", state)
            array = arrays[names[what]]
            array = _with_axes(array, parameters[name].shape) if kind == 1 else array
            if not fits(array.shape, parameters[name].shape):
                raise _misfit(f"{has}, but its counterpart {names[what]} in the state dict has {array.shape}", state)
            yield name, array
        for what in sorted(set(names) - set(layer)):
            raise _misfit(
                f"The state dict has {names[what]}, but the network has no such parameter beside {layer['weight']}"
            )
    for names in itertools.chain.from_iterable(waiting.values()):
        raise _misfit(f"The state dict has {next(iter(names.values()))}, but the network has no layer left for it")


def named_in_order(net, state):
    """A state dict's arrays by the names of the network's parameters that they would be: the first convolution's for
    the first convolution, and so on, for as many layers of a kind as both have. Shapes are not compared.

    Raises
    ------
    InteropError
        If the network has a layer that PyTorch does not have, or the order of the state dict's layers is lost.
    """
    _refuse_lost_order(state)
    parameters, waiting, named = named_parameters(net), {}, {}
    for names in state.layers.values():
        waiting.setdefault(_kind(state.arrays, names), []).append(names)
    for layer in _layers(parameters):
        weight = layer["weight"]
        kind = 1 if weight.endswith("gamma") else len(parameters[weight].shape)
        theirs = waiting[kind].pop(0) if waiting.get(kind) else {}
        for what in set(layer) & set(theirs):
            array, name = state.arrays[theirs[what]], layer[what]
            named[name] = _with_axes(array, parameters[name].shape) if kind == 1 else array
    return named


def _with_axes(array, shape):
    """Numbers of channels in the shape that the book's own batch normalisation gives them, such as 1×6×1×1."""
    if array.ndim != 1 or shape is None or len(shape) == 1 or math.prod(shape) != array.shape[0]:
        return array
    return StoredArray(shape, array.dtype, lambda: np.asarray(array).reshape(shape))


def _misfit(what, state=None):
    """The error for a state dict that does not fit; ``state`` is given if another order of its layers might."""
    if state is not None and state.is_sorted:
        return InteropError(
            f"{what}: use the weights of the same network, or give order, as names are sorted.", "order"
        )
    return InteropError(f"{what}: use the weights of the same network.")


def _layers(parameters):
    """The layers of a network in order: for each one, its parameters' full names by PyTorch's names for them."""
    layers = {}
    for name, parameter in parameters.items():
        layer, _, own = name.rpartition(".")
        # A BatchNorm with scale=False uses 1 instead of its gamma, whatever that is.
        if own not in NAMES or (own == "gamma" and not parameter._differentiable):
            raise InteropError(f"The network has {name}, which has no counterpart in PyTorch: leave that layer out.")
        layers.setdefault(layer, {})[NAMES[own]] = name
        if "weight" not in layers[layer]:  # it comes first
            raise InteropError(f"The network has {name} without a weight before it: leave that layer out.")
    return layers.values()


def _kind(arrays, names):
    """The number of axes of a layer's weight; None if it has no weight."""
    return arrays[names["weight"]].ndim if "weight" in names else None


def _shape(parameter):
    return "(" + ", ".join("?" if size in (0, -1) else str(size) for size in parameter.shape) + ")"

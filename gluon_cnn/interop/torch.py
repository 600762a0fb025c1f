"""Weights from PyTorch and to PyTorch, and whole networks to PyTorch.

Both frameworks store a convolution's weight as out×in×height×width and a dense layer's as out×in, and both flatten
N×C×H×W in that order. So no number moves, and only the names differ. Layers are matched by their order, because notes
on the book call the same layer ``3``, ``conv.3`` or ``net.3``.
"""

import itertools
from collections import OrderedDict

from mxnet.gluon import nn

from gluon_cnn.checks import choice
from gluon_cnn.errors import InteropError
from gluon_cnn.interop.extras import import_extra
from gluon_cnn.interop.state_dict import numbers_decide, read_state_dict
from gluon_cnn.models.parameters import copied, fits, named_parameters, put_parameters

__all__ = ["from_torch", "to_torch", "torch_network"]

#: How the layers of a PyTorch network are named: all in one Sequential, or the dense ones in another.
LAYOUTS = ("sequential", "conv-fc")

# Gluon's name of a layer's parameter: PyTorch's name
_NAMES = {
    "weight": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "running_mean": "running_mean",
    "running_var": "running_var",
}
# number of a weight's axes: kind of layer
_KINDS = {1: "normalisation", 2: "dense layer", 4: "convolution"}
_ACTIVATIONS = {"relu": "ReLU", "sigmoid": "Sigmoid", "tanh": "Tanh", "softrelu": "Softplus", "softsign": "Softsign"}


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
        activations, and blocks of these. Its shapes must be known.
    layout : {"sequential", "conv-fc"}
        ``sequential`` gives one ``Sequential``, in which activations and ``Flatten`` count as layers, so LeNet's second
        convolution is ``3``, as in the book's PyTorch edition. ``conv-fc`` puts the layers before the first dense one
        into ``conv`` and the others into ``fc``, so it is ``conv.3``, as in the networks of the notes.

    Returns
    -------
    torch.nn.Sequential
        float32 on the CPU. It is in training mode, as new PyTorch networks are: call ``eval()`` before you predict.

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
    modules, _ = _translate(torch, net, "", flat=False)
    network = modules[0] if isinstance(modules[0], torch.nn.Sequential) else torch.nn.Sequential(*modules)
    if layout == "sequential":
        return network
    parts = list(network)
    flatten = next((i for i, part in enumerate(parts) if isinstance(part, torch.nn.Flatten)), len(parts))
    if flatten >= len(parts) - 1:
        raise InteropError(f"{net.name} has no dense layers to put into fc: leave layout out.", "layout")
    conv, fc = torch.nn.Sequential(*parts[:flatten]), torch.nn.Sequential(*parts[flatten + 1 :])
    return torch.nn.Sequential(OrderedDict(conv=conv, flatten=parts[flatten], fc=fc))


def _translate(torch, layer, path, flat):
    """PyTorch's modules for a layer, and whether their output is N×C. ``flat`` says whether the input is."""
    if _is_chain(layer):
        modules = []
        for name, child in layer._children.items():
            translated, flat = _translate(torch, child, f"{path}{name}.", flat)
            modules += translated
        return [torch.nn.Sequential(*modules)], flat
    flattens = isinstance(layer, nn.Flatten) or (isinstance(layer, nn.Dense) and layer._flatten)
    modules = [torch.nn.Flatten()] if isinstance(layer, nn.Dense) and flattens and not flat else []
    parameters = {_NAMES.get(name, name): _tensor(torch, p) for name, p in layer._reg_params.items() if p is not None}
    flat = flat or flattens
    module = _counterpart(torch, layer, parameters, flat)
    if module is None:
        raise InteropError(
            f"The layer {path[:-1] or layer.name} is a {type(layer).__name__} that has no counterpart in PyTorch: "
            "use another layer."
        )
    for name, tensor in parameters.items():
        getattr(module, name).data.copy_(tensor)
    modules.append(module)
    if getattr(layer, "act", None) is not None:  # an activation inside a convolution or a dense layer
        modules += _translate(torch, layer.act, f"{path}act.", flat)[0]
    return modules, flat


def _is_chain(layer):
    """Whether a container only passes its batch from child to child, as Gluon's own containers do."""
    for kind in (nn.Sequential, nn.HybridSequential):
        if isinstance(layer, kind):
            ways = ("forward", "hybrid_forward")
            return all(getattr(type(layer), way, None) is getattr(kind, way, None) for way in ways)
    return False


def _counterpart(torch, layer, parameters, flat):
    """PyTorch's module for a layer with these parameters, which are not set yet; None if there is no such module."""
    options, weight = getattr(layer, "_kwargs", {}), parameters.get("weight")
    if options.get("layout", "NCHW") != "NCHW":
        return None
    window = [options.get(name) for name in ("kernel", "stride", "pad")]
    # Draws nothing from PyTorch's random generator, which belongs to the caller.
    skip_init = torch.nn.utils.skip_init
    if isinstance(layer, nn.Conv2D):
        groups, bias = options["num_group"], "bias" in parameters
        channels = weight.shape[1] * groups, weight.shape[0]
        return skip_init(torch.nn.Conv2d, *channels, *window, options["dilate"], groups, bias)
    if isinstance(layer, nn.Dense):
        return skip_init(torch.nn.Linear, weight.shape[1], weight.shape[0], "bias" in parameters)
    if (
        isinstance(layer, nn.BatchNorm)
        and options["axis"] == 1
        and not (options["fix_gamma"] or options["use_global_stats"])
    ):
        kind = torch.nn.BatchNorm1d if flat else torch.nn.BatchNorm2d
        return kind(len(weight), eps=options["eps"], momentum=1 - options["momentum"])
    whole = options.get("pooling_convention") == "valid"  # only windows that lie within the image
    if isinstance(layer, nn.MaxPool2D) and whole:
        return torch.nn.MaxPool2d(*window)
    if isinstance(layer, nn.AvgPool2D) and whole:
        return torch.nn.AvgPool2d(*window, count_include_pad=options["count_include_pad"])
    if isinstance(layer, nn.GlobalAvgPool2D):
        return torch.nn.AdaptiveAvgPool2d(1)
    if isinstance(layer, nn.Dropout) and not layer._axes:
        return torch.nn.Dropout(layer._rate)
    if isinstance(layer, nn.Flatten):
        return torch.nn.Flatten()
    if isinstance(layer, nn.Activation) and layer._act_type in _ACTIVATIONS:
        return getattr(torch.nn, _ACTIVATIONS[layer._act_type])()
    return None


def _tensor(torch, parameter):
    return torch.from_numpy(copied(parameter).asnumpy())


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
        kind = len(weight.shape)
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
            if not fits(array.shape, parameters[name].shape):
                raise _misfit(f"{has}, but its counterpart {names[what]} in the state dict has {array.shape}", state)
            yield name, array
        for what in sorted(set(names) - set(layer)):
            raise _misfit(
                f"The state dict has {names[what]}, but the network has no such parameter beside {layer['weight']}"
            )
    for names in itertools.chain.from_iterable(waiting.values()):
        raise _misfit(f"The state dict has {next(iter(names.values()))}, but the network has no layer left for it")


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
        if own not in _NAMES or (own == "gamma" and not parameter._differentiable):
            raise InteropError(f"The network has {name}, which has no counterpart in PyTorch: leave that layer out.")
        layers.setdefault(layer, {})[_NAMES[own]] = name
        if "weight" not in layers[layer]:  # it comes first
            raise InteropError(f"The network has {name} without a weight before it: leave that layer out.")
    return layers.values()


def _kind(arrays, names):
    """The number of axes of a layer's weight; None if it has no weight."""
    return arrays[names["weight"]].ndim if "weight" in names else None


def _shape(parameter):
    return "(" + ", ".join("?" if size in (0, -1) else str(size) for size in parameter.shape) + ")"

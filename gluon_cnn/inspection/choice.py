"""What is looked at: layers, channels and classes, by what somebody names or by default."""

from typing import Dict, Tuple

import numpy as np
from mxnet.gluon import nn

from gluon_cnn.checks import brief, whole_number
from gluon_cnn.errors import ModelError, SettingError
from gluon_cnn.inspection.filters import filter_norms
from gluon_cnn.inspection.layers import (
    all_layers,
    as_batch,
    innermost_layers,
    output_of,
    refuse_not_run,
    refuse_unknown,
    title_of,
    watched,
)
from gluon_cnn.inspection.words import among, short

__all__ = ["chosen_channels", "chosen_layers", "class_numbers", "layer_shapes", "layers_that_may_die"]

_MOST_LAYERS = 8
_SEQUENCES = (nn.Sequential, nn.HybridSequential)  # these alone: what is derived from them may join its children


def layer_shapes(net, X) -> Dict[str, Tuple[int, ...]]:
    """The shape of what each layer gives for a batch, by path, of those that are run and give one array."""
    shapes = {}

    def receive(path, output):
        if isinstance(output, (list, tuple)) and len(output) == 1:
            output = output[0]
        if hasattr(output, "asnumpy"):
            shapes[path] = tuple(output.shape)

    receivers = {path: lambda output, path=path: receive(path, output) for path in all_layers(net)}
    with watched(net, receivers):
        output_of(net, as_batch(net, X))
    return {path: shapes[path] for path in receivers if path in shapes}


def chosen_layers(net, X, paths=None):
    """The layers to look at, from the lowest to the highest.

    Parameters
    ----------
    net : Block
    X : array
        A batch of one image.
    paths : list of str, optional
        By default a few from the first to the last: of each part of the network what it gives, after its activation.

    Returns
    -------
    dict
        Path to the shape of what the layer gives.

    Raises
    ------
    ModelError
        If there is no such layer, it is not run, or it gives neither N×C×H×W nor N×C.
    """
    shapes = layer_shapes(net, X)
    fit = {path: shape for path, shape in shapes.items() if len(shape) in (2, 4) and min(shape) > 0}
    if paths is None:
        found = _spread([path for path in _parts(net, "", net._children) if path in fit])
        found = found or _spread([path for path in innermost_layers(net) if path in fit])
        if not found:
            raise ModelError(f"{title_of(net)} has no layer that gives N×C×H×W or N×C: name the layers.", "layers")
        return {path: fit[path] for path in found}
    paths = list(dict.fromkeys(paths))
    refuse_unknown(net, paths)
    refuse_not_run(net, set(paths) - set(shapes))
    for path in paths:
        if path not in fit:
            size = "×".join(map(str, shapes[path]))
            raise ModelError(f"The layer {path} gives {size}, neither N×C×H×W nor N×C: name another.", "layers")
    return {path: fit[path] for path in paths}


def _parts(net, prefix, children):
    """The paths of a network's parts, each the last layer of it that is no pooling, nor anything without numbers."""
    layers = all_layers(net)
    names = [f"{prefix}{name}" for name in children]
    found = []
    for path in names:
        layer = layers[path]
        if found and isinstance(layer, (nn.Activation, nn.BatchNorm, nn.LeakyReLU, nn.PReLU)):
            found[-1] = path  # what the part before it gives in the end
        elif list(layer.collect_params()):
            found.append(path)
    if len(found) < 4:  # a network in a network, as those of the zoos, or a few large parts
        opened = [[p for p in _parts(net, f"{path}.", layers[path]._children) if p] for path in found]
        if any(len(inside) > 1 for inside in opened) and not _are_blocks(layers, found):
            return [p for path, inside in zip(found, opened) for p in (inside or [_end(layers, path)])]
    return [_end(layers, path) for path in found]


def _are_blocks(layers, paths):
    """Whether parts are single layers, of which nothing can be opened."""
    return all(type(layers[path]) not in _SEQUENCES and layers[path]._reg_params for path in paths)


def _end(layers, path):
    """The last layer of a sequence, without a pooling at its end: it gives what the sequence gives."""
    while type(layers[path]) in _SEQUENCES:
        inside = [f"{path}.{name}" for name in layers[path]._children]
        inside = [one for one in inside if not _passes_on(layers[one])]
        if not inside:
            break
        path = inside[-1]
    return path


def _passes_on(layer):
    """Whether a layer only passes on what it gets, or pools it."""
    pools = hasattr(layer, "_kwargs") and not list(layer.collect_params())
    return pools or isinstance(layer, (nn.Dropout, nn.Flatten))


def _spread(paths):
    paths = list(dict.fromkeys(paths))
    places = np.linspace(0, len(paths) - 1, min(len(paths), _MOST_LAYERS)).round().astype(int)
    return [paths[place] for place in places]


def layers_that_may_die(net, X):
    """The paths of the layers whose dead channels are looked for: those with weights, and activations."""
    shapes, weighted = layer_shapes(net, X), filter_norms(net)
    return [
        path
        for path, layer in innermost_layers(net).items()
        if (path in weighted or isinstance(layer, nn.Activation)) and len(shapes.get(path, ())) in (2, 4)
    ]


def chosen_channels(shapes, channels, named):
    """Of each layer those of the named channels that it has.

    Parameters
    ----------
    shapes : dict
        Path to shape, of :func:`chosen_layers`.
    channels : sequence of int or None
        None leaves the choice to the figure.
    named : bool
        Whether the layers were named too, so that each must have all channels.

    Returns
    -------
    dict
        Path to list of int, or to None.

    Raises
    ------
    SettingError
        If a channel is not there.
    """
    if channels is None:
        return dict.fromkeys(shapes)
    channels = [whole_number("channels", channel, smallest=0) for channel in dict.fromkeys(channels)]
    if not channels:
        raise SettingError("channels is empty: name at least one.", "channels")
    sizes = {path: shape[1] for path, shape in shapes.items()}
    for channel in channels:
        without = [path for path, size in sizes.items() if channel >= size]
        if len(without) == len(sizes) or (without and named):
            path = max(without, key=sizes.get)
            raise SettingError(
                f"There is no channel {brief(channel)} in layer {path}, which has {sizes[path]}, from 0 to "
                f"{sizes[path] - 1}: name another.",
                "channels",
            )
    return {path: [channel for channel in channels if channel < size] for path, size in sizes.items()}


def class_numbers(wanted, names):
    """The numbers of classes that are named, or given by their numbers.

    Raises
    ------
    SettingError
        If there is no such class.
    """
    lower = [str(name).lower() for name in names]
    found = []
    for one in wanted:
        text = str(one).strip().lower()
        if text in lower:
            found.append(lower.index(text))
        elif text.isdecimal() and len(text) < 10 and int(text) < len(names):
            found.append(int(text))
        else:
            raise SettingError(
                f"There is no class {brief(one)}; use a number from 0 to {len(names) - 1}, or one of "
                f"{among([short(name) for name in names], 12)}.",
                "classes",
            )
    return list(dict.fromkeys(found))

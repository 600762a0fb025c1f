"""Gluon's layers as PyTorch's modules, with their weights. Imports PyTorch."""

import itertools

import torch
from mxnet.gluon import nn

from gluon_cnn.errors import InteropError
from gluon_cnn.interop.state_dict import NAMES
from gluon_cnn.interop.torch_blocks import DenseBlock, Parallel, Residual
from gluon_cnn.models import batch_norm, resnet
from gluon_cnn.models.concatenation import ForwardDense, ForwardParallel
from gluon_cnn.models.dropout import Dropout
from gluon_cnn.models.local_response import LocalResponseNorm
from gluon_cnn.models.parameters import copied

__all__ = ["translate"]

_ACTIVATIONS = {"relu": "ReLU", "sigmoid": "Sigmoid", "tanh": "Tanh", "softrelu": "Softplus", "softsign": "Softsign"}


def translate(layer, path="", flat=False):
    """PyTorch's modules for a layer or a container, with its weights.

    Parameters
    ----------
    layer : Block
    path : str
        Where it is in the network, such as ``0.2.``, for the message if it has no counterpart.
    flat : bool
        Whether it takes N×C.

    Returns
    -------
    (list of torch.nn.Module, bool)
        The modules, one after the other, and whether they give N×C.

    Raises
    ------
    InteropError
        If a layer has no counterpart.
    ModelError
        If a weight has no values yet.
    """
    if _is_chain(layer):
        translated, flat = _in_turn(layer._children, path, flat)
        return [torch.nn.Sequential(*itertools.chain.from_iterable(translated))], flat
    if _computes_as(layer, ForwardParallel):
        paths = []
        for name, child in layer._children.items():
            inside = (child._children, f"{path}{name}.") if _is_chain(child) else ({name: child}, path)
            translated, flat_after = _in_turn(*inside, flat)
            paths.append(translated)
        return [Parallel(paths)], flat_after if paths else flat
    if _computes_as(layer, ForwardDense) or _computes_as(layer, resnet.Residual):
        inside = {name: _one(translate(c, f"{path}{name}.", flat)[0]) for name, c in layer._children.items()}
        return [Residual(**inside) if isinstance(layer, resnet.Residual) else DenseBlock(inside.values())], flat
    return _translate_layer(layer, path, flat)


def _in_turn(layers, path, flat):
    """The modules of each of some layers, of which one takes what the other gives, and whether the last gives N×C."""
    translated = []
    for name, layer in layers.items():
        modules, flat = translate(layer, f"{path}{name}.", flat)
        translated.append(modules)
    return translated, flat


def _one(modules):
    return modules[0] if len(modules) == 1 else torch.nn.Sequential(*modules)


def _translate_layer(layer, path, flat):
    """The same for a layer that has no layers inside, except for an activation."""
    flattens = isinstance(layer, nn.Flatten) or (isinstance(layer, nn.Dense) and layer._flatten)
    modules = [torch.nn.Flatten()] if isinstance(layer, nn.Dense) and flattens and not flat else []
    parameters = {NAMES.get(name, name): _tensor(p) for name, p in layer._reg_params.items() if p is not None}
    flat = flat or flattens
    module = _counterpart(layer, parameters, flat)
    if module is None:
        raise InteropError(
            f"The layer {path[:-1] or layer.name} is a {type(layer).__name__} that has no counterpart in PyTorch: "
            "use another layer."
        )
    for name, tensor in parameters.items():
        getattr(module, name).data.copy_(tensor.reshape(getattr(module, name).shape))
    modules.append(module)
    if getattr(layer, "act", None) is not None:  # an activation inside a convolution or a dense layer
        modules += translate(layer.act, f"{path}act.", flat)[0]
    return modules, flat


def _computes_as(layer, kind):
    """Whether a layer is of a kind, and not of a subclass that computes something else."""
    ways = ("forward", "hybrid_forward")
    same = (getattr(type(layer), way, None) is getattr(kind, way, None) for way in ways if hasattr(kind, way))
    return isinstance(layer, kind) and all(same)


def _is_chain(layer):
    """Whether a container only passes its batch from child to child, as Gluon's own containers do."""
    return _computes_as(layer, nn.Sequential) or _computes_as(layer, nn.HybridSequential)


def _counterpart(layer, parameters, flat):
    """PyTorch's module for a layer with these parameters, which are not set yet; None if there is no such module."""
    options, weight = getattr(layer, "_kwargs", {}), parameters.get("weight")
    if options.get("layout", "NCHW") != "NCHW":
        return None
    # Draws nothing from PyTorch's random generator, which belongs to the caller.
    skip_init = torch.nn.utils.skip_init
    if _computes_as(layer, nn.Conv2D):
        groups, bias = options["num_group"], "bias" in parameters
        channels = weight.shape[1] * groups, weight.shape[0]
        return skip_init(torch.nn.Conv2d, *channels, *_window(options), options["dilate"], groups, bias)
    if _computes_as(layer, nn.Dense):
        return skip_init(torch.nn.Linear, weight.shape[1], weight.shape[0], "bias" in parameters)
    if _computes_as(layer, nn.BatchNorm) or _computes_as(layer, batch_norm.BatchNorm):
        return _normalisation(layer, weight, flat)
    if (_computes_as(layer, nn.Dropout) or _computes_as(layer, Dropout)) and not layer._axes:
        return torch.nn.Dropout(layer._rate)
    if _computes_as(layer, nn.Flatten):
        return torch.nn.Flatten()
    if _computes_as(layer, nn.Activation) and layer._act_type in _ACTIVATIONS:
        return getattr(torch.nn, _ACTIVATIONS[layer._act_type])()
    if _computes_as(layer, LocalResponseNorm):
        size, alpha, *others = layer.formula.values()
        return torch.nn.LocalResponseNorm(size, size * alpha, *others)  # which divides alpha by the size
    return _pooling(layer, options)


def _normalisation(layer, weight, flat):
    if isinstance(layer, batch_norm.BatchNorm):
        kind = torch.nn.BatchNorm1d if weight.ndim == 2 else torch.nn.BatchNorm2d
        return kind(weight.numel(), eps=batch_norm.EPSILON, momentum=1 - batch_norm.MOMENTUM)
    options = layer._kwargs
    if options["axis"] != 1 or options["fix_gamma"] or options["use_global_stats"]:
        return None
    kind = torch.nn.BatchNorm1d if flat else torch.nn.BatchNorm2d
    return kind(len(weight), eps=options["eps"], momentum=1 - options["momentum"])


def _pooling(layer, options):
    if _computes_as(layer, nn.GlobalAvgPool2D):
        return torch.nn.AdaptiveAvgPool2d(1)
    ceil_mode = options.get("pooling_convention") == "full"
    if options.get("pooling_convention") == "same" or (ceil_mode and _begins_outside(options)):
        return None
    if _computes_as(layer, nn.MaxPool2D):
        return torch.nn.MaxPool2d(*_window(options), ceil_mode=ceil_mode)
    if _computes_as(layer, nn.AvgPool2D):
        counted = options["count_include_pad"]
        return torch.nn.AvgPool2d(*_window(options), ceil_mode=ceil_mode, count_include_pad=counted)
    return None


def _begins_outside(options):
    """Whether a last window may begin outside the image, which PyTorch leaves out."""
    return any(options["pad"]) or any(s > k for s, k in zip(options["stride"], options["kernel"]))


def _window(options):
    return options["kernel"], options["stride"], options["pad"]


def _tensor(parameter):
    return torch.from_numpy(copied(parameter).asnumpy())

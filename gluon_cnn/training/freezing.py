"""Layers that are not trained, and a smaller learning rate for what a run took from another network."""

import difflib
import itertools
import weakref

from gluon_cnn.checks import brief
from gluon_cnn.errors import SettingError
from gluon_cnn.models.parameters import named_parameters

__all__ = ["freeze_layers", "refuse_drawn", "slow_down"]


def freeze_layers(net, paths, title):
    """Keep the parameters of some layers as they are, running statistics of batch normalisations included.

    A batch normalisation inside them takes its running statistics in training too, instead of a batch's own.

    Parameters
    ----------
    net : Block
        Initialised, before its trainer is made.
    paths : list of str
        Of layers, such as ``0`` or ``1.2``, with all that is inside them; or of single parameters such as ``0.weight``.
    title : str
        What an error calls the network.

    Raises
    ------
    SettingError
        If there is no such layer, none of them has parameters, or nothing is left to train.
    """
    parameters, blocks = named_parameters(net), dict(_blocks(net))
    for path in paths:
        if path not in blocks and path not in parameters:
            names = [name for name in blocks if any(_is_inside(parameter, [name]) for parameter in parameters)]
            names += parameters
            near = difflib.get_close_matches(path, names, n=5, cutoff=0.5) or itertools.islice(names, 5)
            raise SettingError(
                f"freeze has {brief(path)}, but {title} has no such layer: use one such as {', '.join(near)}.", "freeze"
            )
    frozen = [name for name in parameters if _is_inside(name, paths)]
    if not frozen:
        raise SettingError(
            f"freeze is {','.join(paths)}, which has no parameters in {title}: name a layer that has.", "freeze"
        )
    for name in frozen:
        parameters[name].grad_req = "null"
    if all(parameter.grad_req == "null" for parameter in parameters.values()):
        raise SettingError(
            f"freeze is {','.join(paths)}, so nothing of {title} is left to train: leave a layer out.", "freeze"
        )
    for path, block in blocks.items():
        # The book's own batch normalisation looks at its gamma by itself.
        if _is_inside(path, paths) and "use_global_stats" in getattr(block, "_kwargs", {}):
            block._kwargs["use_global_stats"] = True
    for block in (net, *blocks.values()):
        if hasattr(block, "_clear_cached_op"):  # one that is compiled would go on as it was
            block._clear_cached_op()


def refuse_drawn(net, paths, taken, where):
    """SettingError if a parameter in frozen layers is not among those taken from other weights: it would stay random.

    Parameters
    ----------
    net : Block
    paths : list of str
        As for :func:`freeze_layers`.
    taken : list of str
        Names of parameters.
    where : str
        What an error calls the other weights.
    """
    drawn = next((name for name in named_parameters(net) if _is_inside(name, paths) and name not in taken), None)
    if drawn is not None:
        raise SettingError(
            f"freeze is {','.join(paths)}, but {where} has no {drawn} of this shape, so that it would stay as it is "
            "drawn from the seed: leave it out of freeze, or name other weights.",
            "freeze",
            "weights_from",
        )


def _is_inside(name, paths):
    return any(name == path or name.startswith(f"{path}.") for path in paths)


def _blocks(block, prefix=""):
    """Every block inside another one by its path."""
    for name, child in block._children.items():
        child = child() if isinstance(child, weakref.ref) else child  # a reference in MXNet 2
        yield f"{prefix}{name}", child
        yield from _blocks(child, f"{prefix}{name}.")


def slow_down(net, names, factor):
    """Multiply the learning rate of some of a network's parameters."""
    parameters = named_parameters(net)
    for name in names:
        parameters[name].lr_mult *= factor

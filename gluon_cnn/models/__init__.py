"""The networks here, those of model zoos, and your own, by their names. Looking up a name does not import MXNet."""

import importlib
import os

from gluon_cnn.checks import brief, choice
from gluon_cnn.errors import ModelError

__all__ = ["canonical_name", "find_network", "get_model", "list_models", "pretrained_card", "split_own"]

#: The module of each network, the book's and those of two papers that its chapters are about; it has the network's
#: record as ``NETWORK``.
_MODULES = {
    "alexnet": "alexnet",
    "alexnet2012": "alexnet2012",
    "densenet": "densenet",
    "googlenet": "googlenet",
    "lenet": "lenet",
    "lenet_bn": "batch_norm",
    "nin": "nin",
    "nin2013": "nin2013",
    "resnet18": "resnet",
    "vgg11": "vgg",
}
_OTHER_NAMES = {"resnet": "resnet18", "vgg": "vgg11"}  # the book's only ones


def list_models():
    """The names of the networks here, sorted: the book's, and those of papers, which have a year."""
    return sorted(_MODULES)


def canonical_name(name):
    """The one name that ``name``, in upper or lower case, stands for.

    Returns
    -------
    str
        One of :func:`list_models`; a network of a model zoo such as ``gluoncv:cifar_resnet20_v1``; or a function in a
        file of your own such as ``mynet.py:net``.

    Raises
    ------
    ModelError
        If there is no such network.
    """
    if not isinstance(name, (str, os.PathLike)):
        raise ModelError(f"model is {brief(name)}; it must be the name of a network.", "model")
    name = str(name)
    if ":" not in name:
        lower = _OTHER_NAMES.get(name.lower(), name.lower())
        if lower not in _MODULES:
            raise ModelError(
                f"There is no network {brief(name)}; use one of {', '.join(list_models())}, gluoncv:NAME, gluon:NAME, "
                "or FILE.py:FUNCTION.",
                "model",
            )
        return lower
    if split_own(name):
        return name
    from gluon_cnn.models import zoo

    return zoo.zoo_name(name)


def split_own(name):
    """The file and the function of a network of your own, such as ``mynet.py:net``; None for another name."""
    file, _, function = name.rpartition(":")
    return (file, function) if file.endswith(".py") else None


def find_network(name):
    """The :class:`gluon_cnn.models.network.Network` record of a name; ModelError if there is none."""
    name = canonical_name(name)
    if ":" not in name:
        return importlib.import_module(f"gluon_cnn.models.{_MODULES[name]}").NETWORK
    if split_own(name):
        from gluon_cnn.models import own

        return own.own_network(name)
    from gluon_cnn.models import zoo

    return zoo.zoo_network(name)


def get_model(name, **options):
    """Build a network by its name: ``get_model("nin", hybrid=True)``.

    Parameters
    ----------
    name : str
        One of :func:`list_models`, in upper or lower case. Or ``gluoncv:NAME`` for a network of GluonCV's model zoo
        that classifies images, and ``gluon:NAME`` for one of Gluon's own: behind a layer that makes three channels of a
        grey image's one, with random weights. Or ``mynet.py:net`` for the block that the function ``net`` in your file
        returns.
    **options
        Keyword-only arguments of the network's own function; zoo networks have ``num_classes`` and ``hybrid``.
        ``pretrained=True`` gives a network that was trained by the book's recipe, with its parameters on ``ctx``, by
        default on the CPU: NiN of the first Chinese edition, or LeNet of the English one, which pads its first
        convolution and pools by average; docs/pretrained.md has their cards.

    Raises
    ------
    ModelError
        For an unknown name, or an option that the network does not have; with ``pretrained`` also if the package has
        no such network, or not with these options.
    """
    network = find_network(name)
    known = network.build.__kwdefaults__ or {}
    loading = {key: options.pop(key) for key in ("pretrained", "ctx") if key in options and key not in known}
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ModelError(f"{name} has no option {', '.join(unknown)}; it has {', '.join(known) or 'none'}.", *unknown)
    if choice("pretrained", loading.get("pretrained", False), (False, True)):
        from gluon_cnn.models.pretrained import pretrained_model

        return pretrained_model(name, options, loading.get("ctx"))
    if loading.get("ctx") is not None:
        raise ModelError(f"{name} has no parameters on a device before it is initialised: leave ctx out.", "ctx")
    return network.build(**options)


def pretrained_card(name):
    """How a trained network in the package was trained, and what it answers: ``pretrained_card("nin")``.

    Returns
    -------
    gluon_cnn.models.pretrained.Card

    Raises
    ------
    ModelError
        If the package has no such network.
    """
    from gluon_cnn.models import pretrained

    return pretrained.pretrained_card(name)

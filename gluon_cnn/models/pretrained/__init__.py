"""Trained networks that come with the package, each with a card: how it was trained, and what it answers.

nin.params      the parameters, as gluon_cnn.load_parameters reads them
nin.json        the card, which examples/pretrained_cards.py writes
"""

import dataclasses
from pathlib import Path
from typing import Any, Dict, List

from gluon_cnn.decoding import Count, Fraction, convert, read_json
from gluon_cnn.errors import Malformed, ModelError
from gluon_cnn.files import reason_of, sha256_of
from gluon_cnn.models import canonical_name, find_network

__all__ = [
    "HERE",
    "PACKAGED",
    "PRETRAINED",
    "Card",
    "pretrained_arrays",
    "pretrained_card",
    "pretrained_model",
    "pretrained_name",
]

#: Where the files are.
HERE = Path(__file__).parent
#: The networks, by name.
PRETRAINED = ("lenet", "nin")
#: What stands for them, with a colon and a name, where a run's directory or a file could be named too.
PACKAGED = "pretrained"
_MEGABYTES = {"alexnet": 187}  # of those that were left out because of their size


@dataclasses.dataclass(frozen=True)
class Card:
    """What a trained network is.

    Attributes
    ----------
    network : str
    recipe, dataset : dict
        As in the ``config.json`` of its run.
    device : str
        What it was trained on.
    history : list of dict
        The epochs, with the columns of ``history.csv``.
    published_runs : int
        How many of the book's runs its own was compared with.
    percentiles : dict of str to float
        Where its last epoch lies among them, by column: 0 is the lowest, 100 the highest.
    verdict : str
        The comparison, in words.
    test_accuracy : float
        As its run measured it.
    accuracy_by_class : dict of str to float
        The share of each class's test images that it recognises.
    dead_classes : list of str
        Those without a logit above 0 for any test image.
    parameters : int
    sha256 : str
        Of the file of its parameters.
    license : str
        Of its parameters.
    """

    network: str
    recipe: Dict[str, Any]
    dataset: Dict[str, Any]
    device: str
    history: List[Dict[str, Any]]
    published_runs: Count
    percentiles: Dict[str, float]
    verdict: str
    test_accuracy: Fraction
    accuracy_by_class: Dict[str, Fraction]
    dead_classes: List[str]
    parameters: Count
    sha256: str
    license: str


def pretrained_name(text):
    """The network in ``pretrained:nin``, by the name that :func:`gluon_cnn.get_model` knows; None for another text."""
    before, colon, name = str(text).partition(":")
    return canonical_name(name) if (before, colon) == (PACKAGED, ":") else None


def pretrained_card(name):
    """The :class:`Card` of a trained network in the package.

    Raises
    ------
    ModelError
        If the package has no such network, or its card is damaged.
    """
    name = canonical_name(name)
    if name not in PRETRAINED:
        size = f": its {_MEGABYTES[name]} MB stay outside" if name in _MEGABYTES else ""
        raise ModelError(
            f"The package has the trained networks {' and '.join(PRETRAINED)}, and not {name}{size}; make it with "
            f"gluon-cnn train {name}, and name its run.",
            "pretrained",
        )
    try:
        return convert(read_json(HERE / f"{name}.json"), Card)
    except (OSError, Malformed) as error:
        reason = str(error) if isinstance(error, Malformed) else reason_of(error)
        raise _damaged(f"{name}.json", reason) from None


def pretrained_arrays(name):
    """The parameters of a trained network in the package, by name, as
    :func:`gluon_cnn.models.parameter_file.read_parameters` gives them; ModelError if the file is not as it was made."""
    from gluon_cnn.models.parameter_file import read_parameters

    card = pretrained_card(name)
    path = HERE / f"{card.network}.params"
    try:
        if sha256_of(path) != card.sha256:
            raise _damaged(path.name, "its SHA-256 is another")
    except OSError as error:
        raise _damaged(path.name, reason_of(error)) from None
    return read_parameters(path)


def _damaged(name, reason):
    return ModelError(f"{HERE / name} is not as the package has it ({reason}): install it again.", "pretrained")


def pretrained_model(name, options, ctx=None):
    """A trained network in the package, for :func:`gluon_cnn.get_model`.

    Parameters
    ----------
    name : str
    options : dict
        Of the network; those that decide its shapes can only be what they were.
    ctx : str, mx.Context or list of mx.Context, optional
        Where its parameters go; the CPU by default.
    """
    from gluon_cnn.models.parameters import put_parameters
    from gluon_cnn.runtime.devices import as_text, parse_context

    card, network = pretrained_card(name), find_network(name)
    known = network.build.__kwdefaults__
    trained = {**known, **card.recipe["options"], **{key: card.recipe[key] for key in ("edition",) if key in known}}
    for option, value in options.items():
        if option not in ("hybrid", *network.same_weights) and value != trained[option]:
            raise ModelError(
                f"The trained {card.network} has {option} {trained[option]}, not {value}: leave it out, or build a "
                f"network of your own and load what fits by gluon_cnn.load_matching(net, 'pretrained:{card.network}').",
                option,
            )
    devices = None if ctx is None else parse_context(as_text(ctx))
    arrays = pretrained_arrays(name)
    net = network.build(**{**trained, **options})
    put_parameters(net, arrays, devices)
    return net

"""The flags with which a run begins from a trained network, and the weights that they name."""

import argparse

from gluon_cnn.cli.changes import FIELDS
from gluon_cnn.cli.values import path
from gluon_cnn.models.pretrained import PACKAGED, PRETRAINED, pretrained_name
from gluon_cnn.recipe import as_paths

__all__ = ["add_beginning", "asked_weights", "edition_of"]


def add_beginning(group):
    """Add --from and --freeze."""
    group.add_argument(
        "--from",
        dest="weights_from",
        type=_place,
        metavar="WEIGHTS",
        help="take what fits of these weights, and draw the rest from the seed: a run's directory; a file of Gluon's "
        "parameters, safetensors or PyTorch (.pt, .pth); pretrained, this network as it is in the package; or "
        f"pretrained:NAME, another one, of {', '.join(PRETRAINED)}",
    )
    group.add_argument(
        "--freeze", action=_Joined, metavar="PATHS", help=f"{FIELDS['freeze'].metadata['help']}; may be repeated"
    )


class _Joined(argparse.Action):
    """Joins what is given with commas."""

    def __call__(self, parser, namespace, values, option_string=None):
        before = getattr(namespace, self.dest, None)
        setattr(namespace, self.dest, as_paths(values if before is None else [before, values]))


def _place(text):
    """A network in the package as it is named, and anything else as an absolute path."""
    return text if text == PACKAGED or text.startswith(f"{PACKAGED}:") else path("weights_from")(text)


def asked_weights(args):
    """The Weights that a command asks to begin from, or None."""
    from gluon_cnn.interop.weights import open_any_weights
    from gluon_cnn.models import canonical_name

    if args.weights_from == PACKAGED:
        args.weights_from = f"{PACKAGED}:{canonical_name(args.model)}"
    return open_any_weights(args.weights_from) if args.weights_from else None


def edition_of(weights, model):
    """The edition of the network of a run or in the package, if it is the one that is trained: LeNet is another one in
    each."""
    from gluon_cnn.models import canonical_name, pretrained_card
    from gluon_cnn.training.directory import RunDirectory
    from gluon_cnn.training.weights import is_directory

    network = pretrained_name(weights.where)
    if network is None and is_directory(weights.where):
        recipe = RunDirectory.open(weights.where).recipe
        return recipe.edition if recipe.model == canonical_name(model) else None
    return pretrained_card(network).recipe["edition"] if network == canonical_name(model) else None

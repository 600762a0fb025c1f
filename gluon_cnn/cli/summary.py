"""``gluon-cnn summary``."""

from gluon_cnn.checks import whole_number
from gluon_cnn.cli import parser as shared
from gluon_cnn.cli.values import typed

__all__ = ["add"]


def add(commands):
    """Add the command to argparse's collection of them."""
    command = shared.add_command(
        commands,
        "summary",
        _summary,
        "Show a network's layers, parameters and multiply-adds.",
        "summary nin",
        "summary lenet --edition en",
        "summary gluoncv:cifar_resnet20_v1",
        "summary mynet.py:net --resize 64",
    )
    shared.add_model(command)
    command.add_argument(
        "--resize",
        dest="side",
        type=typed("side", int),
        metavar="N",
        help="height and width of the input in pixels (default: the recipe's)",
    )


def _summary(args):
    from gluon_cnn.data import FASHION_MNIST
    from gluon_cnn.models import find_network
    from gluon_cnn.models.summary import summary
    from gluon_cnn.training.recipes import get_recipe
    from gluon_cnn.training.setup import build_network

    recipe = get_recipe(args.model, args.edition)
    side = recipe.side if args.side is None else whole_number("side", args.side)
    network = find_network(args.model)
    # Those of papers are shown as they are there, for colour pictures of as many classes.
    net = build_network(recipe, FASHION_MNIST) if network.channels == FASHION_MNIST.channels else network.build()
    print(summary(net, (1, network.channels, side, side)))

"""Does selectivity rise with depth? How many classes each layer's channels answer to, by layer and epoch.

    python examples/selectivity.py --figure selectivity.png
    python examples/selectivity.py --network lenet --epochs 2 --images 2000

LeNet is trained by the book's recipe, and looked into before the first epoch and after each. Of NiN, whose training is
long, the package has the weights after the fifth epoch; it is looked into with these and with those that the run began
from. A channel answers to as many classes as its 100 strongest test images are of, see
gluon_cnn.inspection.excitation.selectivity. It takes some minutes on two cores.
"""

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import List, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from gluon_cnn import GluonCNNError, get_recipe, load_run
from gluon_cnn.files import write_atomically
from gluon_cnn.inspection.excitation import excitation, selectivity
from gluon_cnn.inspection.layers import innermost_layers
from gluon_cnn.inspection.untrained import untrained_network
from gluon_cnn.runtime.devices import parse_context
from gluon_cnn.training.loop import train_epoch
from gluon_cnn.training.metrics import Pace, Sums
from gluon_cnn.training.recipes import release_to_train_on
from gluon_cnn.training.setup import load_data, set_up

CHANCE = 9.2  # classes of ten, of a hundred images drawn without regard to their class


class Seen(NamedTuple):
    """How many classes the channels of each layer answer to after an epoch: quartiles and the median by layer, and how
    many channels are alive, of how many."""

    epoch: int
    quartiles: np.ndarray  # layers×3
    alive: List[str]
    accuracy: float


def look(net, batches, epoch):
    """The :class:`Seen` of a network's convolutions and dense layers."""
    paths = [path for path, layer in innermost_layers(net).items() if layer._reg_params]
    layers, answers = excitation(net, batches, paths)
    classes = [selectivity(layers[path]) for path in paths]
    quartiles = np.array([np.nanpercentile(values, (25, 50, 75)) for values in classes])
    alive = [f"{np.isfinite(values).sum()} of {len(values)}" for values in classes]
    return Seen(epoch, quartiles, alive, answers.right.mean())


def lenet(epochs, images, data):
    """Train LeNet, and look into it before and after each epoch."""
    recipe = get_recipe("lenet", epochs=epochs, test_size=images, data=data)
    recipe = dataclasses.replace(recipe, release=release_to_train_on(recipe, None))
    devices = parse_context("cpu")
    loaded = load_data(recipe, None, devices[0])
    setup = set_up(recipe, devices, loaded)
    yield look(setup.net, loaded.test, 0)
    for epoch in range(epochs):
        sums = Sums()
        train_epoch(
            setup.training_net,
            loaded.train.epoch(epoch),
            setup.trainer,
            devices,
            sums,
            after_step=Pace().reader(sums),
            batch_size=recipe.batch_size,
        )
        yield look(setup.net, loaded.test, epoch + 1)


def nin(images):
    """Look into NiN as its training began, and after its last epoch."""
    run = load_run("pretrained:nin")
    batches = run.data(*parse_context("cpu"), test_size=images).test
    yield look(untrained_network(run.recipe, run.dataset), batches, 0)
    yield look(run.network("cpu"), batches, run.recipe.epochs)


def print_table(name, seen):
    """Print a network's layers and epochs, in Markdown."""
    print(f"\n{name}: classes that a channel answers to, median (quartiles); test accuracy below\n")
    print("| layer | " + " | ".join(f"epoch {one.epoch}" for one in seen) + " | alive at the end |")
    print("| --- |" + " ---: |" * (len(seen) + 1))
    for layer in range(len(seen[0].quartiles)):
        cells = (one.quartiles[layer] for one in seen)
        text = " | ".join(f"{middle:.1f} ({low:.1f}–{high:.1f})" for low, middle, high in cells)
        print(f"| {layer + 1} | {text} | {seen[-1].alive[layer]} |")
    print("| accuracy | " + " | ".join(f"{one.accuracy:.3f}" for one in seen) + " | |", flush=True)


def draw(path, networks):
    """Draw a panel for each network: a line for each epoch over the layers, the untrained network in grey."""
    figure = Figure(figsize=(5.2 * len(networks), 4.2), layout="constrained")
    for axes, (name, seen) in zip(np.ravel(figure.subplots(1, len(networks))), networks.items()):
        layers = np.arange(1, len(seen[0].quartiles) + 1)
        for place, one in enumerate(seen):
            last = place == len(seen) - 1
            color = "#7d8794" if one.epoch == 0 else (0.12, 0.42, 0.75, 1 if last else 0.25 + 0.5 * place / len(seen))
            axes.plot(layers, one.quartiles[:, 1], "o-" if last or not one.epoch else ".-", color=color, ms=5)
            if last or one.epoch == 0:
                axes.fill_between(layers, one.quartiles[:, 0], one.quartiles[:, 2], color=color, alpha=0.15, lw=0)
                word = "untrained" if one.epoch == 0 else f"epoch {one.epoch}"
                end = layers[-1], one.quartiles[-1, 1]
                axes.annotate(word, end, (8, 0), textcoords="offset points", va="center", color=color)
        axes.axhline(CHANCE, color="#7d8794", lw=0.8, ls=":")
        axes.text(layers[0], CHANCE + 0.1, "images drawn at random", color="#7d8794")
        axes.set_xlim(layers[0] - 0.5, layers[-1] + 0.22 * len(layers))
        axes.set_title(f"{name}: {in_words(seen)}", fontsize="medium")
        axes.set_xlabel("layer with weights, from the image to the answer")
        axes.set_ylabel("classes that a channel answers to")
        axes.set_ylim(0.5, 10)
        axes.set_xticks(layers)
        axes.grid(alpha=0.2)
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


def in_words(seen):
    """What a panel shows, as half a sentence."""
    before, after = (one.quartiles[:, 1] for one in (seen[0], seen[-1]))
    return (
        f"{after[0]:.1f} classes in the first layer, {after[-1]:.1f} in the last;\n"
        f"untrained {before[0]:.1f} and {before[-1]:.1f}"
    )


def main(argv=None):
    """Look into the networks, print their tables and draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=("lenet", "nin"), help="only this one (default: both)")
    parser.add_argument("--epochs", type=int, default=5, help="of LeNet (default 5)")
    parser.add_argument("--images", type=int, default=2000, help="test images that are looked at (default 2000)")
    parser.add_argument("--data", choices=("full", "sample"), default="full", help="that LeNet is trained on")
    parser.add_argument("--figure", type=Path, metavar="PNG", help="draw them to this file")
    args = parser.parse_args(argv)
    networks = {}
    try:
        for name, run in (
            ("LeNet", lambda: lenet(args.epochs, args.images, args.data)),
            ("NiN", lambda: nin(args.images)),
        ):
            if args.network in (None, name.lower()):
                networks[name] = list(run())
                print_table(name, networks[name])
        if args.figure:
            draw(args.figure, networks)
    except (GluonCNNError, OSError) as error:
        sys.exit(f"{parser.prog}: {error}")


if __name__ == "__main__":
    main()

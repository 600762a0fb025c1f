"""Endless training steps of a network by its recipe, as the command line takes them, to measure within a process."""

from gluon_cnn import get_recipe
from gluon_cnn.runtime import set_threads, threads
from gluon_cnn.runtime.devices import parse_context
from gluon_cnn.training.setup import load_data, set_up
from gluon_cnn.training.threads import Steps


def recipe_steps(model, **changes):
    """The recipe, from own initial weights, and its :class:`Steps`."""
    recipe, devices = get_recipe(model, init="own", **changes), parse_context("auto")
    set_threads(threads(), devices)
    return recipe, Steps(set_up(recipe, devices, load_data(recipe, None, devices[0])), devices)

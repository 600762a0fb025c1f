"""What an exported network says of itself, the same in every format."""

import dataclasses
import json
from importlib import metadata

import mxnet as mx

from gluon_cnn.data import CLASSES
from gluon_cnn.data.fashion_mnist import SIDE

__all__ = ["describe"]


def describe(recipe, state, taken):
    """A dictionary of str to str about a network that a run trained.

    Parameters
    ----------
    recipe : Recipe
    state : dict
        Of the checkpoint that is exported, see :meth:`gluon_cnn.training.Run.network`.
    taken : str
        What the exported network takes, such as ``float32 N×1×28×28 in [0, 1]``.

    Returns
    -------
    dict
        ``classes`` (a JSON list) and ``recipe`` (JSON), ``input``, ``input_size`` (height and width in pixels, inside),
        ``epoch`` and ``step``, ``source``, ``version``, ``license``; and ``test_accuracy``, a fraction, unless steps
        were taken since it was measured.
    """
    book = f" of Dive into Deep Learning, recipe {recipe.edition}" if recipe.edition else ""
    versions = f"gluon-cnn {metadata.version('gluon-cnn')}, MXNet {mx.__version__}"
    about = {
        "classes": json.dumps(CLASSES),
        "input": taken,
        "input_size": str(recipe.resize or SIDE),
        "recipe": json.dumps(dataclasses.asdict(recipe)),
        "epoch": str(state["epoch"]),
        "step": str(state["step"]),
        "source": f"{recipe.model}{book}; trained on Fashion-MNIST (MIT)",
        "version": versions,
        "license": "Apache-2.0",
    }
    if state["history"] and not state["step"]:
        about["test_accuracy"] = str(state["history"][-1]["test_acc"])
    return about

"""The metadata of an exported network, the same in every format."""

import json
from importlib import metadata

import mxnet as mx

__all__ = ["metadata_of"]


def metadata_of(recipe, dataset, state):
    """A dictionary of str to str that describes a network that a run trained.

    Parameters
    ----------
    recipe : Recipe
    dataset : DatasetInfo
    state : State
        Of the checkpoint that is exported.

    Returns
    -------
    dict
        ``classes`` (a JSON list), ``recipe`` (JSON), ``input_size`` (height and width in pixels inside the network),
        ``epoch``, ``step``, ``source``, ``version``, ``license``; and ``test_accuracy``, a fraction, unless there were
        steps after its measurement. The format's writer adds ``input``, what the exported network takes.
    """
    book = f" of Dive into Deep Learning, recipe {recipe.edition}" if recipe.edition else ""
    licensed = f" ({dataset.license})" if dataset.license else ""
    about = {
        "classes": json.dumps(dataset.classes),
        "input_size": str(recipe.side),
        "recipe": json.dumps(recipe.values()),
        "epoch": str(state.epoch),
        "step": str(state.step),
        "source": f"{recipe.name}{book}; trained on {dataset.name}{licensed}",
        "version": f"gluon-cnn {metadata.version('gluon-cnn')}, MXNet {mx.__version__}",
        "license": "Apache-2.0",
    }
    if state.history and not state.step:
        about["test_accuracy"] = str(state.history[-1].test_acc)
    return about

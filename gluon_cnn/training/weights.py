"""The weights of a trained network that a run begins from, and what of them a network takes."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from gluon_cnn.checks import brief
from gluon_cnn.errors import CheckpointError, ModelError, RunError, SettingError
from gluon_cnn.models.parameter_file import read_parameters
from gluon_cnn.models.parameters import fits, named_parameters, put_parameters
from gluon_cnn.models.pretrained import pretrained_arrays, pretrained_name
from gluon_cnn.training.checkpoints import last_checkpoint
from gluon_cnn.training.config import OWN_FRAMEWORK
from gluon_cnn.training.directory import RunDirectory
from gluon_cnn.training.freezing import refuse_drawn, slow_down
from gluon_cnn.training.manifest import PARAMETERS, verified_state

__all__ = [
    "Weights",
    "begin_elsewhere",
    "is_directory",
    "open_weights",
    "refuse_other_weights",
    "refuse_unnamed_weights",
    "take",
    "taken_in_words",
]

_MOST_NAMES = 8  # that a line shows
_COLOURS = 3


class Weights:
    """The parameters of a trained network.

    Attributes
    ----------
    where : str
        As a user names it.
    arrays : dict of str to array
        By name.
    is_sorted : bool
        Whether the order of the arrays says nothing.
    sha256 : str
        Of the names, shapes and float32 numbers, whatever file they are in.

    Raises
    ------
    ModelError
        If there is no number, or one that is not finite.
    """

    is_sorted = True

    def __init__(self, where, arrays):
        self.where = str(where)
        self.arrays = {name: array for name, array in arrays.items() if array.dtype.kind == "f"}
        if not self.arrays:
            raise ModelError(f"{where} has no parameters: name the weights of a trained network.", "weights_from")
        self.sha256 = self._hash()

    def _hash(self):
        digest = hashlib.sha256()
        for name in sorted(self.arrays) if self.is_sorted else self.arrays:
            array = self.arrays[name]
            with np.errstate(all="ignore"):  # what is not finite is seen in the next line
                values = np.ascontiguousarray(np.asarray(array), "<f4")
            if not np.isfinite(values).all():
                raise ModelError(
                    f"{self.where} has numbers in {name} that are not finite: name weights from before the training "
                    "diverged.",
                    "weights_from",
                )
            digest.update(json.dumps([name, list(array.shape)]).encode())
            digest.update(values.reshape(-1).view(np.uint8))
        return digest.hexdigest()

    def named_for(self, net):
        """The arrays by the names that a network's parameters have, whether their shapes fit or not.

        A model zoo's files, of which no name is one of the network's, are those of the zoo's network inside it.
        """
        parameters = named_parameters(net)
        for begin in ("", *dict.fromkeys(f"{name.partition('.')[0]}." for name in parameters)):
            if any(begin + name in parameters for name in self.arrays):
                return {begin + name: array for name, array in self.arrays.items()}
        return {}


def open_weights(where):
    """The weights of a run, of a file of Gluon's parameters, or of a trained network in the package.

    Parameters
    ----------
    where : path
        A run's directory, whose last checkpoint is taken; a file, as for :func:`gluon_cnn.load_parameters`; or
        ``pretrained:nin``. :func:`gluon_cnn.interop.weights.open_any_weights` also reads PyTorch's files and
        safetensors.

    Returns
    -------
    Weights

    Raises
    ------
    ModelError, RunError
        If there are none, or they are damaged.
    """
    if not isinstance(where, (str, os.PathLike)):
        raise ModelError(f"weights_from is {brief(where)}; it must be a path or pretrained:NAME.", "weights_from")
    name = pretrained_name(where)
    if name is not None:
        return Weights(where, pretrained_arrays(name))
    return Weights(where, read_parameters(_last_parameters(where) if is_directory(where) else where))


def is_directory(path):
    """Whether a path leads to a directory; not where it leads nowhere, which whoever reads a file there explains."""
    try:
        return Path(path).is_dir()
    except OSError:
        return False


def _last_parameters(directory):
    """The file of the parameters of a run's last checkpoint."""
    run = RunDirectory.open(directory)
    checkpoint = last_checkpoint(run.checkpoints) if run.framework == OWN_FRAMEWORK else None
    if checkpoint is None:
        raise RunError(
            f"{directory} has no checkpoint, so it has no weights to begin from: name a run that has one.",
            "weights_from",
        )
    try:
        verified_state(checkpoint)
    except CheckpointError as error:
        raise RunError(f"{error.problem}: name another run, or other weights.", "weights_from") from None
    return checkpoint / PARAMETERS


def begin_elsewhere(run, net, job, resume, open_weights):
    """Give a network the weights that its run begins from, if it does, and those parameters their learning rate."""
    if run.recipe.weights:  # all workers get the first one's parameters before their first step
        run.settings.taken, run.converted = job.from_first(lambda: _taken(run, net, resume, open_weights))
        slow_down(net, run.settings.taken, run.recipe.taken_lr)


def _taken(run, net, resume, open_weights):
    """What :func:`take` gives for a run. Where there is a checkpoint the weights are in it, and need not be where they
    were."""
    if resume and last_checkpoint(run.checkpoints):
        _refuse_unknown_parameters(run, net)
        return run.settings.taken, ()
    weights = open_weights(run.settings.weights_from)
    refuse_other_weights(run, weights)
    taken, converted = take(weights, net, run.recipe.name)
    if run.recipe.freeze:
        refuse_drawn(net, run.recipe.freeze.split(","), taken, run.settings.weights_from)
    return taken, converted


def take(weights, net, title):
    """Give a network what fits of some weights, by name and shape; the other parameters keep their values.

    A first convolution for grey pictures fits one for pictures in colour, with a third of its weight for each channel,
    so that a picture of three equal channels gives the same numbers; and one for colour fits grey pictures by its sum.

    Parameters
    ----------
    weights : Weights
    net : Block
        Initialised, with known shapes.
    title : str
        What an error calls the network.

    Returns
    -------
    (list of str, list of str)
        The names of the network's parameters that are taken; and in words which of them were for other channels.

    Raises
    ------
    ModelError
        If none is. The network is unchanged then.
    """
    parameters, named = named_parameters(net), weights.named_for(net)
    first = next((name for name, parameter in parameters.items() if len(parameter.shape) == 4), None)
    converted = []
    if first in named and _differs_in_channels(named[first].shape, parameters[first].shape):
        weight = np.asarray(named[first], np.float32)
        if weight.shape[1] == 1:
            weight = np.repeat(weight / _COLOURS, _COLOURS, axis=1)
            converted.append(f"{first} is for grey pictures there, and spread over three channels")
        else:
            weight = weight.sum(axis=1, keepdims=True)
            converted.append(f"{first} is for pictures in colour there, and summed over their channels")
        named = {**named, first: weight}
    taken = [
        name for name, parameter in parameters.items() if name in named and fits(named[name].shape, parameter.shape)
    ]
    if not taken:
        raise ModelError(
            f"None of the {len(weights.arrays)} parameters in {weights.where} fits {title} by its name and shape: name "
            "the weights of a network with the same first layers.",
            "weights_from",
        )
    put_parameters(net, {name: named[name] for name in taken})
    return taken, converted


def _differs_in_channels(shape, expected):
    """Whether the shapes of two convolutions' weights, O×I×H×W, differ in that one is for grey pictures and the other
    for those in colour, and in nothing else."""
    if len(shape) != 4 or (shape[0], *shape[2:]) != (expected[0], *expected[2:]):
        return False
    return {shape[1], expected[1]} == {1, _COLOURS}


def taken_in_words(run, net):
    """What a run's network took of other weights and what it did not, for the log."""
    taken, parameters = run.settings.taken, list(named_parameters(net))
    drawn = [name for name in parameters if name not in taken]
    converted = "".join(f"; {words}" for words in run.converted)
    if not drawn:
        return f"all {len(parameters)} parameters are taken from {run.settings.weights_from}{converted}"
    partly = {name.rpartition(".")[0] for name in drawn}  # layers of which only the bias is taken, say
    layers = (layer if layer not in partly else name for name in taken for layer in [name.rpartition(".")[0]])
    return (
        f"{len(taken)} of {len(parameters)} parameters are taken from {run.settings.weights_from}, in "
        f"{_some(dict.fromkeys(layers))}; drawn from the seed: {_some(drawn)}{converted}"
    )


def _some(names):
    names = [name or "the network itself" for name in names]
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES] + ([f"and {more} more"] if more > 0 else []))


def refuse_unnamed_weights(run):
    """SettingError if a run's recipe and its settings do not both say which weights it begins from, or neither."""
    if bool(run.recipe.weights) != bool(run.settings.weights_from):
        raise SettingError(
            f"weights_from is {run.settings.weights_from}, and weights {run.recipe.weights}: a run that begins from a "
            "trained network has both, the place of its weights and their SHA-256.",
            "weights_from",
        )


def _refuse_unknown_parameters(run, net):
    """RunError if a run's config.json says that it took parameters that its network does not have."""
    unknown = sorted(set(run.settings.taken) - set(named_parameters(net)))
    if unknown or not run.settings.taken:
        what = f"that {unknown[0][:80]} was taken" if unknown else "of no parameter that it was taken"
        raise RunError(f"The config.json of {run.directory} says {what} from other weights: restore it.", "out")


def refuse_other_weights(run, weights):
    """RunError if a run's recipe is that of other weights."""
    if weights.sha256 != run.recipe.weights:
        raise RunError(
            f"{weights.where} has other weights than those that {run.directory} was begun for: restore them, or choose "
            "another directory.",
            "weights_from",
            "out",
        )

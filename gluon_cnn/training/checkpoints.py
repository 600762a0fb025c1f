"""The checkpoints of a run: which of them are kept, and from which one it is resumed.

checkpoint/epoch-003                three epochs are complete
checkpoint/epoch-003-step-00120     and 120 steps of the fourth
"""

import itertools
import logging
import os
from pathlib import Path

from gluon_cnn.checks import brief
from gluon_cnn.errors import CheckpointError
from gluon_cnn.training.checkpoint import load_network, remove_checkpoint
from gluon_cnn.training.manifest import STATES, OtherVersion, State, position_of, read_state, verified_state

__all__ = [
    "OtherRecipe",
    "best_checkpoint",
    "last_checkpoint",
    "load_last_checkpoint",
    "read_states",
    "refuse_other_recipe",
    "tidy",
]

log = logging.getLogger(__name__)

KEPT = 2  # newest checkpoints of each kind, besides the best


class OtherRecipe(CheckpointError):
    """A checkpoint that is whole, and not of the recipe that its run's config.json has."""


def load_last_checkpoint(directory, net, devices, recipe=None):
    """Load the parameters of the last checkpoint that is whole, and return its State.

    A damaged one after it, or one whose state names another ``recipe``, is reported and moved aside, to a name that
    ends with ``.damaged``. The trainer's states are for :func:`read_states` and :func:`load_states`.

    Returns
    -------
    State or None
        None if there is no checkpoint at all.

    Raises
    ------
    CheckpointError
        If there are checkpoints and none of them is whole, or the whole one is of another network. Nothing has been
        changed then.
    """
    damaged = []
    for checkpoint in sorted(_checkpoints(directory), key=_position, reverse=True):
        try:
            refuse_other_recipe(checkpoint, verified_state(checkpoint), recipe)
        except OtherVersion:
            raise
        except CheckpointError as error:
            damaged.append((checkpoint, error))
            continue
        state = load_network(checkpoint, net, devices)
        for other, error in damaged:
            aside = _free(other.with_name(f"{other.name}.damaged"))
            other.rename(aside)
            log.warning(f"{error.problem}; it is {aside.name} now, and {checkpoint.name} is used")
        return state
    for _, error in damaged:
        if isinstance(error, OtherRecipe):  # which says more than that none is as it should be
            raise error
    if damaged:
        names = ", ".join(checkpoint.name for checkpoint, _ in damaged)
        raise CheckpointError(
            f"No checkpoint in {directory} is whole ({names})", "restore one, or begin another run", "out"
        )
    return None


def read_states(directory):
    """The bytes of the trainer's states in the last checkpoint; none if there is no checkpoint."""
    checkpoint = last_checkpoint(directory)
    return (checkpoint / STATES).read_bytes() if checkpoint else b""


def last_checkpoint(directory):
    """The most advanced checkpoint, or None."""
    return max(_checkpoints(directory), default=None, key=_position)


def best_checkpoint(directory):
    """The kept checkpoint of the epoch with the highest test accuracy, the earliest of equals, or None."""
    last = last_checkpoint(directory)
    if last is None:
        return None
    # Only epochs whose checkpoint exists: after a damaged one, the history may name a best epoch that was removed.
    accuracies = {directory / State({}, result.epoch).name: result.test_acc for result in read_state(last).history}
    return max(filter(Path.is_dir, accuracies), default=None, key=accuracies.get)


def _free(path):
    """A path to rename a damaged checkpoint to, after one that was damaged before is removed."""
    remove_checkpoint(path)
    names = itertools.chain([path], (path.with_name(f"{path.name}-{number}") for number in itertools.count(2)))
    return next(name for name in names if not os.path.lexists(name))


def _checkpoints(directory):
    return [path for path in directory.glob("epoch-*") if path.is_dir() and _position(path)]


def _position(path):
    return position_of(path.name)


def tidy(directory):
    """Remove what a killed process left half-written or half-removed, and all but some checkpoints.

    Of the complete epochs the two newest and the best one stay, and of the steps after them the two newest. So where a
    run was stopped makes no difference to what it leaves at its end.
    """
    if not directory.is_dir():
        return
    for path in directory.glob(".epoch-*.tmp"):
        if position_of(path.stem[1:]) and path.is_dir() and not path.is_symlink():
            remove_checkpoint(path)
    checkpoints = sorted(_checkpoints(directory), key=_position)
    epochs = [path for path in checkpoints if _position(path)[1] == 0]
    after = [path for path in checkpoints if not epochs or _position(path) > _position(epochs[-1])]
    for path in set(checkpoints) - {*epochs[-KEPT:], *after[-KEPT:], best_checkpoint(directory)}:
        # Renamed first, so that a stop in the middle leaves nothing that looks like a checkpoint.
        doomed = directory / f".{path.name}.tmp"
        path.rename(doomed)
        remove_checkpoint(doomed)


def refuse_other_recipe(checkpoint, state, recipe):
    """OtherRecipe if a checkpoint's State is of another recipe than this dictionary, or None for any."""
    for name, value in state.recipe.items():
        if recipe is not None and value != recipe.get(name):
            raise OtherRecipe(
                f"The checkpoint {checkpoint} is of another recipe, with {name} {brief(value)}, where config.json has "
                f"{brief(recipe.get(name))}",
                "restore config.json, or the checkpoint that was here",
            )

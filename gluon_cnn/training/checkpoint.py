"""Checkpoints: a directory each, which is whole and verified or not there.

    checkpoint/epoch-003                three epochs are complete
    checkpoint/epoch-003-step-00120     and 120 steps of the fourth

Each holds the parameters, the trainer's states and ``manifest.json`` with their SHA-256 and where the run
stood. The trainer's states are MXNet's pickle, so they are read only where the manifest's hashes hold.
"""

import copy
import hashlib
import json
import logging
import math
import re
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Dict, NamedTuple, Optional

import mxnet as mx
import numpy as np

from gluon_cnn.array_mode import array_mode
from gluon_cnn.errors import CheckpointError, ModelError, TrainingDiverged
from gluon_cnn.files import flush_to_disk, sha256_of
from gluon_cnn.models.parameters import copied_parameters, load_parameters, write_parameters
from gluon_cnn.training.mixed_precision import scaler_state

__all__ = [
    "Snapshot",
    "best_checkpoint",
    "last_checkpoint",
    "load_checkpoint",
    "load_last_checkpoint",
    "load_network",
    "load_states",
    "take_snapshot",
    "tidy",
    "write_checkpoint",
]

log = logging.getLogger(__name__)

PARAMETERS, STATES, MANIFEST = "net.params", "trainer.states", "manifest.json"
FORMAT = 1
KEPT = 2  # newest checkpoints of each kind, besides the best


class _OtherVersion(CheckpointError):
    """A checkpoint that is whole, and in a form that this version does not know."""


class Snapshot(NamedTuple):
    """A training at one moment: copies of its parameters by name, the sums of their squares, a copy of the
    trainer's states (or None), and where the run stands."""

    parameters: Dict[str, mx.nd.NDArray]
    squares: mx.nd.NDArray
    updater: Optional[mx.optimizer.Updater]
    state: dict


def take_snapshot(net, trainer, state):
    """Copy a training, so that it can go on while the copy is written.

    Parameters
    ----------
    net : Block
    trainer : gluon.Trainer
    state : dict
        Where the run stands, for JSON: ``epoch`` complete epochs, ``step`` steps of the next, ``history``,
        and whatever else the run needs to go on.
    """
    parameters = copied_parameters(net)
    squares = mx.nd.multi_sum_sq(*parameters.values(), num_arrays=len(parameters))
    if scaler_state(trainer):
        state = {**state, "loss_scaler": scaler_state(trainer)}
    return Snapshot(parameters, squares, _copy_of_states(trainer), state)


def _copy_of_states(trainer):
    """What ``trainer.save_states`` would write, which waits and writes at once."""
    if trainer._update_on_kvstore and trainer._distributed:  # they are in the servers, which do not give them back
        return None
    # With several devices it is the kvstore that updates.
    updater = trainer._kvstore._updater if trainer._update_on_kvstore else trainer._updaters[0]
    # Of the optimizer without the parameters, which it leaves out of copies by itself.
    snapshot = mx.optimizer.Updater(copy.deepcopy(updater.optimizer))
    snapshot.states = {index: _copied(state) for index, state in updater.states.items()}
    return snapshot


def _copied(state):
    if isinstance(state, (tuple, list)):
        return type(state)(_copied(part) for part in state)
    return None if state is None else state * 1


def write_checkpoint(directory, snapshot):
    """Write a checkpoint; of the complete epochs the two newest and the best one stay, and of the steps after them the
    two newest.

    Parameters
    ----------
    directory : Path
        The run's ``checkpoint`` directory.
    snapshot : Snapshot

    Returns
    -------
    Path
        The checkpoint's directory.

    Raises
    ------
    TrainingDiverged
        If a parameter is not a finite number. Nothing is written then.
    """
    _refuse_non_finite(snapshot)
    state = snapshot.state
    final = directory / _name(state)
    if final.is_dir():  # stopped once more before the next step: it holds just this
        return final
    temporary = directory / f".{final.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        write_parameters(temporary / PARAMETERS, snapshot.parameters)
        updater = snapshot.updater
        with array_mode(False):  # as they are read, whatever the mode of this thread is
            (temporary / STATES).write_bytes(updater.get_states(dump_optimizer=True) if updater else b"")
        content = {
            "format": FORMAT,
            "state": state,
            "files": {
                name: {"sha256": sha256_of(temporary / name), "bytes": (temporary / name).stat().st_size}
                for name in (PARAMETERS, STATES)
            },
        }
        text = json.dumps({"sha256": _hash_of(content), **content}, indent=1)
        (temporary / MANIFEST).write_text(text + "\n", encoding="utf-8")
        for path in (*temporary.iterdir(), temporary):
            flush_to_disk(path)
        temporary.rename(final)
        flush_to_disk(directory)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    tidy(directory)
    return final


def load_last_checkpoint(directory, net, devices, recipe=None):
    """Put the parameters of the last checkpoint that is whole in place; returns its directory and its state, or
    (None, None) if there is none at all. The bytes of its trainer's states are for :func:`load_states`.

    A damaged one after it, or one whose state names another ``recipe``, is reported and moved aside, to a name that
    ends with ``.damaged``.

    Raises
    ------
    CheckpointError
        If there are checkpoints and none of them is whole, or the whole one is of another network. Nothing has been
        changed then.
    """
    damaged = []
    for checkpoint in sorted(_checkpoints(directory), key=_position, reverse=True):
        try:
            _refuse_other_recipe(checkpoint, _verified_state(checkpoint), recipe)
        except _OtherVersion:
            raise
        except CheckpointError as error:
            damaged.append((checkpoint, error))
            continue
        state = load_network(checkpoint, net, devices)
        for other, error in damaged:
            aside = other.with_name(f"{other.name}.damaged")
            shutil.rmtree(aside, ignore_errors=True)
            other.rename(aside)
            log.warning(f"{str(error).rsplit(': ', 1)[0]}; it is {aside.name} now, and {checkpoint.name} is used")
        return checkpoint, state
    if damaged:
        names = ", ".join(checkpoint.name for checkpoint, _ in damaged)
        raise CheckpointError(f"No checkpoint in {directory} is whole ({names}): restore one, or begin another run.")
    return None, None


def load_checkpoint(checkpoint, net, trainer, devices):
    """Put a checkpoint's parameters and trainer states in place; returns its state.

    Raises
    ------
    CheckpointError
        If a byte of the checkpoint is not as it was written, or it is of another network.
    """
    state = load_network(checkpoint, net, devices)
    load_states(trainer, (checkpoint / STATES).read_bytes())
    return state


def load_states(trainer, states):
    """Put a checkpoint's trainer states, its bytes, in place; none where a parameter server had them."""
    if states:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / STATES
            path.write_bytes(states)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)  # with several devices MXNet leaves the file open
                try:
                    with array_mode(False):
                        trainer.load_states(str(path))
                except (ImportError, AttributeError):  # a pickle that names classes where they are not
                    raise CheckpointError(
                        "The trainer's states were written by another MXNet, which the run's config.json names: go on "
                        "with that one."
                    ) from None


def load_network(checkpoint, net, devices):
    """Put a checkpoint's parameters in place; returns its state. Raises what :func:`load_checkpoint` does."""
    state = _verified_state(checkpoint)
    try:
        load_parameters(net, checkpoint / PARAMETERS, ctx=devices)
    except ModelError as error:
        raise CheckpointError(str(error)) from None
    return state


def last_checkpoint(directory):
    """The checkpoint that is furthest on, or None."""
    return max(_checkpoints(directory), default=None, key=_position)


def best_checkpoint(directory):
    """The complete epoch with the highest test accuracy, the first of equals, or None."""
    last = last_checkpoint(directory)
    if last is None:
        return None
    history = _manifest(last)["state"]["history"]
    there = [row for row in history if (directory / _name({"epoch": row["epoch"], "step": 0})).is_dir()]
    if not there:
        return None
    best = max(there, key=lambda row: row["test_acc"])
    return directory / _name({"epoch": best["epoch"], "step": 0})


def _checkpoints(directory):
    return [path for path in directory.glob("epoch-*") if path.is_dir() and _position(path)]


def _position(path):
    """(epoch, step) in a checkpoint's name; None if the name is no checkpoint's."""
    match = re.fullmatch(r"epoch-(\d+)(?:-step-(\d+))?", path.name)
    return match and (int(match[1]), int(match[2] or 0))


def _name(state):
    step = f"-step-{state['step']:05d}" if state["step"] else ""
    return f"epoch-{state['epoch']:03d}{step}"


def tidy(directory):
    """Remove what a killed process left half-written or half-removed, and all but the newest and the best: where a run
    was stopped makes no difference to what it leaves at its end."""
    if not directory.is_dir():
        return
    for path in directory.glob(".epoch-*.tmp"):
        shutil.rmtree(path)
    checkpoints = sorted(_checkpoints(directory), key=_position)
    epochs = [path for path in checkpoints if _position(path)[1] == 0]
    after = [path for path in checkpoints if not epochs or _position(path) > _position(epochs[-1])]
    for path in set(checkpoints) - {*epochs[-KEPT:], *after[-KEPT:], best_checkpoint(directory)}:
        # Renamed first, so that a stop in the middle leaves nothing that looks like a checkpoint.
        doomed = directory / f".{path.name}.tmp"
        path.rename(doomed)
        shutil.rmtree(doomed)


def _hash_of(content):
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _manifest(checkpoint):
    try:
        manifest = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
        stated = manifest.pop("sha256")
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise CheckpointError(_damaged(checkpoint, MANIFEST)) from None
    if stated != _hash_of(manifest):
        raise CheckpointError(_damaged(checkpoint, MANIFEST))
    if manifest["format"] != FORMAT:
        raise _OtherVersion(f"{checkpoint} was written by another version of gluon-cnn: use that version to read it.")
    return manifest


def _verified_state(checkpoint):
    manifest = _manifest(checkpoint)
    for name, stated in manifest["files"].items():
        path = checkpoint / name
        if not path.is_file() or path.stat().st_size != stated["bytes"] or sha256_of(path) != stated["sha256"]:
            raise CheckpointError(_damaged(checkpoint, name))
    return manifest["state"]


def _refuse_other_recipe(checkpoint, state, recipe):
    found = state.get("recipe")
    for name in found or {}:
        if recipe is not None and found[name] != recipe.get(name):
            raise CheckpointError(
                f"The checkpoint {checkpoint} is another run's, with {name} {found[name]!r}, not {recipe.get(name)!r}: "
                "restore the one that was here."
            )


def _damaged(checkpoint, name):
    return (
        f"The checkpoint {checkpoint} is damaged, for {name} is not as it was written: restore it, or go on with the "
        "run's training by --resume, which takes the one before."
    )


def _refuse_non_finite(snapshot):
    for (name, array), squares in zip(snapshot.parameters.items(), snapshot.squares.asnumpy()):
        # One number of each parameter tells, unless it is the square that is too large.
        if not math.isfinite(squares) and not np.isfinite(array.asnumpy()).all():
            raise TrainingDiverged(
                f"The parameter {name} is no longer finite after epoch {snapshot.state['epoch']}, "
                f"step {snapshot.state['step']}; try a smaller --lr."
            )

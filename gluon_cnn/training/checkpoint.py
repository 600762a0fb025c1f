"""A checkpoint: a directory that is whole and verified, or not there.

It holds the parameters, the trainer's states and a manifest, see :mod:`gluon_cnn.training.manifest`.
The trainer's states are MXNet's pickle, so they are read only where the manifest's hashes hold.
"""

import contextlib
import math
import os
import stat
import tempfile
import warnings
from pathlib import Path

import numpy as np

from gluon_cnn.errors import CheckpointError, ModelError, TrainingDiverged
from gluon_cnn.files import flush_to_disk, remove_leftovers
from gluon_cnn.models.parameters import load_parameters, write_parameters
from gluon_cnn.runtime.array_mode import array_mode
from gluon_cnn.training.manifest import MANIFEST, PARAMETERS, STATES, verified_state, write_manifest

__all__ = ["load_network", "load_states", "remove_checkpoint", "write_checkpoint"]


def write_checkpoint(directory, snapshot):
    """Write a checkpoint.

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
    final = directory / snapshot.state.name
    if final.is_dir():  # stopped again before the next step: it already holds this state
        return final
    temporary = directory / f".{final.name}.tmp"
    remove_checkpoint(temporary)
    temporary.mkdir(parents=True)
    try:
        write_parameters(temporary / PARAMETERS, snapshot.parameters)
        updater = snapshot.updater
        with array_mode(False):  # as they are read, whatever the mode of this thread is
            (temporary / STATES).write_bytes(updater.get_states(dump_optimizer=True) if updater else b"")
        write_manifest(temporary, snapshot.state)
        for path in (*temporary.iterdir(), temporary):
            flush_to_disk(path)
        temporary.rename(final)
        flush_to_disk(directory)
    finally:
        remove_checkpoint(temporary)
    return final


def remove_checkpoint(directory):
    """Remove a checkpoint, or what a killed process left of one. Files of others in it stay, and the directory then.

    What is not a directory is left as it is.
    """
    if directory.is_symlink() or not directory.is_dir():
        return
    remove_leftovers(directory)
    for name in (PARAMETERS, STATES, MANIFEST):
        if stat.S_ISREG((directory / name).lstat().st_mode if os.path.lexists(directory / name) else 0):
            (directory / name).unlink()
    with contextlib.suppress(OSError):
        directory.rmdir()


def load_states(trainer, states):
    """Load a checkpoint's trainer states, given as bytes; there are none where a parameter server had them."""
    if states:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / STATES
            try:
                path.write_bytes(states)
            except OSError as error:  # which does not name the file
                error.filename = error.filename or str(path)
                raise
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)  # with several devices MXNet leaves the file open
                try:
                    with array_mode(False):
                        trainer.load_states(str(path))
                except (ImportError, AttributeError):  # a pickle that names classes where they are not
                    raise CheckpointError(
                        "The trainer's states were written by another MXNet", "use the one that config.json names"
                    ) from None


def load_network(checkpoint, net, devices):
    """Load a checkpoint's parameters into a network, and return its State.

    Raises
    ------
    CheckpointError
        If a byte of the checkpoint is not as it was written, or it is of another network.
    """
    state = verified_state(checkpoint)
    try:
        load_parameters(net, checkpoint / PARAMETERS, ctx=devices)
    except ModelError as error:
        raise CheckpointError(str(error).rstrip("."), "restore the checkpoint that was here") from None
    return state


def _refuse_non_finite(snapshot):
    state = snapshot.state
    for (name, array), squares in zip(snapshot.parameters.items(), snapshot.squares.asnumpy()):
        # One number of each parameter tells, unless it is the square that is too large.
        if not math.isfinite(squares) and not np.isfinite(array.asnumpy()).all():
            raise TrainingDiverged(
                f"The parameter {name} is no longer finite after epoch {state.epoch}, step {state.step}",
                "try a smaller learning rate",
                "lr",
            )

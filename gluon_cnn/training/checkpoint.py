"""A checkpoint: a directory that is whole and verified, or not there.

It holds the parameters, the trainer's states and ``manifest.json`` with their SHA-256 and the run's :class:`State`.
The trainer's states are MXNet's pickle, so they are read only where the manifest's hashes hold.
"""

import dataclasses
import hashlib
import json
import math
import re
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any, Dict, List, Optional

import msgspec
import numpy as np

from gluon_cnn.checks import RANGES
from gluon_cnn.decoding import MOST, Amount, Count, convert, read_json
from gluon_cnn.errors import CheckpointError, Malformed, ModelError, TrainingDiverged
from gluon_cnn.files import flush_to_disk, sha256_of
from gluon_cnn.models.parameters import load_parameters, write_parameters
from gluon_cnn.runtime.array_mode import array_mode
from gluon_cnn.training.history import EpochResult
from gluon_cnn.training.metrics import WorkerSums
from gluon_cnn.training.mixed_precision import ScalerState

__all__ = [
    "OtherVersion",
    "State",
    "load_network",
    "load_states",
    "read_state",
    "verified_state",
    "write_checkpoint",
]

PARAMETERS, STATES, MANIFEST = "net.params", "trainer.states", "manifest.json"
FORMAT = 2
_EPOCH = 1024  # bytes, more than an epoch adds to the manifest


class OtherVersion(CheckpointError):
    """A checkpoint that is whole, and in a form that this version does not know."""


@dataclasses.dataclass(frozen=True)
class State:
    """Where a run stands.

    Attributes
    ----------
    recipe : dict
        What has to be the same when the run is resumed.
    epoch, step : int
        Complete epochs, and steps of the next one.
    sums : list of dict
        For each worker ``loss``, ``correct`` and ``images`` of these steps.
    seconds, train_seconds : float
        Of these steps, with and without the test pass.
    history : list of EpochResult
    dead_classes : list of int
        After the last complete epoch.
    loss_scaler : dict, optional
        In mixed precision.
    """

    recipe: Dict[str, Any]
    epoch: Count = 0
    step: Count = 0
    sums: List[WorkerSums] = dataclasses.field(default_factory=list)
    seconds: Amount = 0.0
    train_seconds: Amount = 0.0
    history: List[EpochResult] = dataclasses.field(default_factory=list)
    dead_classes: List[Count] = dataclasses.field(default_factory=list)
    loss_scaler: Optional[ScalerState] = None

    def to_json(self):
        """A dictionary that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content):
        """The state that :meth:`to_json` gave; Malformed if it is not one."""
        return convert(content, cls)

    @property
    def name(self):
        """What a checkpoint of this state is called."""
        return f"epoch-{self.epoch:03d}" + (f"-step-{self.step:05d}" if self.step else "")


class Stated(msgspec.Struct):
    """What a manifest states of a file."""

    sha256: str
    bytes: int


class Files(msgspec.Struct):
    """The files beside a manifest."""

    parameters: Stated = msgspec.field(name=PARAMETERS)
    states: Stated = msgspec.field(name=STATES)


class Manifest(msgspec.Struct):
    """What ``manifest.json`` holds besides its own hash and its format."""

    state: State
    files: Files

    def __post_init__(self):
        if [result.epoch for result in self.state.history] != list(range(1, self.state.epoch + 1)):
            raise ValueError("the epochs of its history are not those that are complete")


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
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        write_parameters(temporary / PARAMETERS, snapshot.parameters)
        updater = snapshot.updater
        with array_mode(False):  # as they are read, whatever the mode of this thread is
            (temporary / STATES).write_bytes(updater.get_states(dump_optimizer=True) if updater else b"")
        content = {
            "format": FORMAT,
            "state": snapshot.state.to_json(),
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
    return final


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


def _hash_of(content):
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _manifest(checkpoint):
    """What a checkpoint's manifest says, a :class:`Manifest`, once its hash holds."""
    try:
        content = read_json(checkpoint / MANIFEST, MOST + _EPOCH * _epochs_of(checkpoint))
        stated = content.pop("sha256")
        if stated != _hash_of(content):
            raise _damaged(checkpoint, MANIFEST)
    except (OSError, Malformed, KeyError, AttributeError, TypeError):
        raise _damaged(checkpoint, MANIFEST) from None
    if content.get("format") != FORMAT:
        raise _other_version(checkpoint)
    try:
        return convert(content, Manifest)
    except Malformed:
        raise _other_version(checkpoint) from None


def _epochs_of(checkpoint):
    """How many epochs the manifest may tell of, by the checkpoint's name."""
    match = re.match(r"epoch-(\d+)", checkpoint.name)
    return min(int(match[1]), RANGES["epochs"][1]) if match else 0


def read_state(checkpoint):
    """The State of a checkpoint, whose other files are not looked at."""
    return _manifest(checkpoint).state


def verified_state(checkpoint):
    """The State of a checkpoint; CheckpointError if a byte of it is not as it was written."""
    manifest = _manifest(checkpoint)
    for name, stated in ((PARAMETERS, manifest.files.parameters), (STATES, manifest.files.states)):
        path = checkpoint / name
        if not path.is_file() or path.stat().st_size != stated.bytes or sha256_of(path) != stated.sha256:
            raise _damaged(checkpoint, name)
    return manifest.state


def _other_version(checkpoint):
    return OtherVersion(f"{checkpoint} was written by another version of gluon-cnn", "use that version to read it")


def _damaged(checkpoint, name):
    return CheckpointError(
        f"The checkpoint {checkpoint} is damaged: {name} is not as it was written",
        "restore it, or resume the run, which takes the one before",
        "resume",
    )


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

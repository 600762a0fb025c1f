"""A checkpoint's ``manifest.json``: where the run stood, and the SHA-256 of the files beside it and of itself."""

import dataclasses
import hashlib
import json
import re
from typing import Any, Dict, List, Optional

import msgspec

from gluon_cnn.checks import RANGES
from gluon_cnn.decoding import LARGEST_FILE, Amount, Count, convert, read_json
from gluon_cnn.errors import CheckpointError, Malformed
from gluon_cnn.files import sha256_of
from gluon_cnn.training.history import EpochResult
from gluon_cnn.training.metrics import WorkerSums
from gluon_cnn.training.mixed_precision import ScalerState

__all__ = [
    "PARAMETERS",
    "STATES",
    "OtherVersion",
    "State",
    "position_of",
    "read_state",
    "verified_state",
    "write_manifest",
]

PARAMETERS, STATES, MANIFEST = "net.params", "trainer.states", "manifest.json"
FORMAT = 2
_NAME = re.compile(r"epoch-(\d+)(?:-step-(\d+))?")  # as State.name writes it
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


def position_of(name):
    """The complete epochs, and the steps of the next one, in a checkpoint's name; None for another name."""
    match = _NAME.fullmatch(name)
    return match and (int(match[1]), int(match[2] or 0))


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


def write_manifest(directory, state):
    """Write the manifest of a checkpoint whose other files are in ``directory``."""
    content = {
        "format": FORMAT,
        "state": state.to_json(),
        "files": {
            name: {"sha256": sha256_of(directory / name), "bytes": (directory / name).stat().st_size}
            for name in (PARAMETERS, STATES)
        },
    }
    text = json.dumps({"sha256": _hash_of(content), **content}, indent=1)
    (directory / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _hash_of(content):
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _manifest(checkpoint):
    """What a checkpoint's manifest says, a :class:`Manifest`, once its hash holds."""
    try:
        content = read_json(checkpoint / MANIFEST, LARGEST_FILE + _EPOCH * _epochs_of(checkpoint))
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
    epochs, _ = position_of(checkpoint.name) or (0, 0)
    return min(epochs, RANGES["epochs"][1])


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

"""The errors a user can cause. Each message is one sentence: the thing, what is wrong, what to do."""

__all__ = [
    "CheckpointError",
    "ComparisonError",
    "DataError",
    "DeviceError",
    "GluonCNNError",
    "ImageError",
    "InteropError",
    "JobFailed",
    "ModelError",
    "RunError",
    "RunStopped",
    "SettingError",
    "TrainingDiverged",
]


class GluonCNNError(Exception):
    """Base of every error this package raises on purpose."""


class SettingError(GluonCNNError):
    """A setting is not a value it can have: a batch size of 0, an unknown optimiser."""


class ModelError(GluonCNNError):
    """An unknown network, or an input or parameters that do not fit it."""


class DataError(GluonCNNError):
    """A data set that is missing, damaged or not the one it should be."""


class ImageError(GluonCNNError):
    """A picture to classify that cannot be read as one."""


class InteropError(GluonCNNError):
    """A file or a network of another framework that does not fit."""


class DeviceError(GluonCNNError):
    """A device that was asked for and cannot be used."""


class RunError(GluonCNNError):
    """A run's directory that cannot be written, is in use, or is not a run's."""


class CheckpointError(GluonCNNError):
    """A checkpoint that is damaged or belongs to something else."""


class ComparisonError(GluonCNNError):
    """A run that cannot be compared, or published runs that do not exist."""


class JobFailed(GluonCNNError):
    """A process of a job of several workers failed, or did so on another worker."""


class TrainingDiverged(GluonCNNError):
    """The loss, or a parameter, is no longer a finite number."""


class RunStopped(GluonCNNError):
    """A signal ended a run between two steps, and it was saved.

    Attributes
    ----------
    signal : int
        The signal's number.
    """

    def __init__(self, message, signal):
        super().__init__(message)
        self.signal = signal

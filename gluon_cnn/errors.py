"""The errors a user can cause. Each message is one sentence: the thing, what is wrong with it, what to do."""

__all__ = [
    "CheckpointError",
    "ComparisonError",
    "DataError",
    "DeviceError",
    "GluonCNNError",
    "ImageError",
    "InstallationError",
    "InteropError",
    "JobFailed",
    "Malformed",
    "ModelError",
    "RunError",
    "RunStopped",
    "SettingError",
    "TrainingDiverged",
]


class GluonCNNError(Exception):
    """Base of every error this package raises on purpose.

    Parameters
    ----------
    message : str
    *settings : str
        Names of the settings to change, such as ``batch_size``. The command line shows the flag of each.

    Attributes
    ----------
    settings : tuple of str
    """

    def __init__(self, message="", *settings):
        super().__init__(message)
        self.settings = settings


class InstallationError(GluonCNNError, ImportError):
    """MXNet, or something that it needs, is missing or does not fit."""


class SettingError(GluonCNNError):
    """A setting has an invalid value, such as a batch size of 0 or an unknown optimiser."""


class ModelError(GluonCNNError):
    """An unknown network, or an input or parameters that do not fit it."""


class DataError(GluonCNNError):
    """A data set is missing, damaged or not the one it should be."""


class ImageError(GluonCNNError):
    """A picture to classify cannot be read."""


class InteropError(GluonCNNError):
    """A file or a network of another framework does not fit."""


class DeviceError(GluonCNNError):
    """A device cannot be used, or has too little memory."""


class RunError(GluonCNNError):
    """A run's directory cannot be written, is in use, or holds no run."""


class CheckpointError(GluonCNNError):
    """A checkpoint is damaged or belongs to something else.

    Attributes
    ----------
    problem : str
        What is wrong, without what to do.
    """

    def __init__(self, problem, advice, *settings):
        super().__init__(f"{problem}: {advice}.", *settings)
        self.problem = problem


class Malformed(GluonCNNError):
    """A file, or a part of one, does not hold what it should. Whoever reads it says which file, and what to do."""


class ComparisonError(GluonCNNError):
    """A run cannot be compared, or there are no published runs of its network."""


class JobFailed(GluonCNNError):
    """A process of a job of several workers failed."""


class TrainingDiverged(GluonCNNError):
    """The loss, or a parameter, is no longer a finite number.

    Attributes
    ----------
    problem : str
        What is no longer finite, and where, without what to do.
    """

    def __init__(self, problem, advice, *settings):
        super().__init__(f"{problem}: {advice}.", *settings)
        self.problem = problem


class RunStopped(GluonCNNError):
    """A signal ended a run between two steps, and the run was saved.

    Attributes
    ----------
    signal : int
        The signal's number.
    """

    def __init__(self, message, signal, *settings):
        super().__init__(message, *settings)
        self.signal = signal

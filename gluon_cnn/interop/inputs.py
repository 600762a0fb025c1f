"""What a network takes, where interop's callers look for it."""

from gluon_cnn.data.inputs import Inputs

__all__ = ["Inputs"]

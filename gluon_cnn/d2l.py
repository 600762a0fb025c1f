"""The book's helper package: ``from gluon_cnn import d2l`` for ``d2lzh``, ``gluonbook`` or ``d2l.mxnet``."""

from gluon_cnn import *  # noqa: F403
from gluon_cnn import __all__  # noqa: F401

"""The book's helper package: ``from gluon_cnn import d2l`` for ``d2lzh``, ``gluonbook`` or ``d2l.mxnet``."""

# The package's own list of names, whatever it is: a list here would be a second copy of it.
from gluon_cnn import *  # noqa: F403
from gluon_cnn import __all__  # noqa: F401

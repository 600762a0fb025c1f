"""The book's helper package: ``from gluon_cnn import d2l`` for ``d2lzh``, ``gluonbook`` or ``d2l.mxnet``."""

import gluon_cnn

__all__ = sorted({*gluon_cnn.__all__, "Trainer"})


def __getattr__(name):
    if name in __all__ or name in gluon_cnn.ARRAY_NAMES:
        return getattr(gluon_cnn, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

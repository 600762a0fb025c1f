"""Classes that grow from cell to cell, and that keep the arguments they were made with."""

import inspect

from gluon_cnn.checks import brief
from gluon_cnn.errors import ModelError, SettingError

__all__ = ["HyperParameters", "add_to_class"]


def add_to_class(Class):
    """A decorator that makes a function a method of a class, also of the objects that it already has.

    From the English edition's section 3.2, as are :class:`HyperParameters`, ``Module``, ``DataModule`` and ``Trainer``.

    Raises
    ------
    SettingError
        If ``Class`` is no class, or one that takes no methods, or what is added has no name.
    """
    if not isinstance(Class, type):
        raise SettingError(f"{brief(Class)} is no class: give add_to_class the class itself, not an object of it.")

    def add(function):
        name = getattr(function, "__name__", None)
        if name is None:
            raise SettingError(f"{brief(function)} has no name: put add_to_class above a function.")
        try:
            setattr(Class, name, function)
        except TypeError:  # Python's, for a class that is not written in Python
            raise SettingError(f"{Class.__name__} takes no new methods: add them to a subclass of it.") from None
        return function

    return add


class _NotSetUp(ModelError, AttributeError):
    """An object misses what ``__init__`` makes; an AttributeError too, for ``hasattr``."""


class HyperParameters:
    """A class whose objects can keep the arguments of a method, usually of ``__init__``.

    Attributes
    ----------
    hparams : dict
        What :meth:`save_hyperparameters` kept last.
    """

    _made_in_init = ()  # what a class needs its own __init__ for

    def __getattr__(self, name):
        if name in self._made_in_init:
            raise _NotSetUp(f"{type(self).__name__} is not set up: call super().__init__() first in its __init__.")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def save_hyperparameters(self, ignore=()):
        """Keep the arguments of the calling method as attributes, and together in :attr:`hparams`.

        Other variables that it has by then are kept as well, as in the book, unless their names begin with an
        underscore.

        Parameters
        ----------
        ignore : sequence of str
            Names to leave out.

        Raises
        ------
        SettingError
            If no method calls it, ``ignore`` is no such sequence, or the class has something of its own under an
            argument's name.
        """
        frame = inspect.currentframe().f_back
        if frame.f_locals is frame.f_globals:
            raise SettingError("save_hyperparameters keeps the arguments of a method: call it in __init__.")
        left_out = (ignore,) if isinstance(ignore, str) else ignore
        if not isinstance(left_out, (list, tuple, set, frozenset)):
            raise SettingError(f"ignore is {brief(ignore)}; it must be a list of names.")
        self.hparams = {
            name: value
            for name, value in frame.f_locals.items()
            if name not in left_out and not name.startswith("_") and value is not self
        }
        for name, value in self.hparams.items():
            try:
                setattr(self, name, value)
            except _NotSetUp:
                raise
            except AttributeError:
                raise SettingError(
                    f"{type(self).__name__} has a property {name} of its own, so it cannot keep an argument of that "
                    "name: call the argument something else, or ignore it."
                ) from None

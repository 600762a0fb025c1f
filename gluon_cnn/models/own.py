"""Networks of your own: ``mynet.py:net`` stands for the block that the function ``net`` in that file returns."""

import dataclasses
import functools
import hashlib
import inspect
import traceback
from pathlib import Path

from mxnet.gluon import Block

from gluon_cnn.data import FASHION_MNIST
from gluon_cnn.errors import ModelError
from gluon_cnn.models import split_own
from gluon_cnn.models.network import Network
from gluon_cnn.recipe import Recipe

__all__ = ["own_network"]

#: Names that no option can have, because a recipe's settings have them.
_TAKEN = {field.name for field in dataclasses.fields(Recipe)} - {"edition"}


def own_network(name):
    """The record of a network of your own, as for :func:`gluon_cnn.models.find_network`.

    The function's arguments are the network's options, so each needs a default, and a name that no setting of a recipe
    has. ``num_classes``, ``hybrid`` and ``edition`` are passed to it if it has them. A run keeps a copy of this one
    file, so whatever the file imports must be installed.

    Raises
    ------
    ModelError
        If the file cannot be read or run, or has no such function. ``build`` raises one if the function fails or does
        not return a block.
    """
    file, function_name = split_own(name)
    path = Path(file)
    source = _read(path)
    function = _names_in(path, source).get(function_name)
    if not callable(function):
        raise ModelError(f"{path} has no function {function_name!r}: name one that returns the network.", "model")
    arguments = _arguments(name, function)

    def build(**options):
        if "hybrid" not in arguments:
            options.pop("hybrid", None)  # every network is built with it
        try:
            net = function(**options)
        except Exception as error:
            raise ModelError(f"{name} failed ({_reason(error, path)}): correct the function.", "model") from error
        if not isinstance(net, Block):
            raise ModelError(f"{name} returned {type(net).__name__}, not a Gluon block: return a block.", "model")
        return net

    build.__kwdefaults__ = {option: argument.default for option, argument in arguments.items()}
    build.__kwdefaults__.setdefault("hybrid", False)
    return Network(name, build, side=FASHION_MNIST.side, source=hashlib.sha256(source).hexdigest())


def _arguments(name, function):
    """A function's arguments by name; a ModelError if one of them could not be given, or needs to be."""
    try:
        arguments = inspect.signature(function).parameters
    except (TypeError, ValueError):  # written in C
        raise ModelError(f"{name} does not say which arguments it has: name a function in Python.", "model") from None
    arguments = {
        name: argument
        for name, argument in arguments.items()
        if argument.kind not in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD)
    }
    needed = [argument.name for argument in arguments.values() if argument.default is argument.empty]
    if needed:
        raise ModelError(f"{name} has no default for {', '.join(needed)}: give it one.", "model")
    taken = [argument for argument in arguments if argument in _TAKEN]
    if taken:
        raise ModelError(f"{name} has an argument {taken[0]}, which is the name of a setting: rename it.", "model")
    return {name: a for name, a in arguments.items() if a.kind is not a.POSITIONAL_ONLY}


def _read(path):
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): name a Python file.", "model") from None


@functools.lru_cache(maxsize=8)
def _names_in(path, source):
    """What a file defines, by name. Each content of a file is run once, however often its network is looked up."""
    names = {"__name__": path.stem, "__file__": str(path)}
    try:
        # Not by import, which would write a __pycache__ beside the user's file and can miss a change within a second.
        exec(compile(source, str(path), "exec", dont_inherit=True), names)
    except (Exception, SystemExit) as error:
        raise ModelError(f"{path} cannot be run ({_reason(error, path)}): correct it.", "model") from error
    return names


def _reason(error, path):
    """An error in a few words, with the line of the user's file where it happened."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    said = str(error)
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines, said = [error.lineno], error.msg
    said = said.strip().splitlines()[:1]
    return ": ".join([type(error).__name__, *said]) + (f", line {lines[-1]}" if lines else "")

"""PyTorch's state dicts, from memory or a file, as NumPy arrays, and their layers in order."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from gluon_cnn.errors import InteropError
from gluon_cnn.interop.safetensors import read_arrays
from gluon_cnn.interop.torch_file import read_torch_file
from gluon_cnn.models.stored import StoredArray

__all__ = ["NAMES", "StateDict", "numbers_decide", "read_state_dict"]

#: The parameters of a layer in PyTorch. Whole numbers and booleans under other names are counters and masks.
PARAMETERS = ("weight", "bias", "running_mean", "running_var")
#: Gluon's name of a layer's parameter, and that of the book's own batch normalisation: PyTorch's name
NAMES = {
    "weight": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "running_mean": "running_mean",
    "running_var": "running_var",
    "moving_mean": "running_mean",
    "moving_var": "running_var",
}

_FLOATS = ("torch.float16", "torch.float32", "torch.float64")  # NumPy has these too


class StateDict:
    """A state dict's arrays, and its layers in order.

    PyTorch registers a layer's weight before its bias. So a dict that has them the other way round has been sorted, as
    the names in every safetensors file are, and the order of the layers is lost.

    Attributes
    ----------
    where : str
        The file, or ``state_dict``.
    arrays : dict
        Names to arrays: np.ndarray, or StoredArray for those in a file.
    layers : dict
        By the layer's name such as ``conv.0``, in order: the last part of each parameter's name, its whole name.
    is_sorted : bool
        Whether the order of the layers is lost, or may be, except for the numbers in their names.
    """

    def __init__(self, where, arrays, is_sorted, order=None):
        self.where, self.arrays = where, arrays
        layers, sorted_layers = {}, False
        for name in arrays:
            layer, _, parameter = name.rpartition(".")
            sorted_layers |= parameter == "weight" and "bias" in layers.get(layer, ())
            layers.setdefault(layer, {})[parameter] = name
        self.is_sorted = order is None and (is_sorted or sorted_layers)
        if order is not None:
            names = _given_order(layers, order)
        elif self.is_sorted or list(arrays) == sorted(arrays):
            names = _by_numbers(layers)
        else:
            names = layers
        self.layers = {name: layers[name] for name in names}


def read_state_dict(source, order=None):
    """A state dict's tensors as arrays, and its layers in order.

    Parameters
    ----------
    source : dict or path
        Names to tensors of PyTorch or NumPy, or a file of them: ``.safetensors``, else of ``torch.save``.
    order : torch.nn.Module or list of str, optional
        The order of the layers, see :func:`gluon_cnn.interop.torch.from_torch`.

    Returns
    -------
    StateDict
        Tensors on the CPU are not copied. Whole numbers and booleans that are not a parameter, such as the number of
        batches that PyTorch's batch normalisation has seen, are left out.

    Raises
    ------
    InteropError
        If the file cannot be read, a parameter in it is not a tensor of floating-point numbers, or the order is that of
        other layers.
    """
    where, is_sorted = "state_dict", False
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if not path.exists():
            raise InteropError(f"There is no file {path}: name a .safetensors file or one that torch.save wrote.")
        where, is_sorted = str(path), path.suffix.lower() == ".safetensors"
        source = read_arrays(path) if is_sorted else read_torch_file(path)
    elif isinstance(source, Mapping) and not hasattr(source, "_metadata"):  # which a module's own state dict has
        is_sorted = list(source) == sorted(source, key=str)
    if not isinstance(source, Mapping) or not all(isinstance(name, str) for name in source):
        raise InteropError(f"{where} is {_a_type(source)}, not a state dict: give a dict of names to tensors.")
    arrays = {name: _array(name, tensor) for name, tensor in source.items()}
    return StateDict(where, {name: array for name, array in arrays.items() if array is not None}, is_sorted, order)


def _a_type(value):
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _array(name, tensor):
    """A state dict's tensor as an array, without a copy if it is on the CPU. None if it holds no parameter."""
    if name.endswith("num_batches_tracked"):
        return None
    what = _a_type(tensor)
    if hasattr(tensor, "detach"):  # PyTorch's, recognised without importing PyTorch
        tensor = _as_numpy(name, tensor)
    if isinstance(tensor, (np.ndarray, StoredArray)):
        if tensor.dtype.kind == "f":
            return tensor
        if tensor.dtype.kind in "iub" and name.rpartition(".")[2] not in PARAMETERS:
            return None
        what = f"{'an array' if isinstance(tensor, StoredArray) else what} of {tensor.dtype}"
    raise InteropError(
        f"{name} in the state dict is {what}, not a tensor of floating-point numbers: give a dict of names to tensors."
    )


def _as_numpy(name, tensor):
    """A tensor of PyTorch as a NumPy array, without a copy if it is on the CPU; InteropError if it has no values."""
    try:
        tensor = tensor.detach().cpu()
        for resolve in ("resolve_conj", "resolve_neg"):  # which PyTorch 1.9 and earlier lack
            tensor = getattr(tensor, resolve, lambda same=tensor: same)()
        is_other_float = tensor.is_floating_point() and str(tensor.dtype) not in _FLOATS
        return (tensor.float() if is_other_float else tensor).numpy()
    except (NotImplementedError, RuntimeError, TypeError, ValueError):
        # What PyTorch raises for lazy parameters, the meta device, and sparse and quantized tensors.
        raise InteropError(
            f"{name} in the state dict has no values that can be read: run a batch through the PyTorch network before "
            "you take its state dict, and convert sparse and quantized tensors to dense floating-point ones."
        ) from None


def _given_order(layers, order):
    """The names of the layers in the order of a PyTorch module, or in a list; InteropError if it has other names."""
    if hasattr(order, "state_dict"):
        names = [name.rpartition(".")[0] for name in order.state_dict()]
        names = [name for name in dict.fromkeys(names) if name in layers]
    elif isinstance(order, Iterable) and not isinstance(order, (str, bytes, Mapping)):
        names = list(order)
    else:
        raise InteropError(
            f"order is {_a_type(order)}: give a PyTorch network or a list of its layers' names.", "order"
        )
    given = set()
    for name in names:
        if not isinstance(name, str) or name not in layers or name in given:
            why = " twice" if isinstance(name, str) and name in given else ", which the state dict does not have"
            raise InteropError(f"order has {name!r}{why}: give the name of each layer once.", "order")
        given.add(name)
    for name in layers:
        if name not in given:
            raise InteropError(f"order lacks {name!r}, which the state dict has: give the name of each layer.", "order")
    return names


def _by_numbers(layers):
    """The names of the layers, 2 before 10 wherever they differ in a number, and otherwise as they come."""
    first = {}
    for position, layer in enumerate(layers):
        for stem, _ in _steps(layer):
            first.setdefault(stem, position)
    return sorted(layers, key=lambda layer: [(first[stem], number) for stem, number in _steps(layer)])


def numbers_decide(layer, other):
    """Whether the first difference between the names of two layers is a number."""
    for (stem, number), (other_stem, other_number) in zip(_steps(layer), _steps(other)):
        if (stem, number) != (other_stem, other_number):
            return stem == other_stem and bool(number) and bool(other_number)
    return False


def _steps(layer):
    """``net.conv_2`` as [("net", ()), ("net.conv_", 2)]: all that precedes each number, and the number.

    The number is (count of digits, digits), which sorts as it does, however long it is. It is () at the end of a part
    that does not end with one.
    """
    steps, path = [], ""
    for part in layer.split("."):
        numbers = list(re.finditer("[0-9]+", part))
        for match in numbers:
            digits = match[0].lstrip("0")
            steps.append((path + part[: match.start()], (len(digits), digits)))
        if not numbers or numbers[-1].end() < len(part):
            steps.append((path + part, ()))
        path += f"{part}."
    return steps

"""PyTorch's state dicts, from memory or a file, as NumPy arrays, and their layers in order."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gluon_cnn.errors import InteropError
from gluon_cnn.interop.extras import import_extra
from gluon_cnn.interop.safetensors import read_arrays

__all__ = ["layers_in_order", "read_state_dict"]

_FLOATS = ("torch.float16", "torch.float32", "torch.float64")  # NumPy has these too
_READS_SAFELY = [2, 6]  # PyTorch's version. In older ones a file can run code despite weights_only (CVE-2025-32434).


def read_state_dict(source):
    """A state dict's tensors as NumPy arrays, by name.

    Parameters
    ----------
    source : dict or path
        Names to tensors of PyTorch or NumPy, or a file of them: ``.safetensors``, else of ``torch.save``.

    Returns
    -------
    dict
        Names to np.ndarray. Tensors on the CPU are not copied. The number of batches that PyTorch's batch normalisation
        has seen is left out, because it is not a weight.

    Raises
    ------
    InteropError
        If the file cannot be read, or anything in it is not a tensor of floating-point numbers.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if not path.is_file():
            raise InteropError(f"There is no file {path}: name a .safetensors file or one that torch.save wrote.")
        where = str(path)
        source = read_arrays(path) if path.suffix == ".safetensors" else _read_pickle(path)
    else:
        where = "state_dict"
    if not isinstance(source, Mapping) or not all(isinstance(name, str) for name in source):
        raise InteropError(f"{where} is {_a_type(source)}, not a state dict: give a dict of names to tensors.")
    return {name: _array(name, tensor) for name, tensor in source.items() if not name.endswith("num_batches_tracked")}


def _read_pickle(path):
    torch = import_extra("torch", "torch")
    if [int(number) for number in torch.__version__.split(".")[:2]] < _READS_SAFELY:
        raise InteropError(
            f"{path} could run code in PyTorch {torch.__version__}, even with weights_only: install PyTorch 2.6 or "
            "later, or save the weights as safetensors."
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a damaged pickle can raise any exception, and PyTorch's own advice is to let the code run
        raise InteropError(
            f"{path} is damaged, or holds more than weights, which is not read: save the state dict again, preferably "
            "as safetensors."
        ) from None


def _a_type(value):
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _array(name, tensor):
    """A state dict's tensor as a NumPy array, without a copy if it is on the CPU."""
    try:
        if hasattr(tensor, "detach"):  # PyTorch's, recognised without importing PyTorch
            tensor = tensor.detach().cpu()
            if tensor.is_floating_point():
                tensor = (tensor if str(tensor.dtype) in _FLOATS else tensor.float()).numpy()
        if isinstance(tensor, np.ndarray) and tensor.dtype.kind == "f":
            return tensor
    except (NotImplementedError, RuntimeError, TypeError, ValueError):
        # What PyTorch raises for lazy parameters, the meta device, and sparse and quantized tensors.
        raise InteropError(
            f"{name} in the state dict has no values that can be read: run a batch through the PyTorch network before "
            "you take its state dict, and convert sparse and quantized tensors to dense floating-point ones."
        ) from None
    raise InteropError(
        f"{name} in the state dict is {_a_type(tensor)}, not a tensor of floating-point numbers: give a dict of names "
        "to tensors."
    )


def layers_in_order(arrays):
    """The layers of a state dict in order. Each is a dict: the last part of a parameter's name, its whole name."""
    first, layers = {}, {}
    for position, name in enumerate(arrays):
        layer, _, parameter = name.rpartition(".")
        layers.setdefault(layer, {})[parameter] = name
        for stem, _ in _parts(layer):
            first.setdefault(stem, position)
    # By numbers, because a safetensors file has its names sorted as text, with 10 before 2.
    order = sorted(layers, key=lambda layer: [(first[stem], number) for stem, number in _parts(layer)])
    return [layers[layer] for layer in order]


def _parts(layer):
    """``net.conv_2`` as [("net", 0), ("net.conv_", 2)]: for each part, all that precedes its number, and the number."""
    parts, path = [], ""
    for part in layer.split("."):
        stem, number = re.fullmatch(r"(.*?)([0-9]{0,18})", part, re.DOTALL).groups()
        parts.append((path + stem, int(number or 0)))
        path += f"{part}."
    return parts

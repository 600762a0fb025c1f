"""PyTorch's state dicts: from memory or a file to arrays of NumPy, and their layers in order."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gluon_cnn.errors import InteropError
from gluon_cnn.interop.extras import import_extra
from gluon_cnn.interop.safetensors import read_arrays

__all__ = ["layers_in_order", "read_state_dict"]

_FLOATS = ("torch.float16", "torch.float32", "torch.float64")  # that NumPy has as well
_READS_SAFELY = [2, 6]  # PyTorch's version; before it a file could run code in spite of weights_only (CVE-2025-32434)
_ANEW = "save a state dict anew, best by safetensors"


def read_state_dict(source):
    """A state dict's tensors as arrays of NumPy, by name.

    Parameters
    ----------
    source : dict or path
        Names to tensors of PyTorch or NumPy, or a file of them: ``.safetensors``, else of ``torch.save``.

    Returns
    -------
    dict
        Names to np.ndarray, of tensors on the CPU without a copy; without the counts of batches that PyTorch's batch
        normalisations keep, which are no weights.

    Raises
    ------
    InteropError
        If the file cannot be read, or it or the dict holds anything else than tensors of floating-point numbers.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if not path.is_file():
            raise InteropError(f"{path} is not there, or is no file: name a .safetensors file or one of torch.save.")
        where = str(path)
        source = read_arrays(path) if path.suffix == ".safetensors" else _read_pickle(path)
    else:
        where = "What is given as the state dict"
    if not isinstance(source, Mapping) or not all(isinstance(name, str) for name in source):
        raise InteropError(f"{where} is {_described(source)}, not a state dict: give a dict of names to tensors.")
    return {name: _array(name, tensor) for name, tensor in source.items() if not name.endswith("num_batches_tracked")}


def _read_pickle(path):
    torch = import_extra("torch", "torch")
    if [int(number) for number in torch.__version__.split(".")[:2]] < _READS_SAFELY:
        raise InteropError(
            f"{path} could run code in PyTorch {torch.__version__}, also with weights_only: install PyTorch 2.6 or "
            "later, or save the weights by safetensors."
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a damaged pickle can raise any, and PyTorch advises to let the code run
        raise InteropError(
            f"{path} holds other things than weights, which are not read, or is damaged: {_ANEW}."
        ) from None


def _described(value):
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _array(name, tensor):
    """A state dict's tensor as an array of NumPy; of one on the CPU not a copy."""
    try:
        if hasattr(tensor, "detach"):  # PyTorch's, without asking for PyTorch where there is none
            tensor = tensor.detach().cpu()
            if tensor.is_floating_point():
                tensor = (tensor if str(tensor.dtype) in _FLOATS else tensor.float()).numpy()
        if isinstance(tensor, np.ndarray) and tensor.dtype.kind == "f":
            return tensor
    except (NotImplementedError, RuntimeError, TypeError, ValueError):
        # What PyTorch raises for a lazy parameter, the meta device, sparse and quantized tensors.
        raise InteropError(
            f"{name} in the state dict has no values that can be read: run a batch through the PyTorch network before "
            "you take its state dict, and make sparse and quantized tensors dense ones of floating-point numbers."
        ) from None
    raise InteropError(
        f"{name} in the state dict is {_described(tensor)}, not a tensor of floating-point numbers: give the state "
        "dict itself, names to tensors."
    )


def layers_in_order(arrays):
    """For each layer of a state dict, in their order, its parameters' names in the state dict by their last part."""
    first, layers = {}, {}
    for position, name in enumerate(arrays):
        layer, _, parameter = name.rpartition(".")
        layers.setdefault(layer, {})[parameter] = name
        for stem, _ in _parts(layer):
            first.setdefault(stem, position)
    # By numbers, since a file of safetensors has its names sorted as text, with 10 before 2.
    order = sorted(layers, key=lambda layer: [(first[stem], number) for stem, number in _parts(layer)])
    return [layers[layer] for layer in order]


def _parts(layer):
    """``net.conv_2`` as [("net", 0), ("net.conv_", 2)]: for each part of a name all that comes before its number."""
    parts, path = [], ""
    for part in layer.split("."):
        stem, number = re.fullmatch(r"(.*?)([0-9]{0,18})", part, re.DOTALL).groups()
        parts.append((path + stem, int(number or 0)))
        path += f"{part}."
    return parts

"""The weights that a run can begin from, from files of other software too."""

import os
from pathlib import Path

from gluon_cnn.interop.safetensors import read_arrays
from gluon_cnn.interop.state_dict import StateDict, read_state_dict
from gluon_cnn.interop.torch import named_in_order
from gluon_cnn.models.parameters import named_parameters
from gluon_cnn.training.weights import Weights, is_directory, open_weights

__all__ = ["open_any_weights"]

_TORCH = (".pt", ".pth", ".bin")
_GLUONS = (".gamma", ".beta")  # how Gluon alone calls parameters


def open_any_weights(where):
    """The weights that a run can begin from.

    Parameters
    ----------
    where : path
        As for :func:`gluon_cnn.training.weights.open_weights`; or a ``.safetensors`` file; or a file of
        ``torch.save``, ``.pt``, ``.pth`` or ``.bin``, with a state dict, from which no code is run.

    Returns
    -------
    Weights
        PyTorch's layers are matched by their kind and order, as by :func:`gluon_cnn.interop.torch.from_torch`; those in
        a safetensors file by their names, if those are the network's.

    Raises
    ------
    ModelError, RunError, InteropError
        If there are none, or they are damaged.
    """
    suffix = Path(where).suffix.lower() if isinstance(where, (str, os.PathLike)) else ""
    if suffix not in (".safetensors", *_TORCH) or is_directory(where):
        return open_weights(where)
    if suffix != ".safetensors":
        return _TorchWeights(where, read_state_dict(where).arrays)
    return _SafetensorsWeights(where, read_arrays(where))


class _TorchWeights(Weights):
    """Those of a PyTorch network, in the order of its layers."""

    is_sorted = False

    def named_for(self, net):
        return named_in_order(net, StateDict(self.where, self.arrays, self.is_sorted))


class _SafetensorsWeights(_TorchWeights):
    """Those of a network of either kind, whose names are sorted."""

    is_sorted = True

    def named_for(self, net):
        own = set(self.arrays) <= set(named_parameters(net)) or any(n.endswith(_GLUONS) for n in self.arrays)
        return Weights.named_for(self, net) if own else super().named_for(net)

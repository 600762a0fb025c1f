"""Parameters of one network for another that differs in some of its layers."""

from typing import List, NamedTuple

import mxnet as mx

from gluon_cnn.errors import ModelError

__all__ = ["Match", "fits", "load_matching"]


class Match(NamedTuple):
    """Names of parameters, as ``save_parameters`` writes them: those that a network took over from a file, and those
    that it did not, which are missing in the file, extra in the file, or have another shape there."""

    loaded: List[str]
    missing: List[str]
    extra: List[str]
    reshaped: List[str]


def load_matching(net, path):
    """Load what fits of a parameter file, by name and shape, and say what does not: for fine-tuning.

    Gluon's ``load_parameters(allow_missing=True, ignore_extra=True)`` does not say what it leaves out, and refuses a
    last layer for other classes, since its name is the same. Here that layer keeps the values that it has.

    Parameters
    ----------
    net : Block
        Initialised, for what the file does not have keeps its values.
    path : path
        What ``save_parameters`` wrote, of any network; of a run here, ``net.params`` in a checkpoint.

    Returns
    -------
    Match

    Raises
    ------
    ModelError
        If the file cannot be read, nothing in it fits, or the network is not initialised. Nothing is loaded then.
    """
    try:
        found = (mx.npx.load if mx.util.is_np_array() else mx.nd.load)(str(path))
        shapes = {name: array.shape for name, array in found.items()}
    except (mx.MXNetError, AttributeError):  # without names it is a list
        raise ModelError(
            f"{path} cannot be read as a file of parameters: use one that save_parameters wrote."
        ) from None
    parameters = net._collect_params_with_prefix()
    there = [name for name in parameters if name in found]
    loaded = [name for name in there if fits(shapes[name], parameters[name].shape)]
    if not loaded:
        raise ModelError(
            f"No parameter in {path} fits {net.name}: use the file of a network that begins as this one does."
        )
    for name in parameters:
        if parameters[name]._data is None and not parameters[name]._deferred_init:
            raise ModelError(f"{net.name} is not initialised: call its initialize() before you load into it.")
    for name in loaded:
        parameters[name]._load_init(found[name], None, cast_dtype=True)  # as load_parameters does it
    missing = [name for name in parameters if name not in found]
    extra = [name for name in found if name not in parameters]
    return Match(loaded, missing, extra, [name for name in there if name not in loaded])


def fits(shape, expected):
    """Whether a parameter whose shape is ``expected`` can take values of ``shape``: 0 or -1 stands for a size that its
    layer has yet to learn, None for a whole shape."""
    if expected is None:
        return True
    return len(shape) == len(expected) and all(size == e or e in (0, -1) for size, e in zip(shape, expected))

"""The formats that a run's network can be exported to. Nothing here needs MXNet."""

import importlib
from typing import NamedTuple, Tuple

__all__ = ["FORMATS", "Format", "writer"]


class Format(NamedTuple):
    """An export format. The module of its name, in this package, has its writer.

    Attributes
    ----------
    words : str
        What its files hold, for a list of the formats.
    endings : tuple of str
        What the names of its files end with.
    preprocesses : bool
        Whether it can take images as they are stored, and resize and scale them itself.
    """

    words: str
    endings: Tuple[str, ...]
    preprocesses: bool = False


#: The formats by name. To add one, add its entry here and a module of that name with a function ``write``.
FORMATS = {
    "onnx": Format("the network, for ONNX Runtime and other software", (".onnx",), preprocesses=True),
    "symbol": Format(
        "the network without its code, for MXNet",
        ("-symbol.json", "-0000.params", "-metadata.json"),
        preprocesses=True,
    ),
    "safetensors": Format("the parameters only", (".safetensors",)),
}


def writer(name):
    """The function that writes a format.

    It is called as ``write(net, path, inputs, images, preprocess=False, metadata=None)``. ``path`` is the file, or, for
    a format of several files, what their names begin with. ``inputs`` is the :class:`gluon_cnn.data.inputs.Inputs`
    that ``net`` takes, and ``images`` are some to check the export with. It adds to the metadata what the exported
    network takes, as ``input``, and returns a :class:`gluon_cnn.interop.difference.Difference`, or None if the format
    computes nothing.
    """
    return importlib.import_module(f"gluon_cnn.interop.{name}").write

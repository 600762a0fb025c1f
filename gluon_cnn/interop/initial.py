"""The weights that the published runs of a network began from, for other software."""

from importlib import metadata
from pathlib import Path

import mxnet as mx

from gluon_cnn.checks import choice
from gluon_cnn.errors import ModelError
from gluon_cnn.files import write_atomically
from gluon_cnn.interop.export import check_out
from gluon_cnn.interop.extras import import_extra
from gluon_cnn.interop.torch import to_torch
from gluon_cnn.models import canonical_name, find_network
from gluon_cnn.published_weights import MODELS
from gluon_cnn.recipe import PUBLISHED_EDITIONS
from gluon_cnn.runtime.array_mode import array_mode
from gluon_cnn.training.initial_weights import initialize_as_published

__all__ = ["export_published"]


def export_published(model, edition=None, out=None):
    """Write the published initial weights of a network, in safetensors' format and the layout of
    :func:`gluon_cnn.interop.torch.to_torch`.

    Parameters
    ----------
    model : str
        As for :func:`gluon_cnn.get_model`.
    edition : {"zh-v1", "en"}, optional
        ``zh-v1`` by default.
    out : path, optional
        The file, which is replaced if it exists; by default such as ``lenet-zh-v1-published.safetensors``, here.

    Returns
    -------
    Path

    Raises
    ------
    ModelError
        If no run of the network was published.
    SettingError
        For another edition, or an ``out`` that cannot be a file.
    InteropError
        If PyTorch or the package safetensors is missing.
    """
    name = canonical_name(model)
    if name not in MODELS:
        raise ModelError(f"No run of {name} was published: use one of {', '.join(MODELS)}.", "model")
    edition = choice("edition", edition or PUBLISHED_EDITIONS[0], PUBLISHED_EDITIONS)
    path = Path(out or f"{name}-{edition}-published.safetensors")
    check_out(path, [".safetensors"])
    to_bytes = import_extra("safetensors.torch", "safetensors").save
    with mx.cpu(), array_mode(False):
        build = find_network(name).build
        net = build(**({"edition": edition} if "edition" in build.__kwdefaults__ else {}))
        initialize_as_published(net, edition)
        state = to_torch(net)
    about = {
        "source": f"{name} of Dive into Deep Learning, recipe {edition}; the start of its published runs",
        "input": "parameters, by PyTorch's names",
        "version": f"gluon-cnn {metadata.version('gluon-cnn')}",
        "license": "Apache-2.0",
    }
    with write_atomically(path) as temporary:
        temporary.write_bytes(to_bytes(state, about))
    return path

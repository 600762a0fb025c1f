"""Receptive fields: the patch of the image that a position of a layer sees.

A network is traced with Gluon's symbols, not run. Then each operator is asked which positions of its input each
position of its output sees, along the rows and along the columns, and branches that meet see what all of them saw. So
padding inside the network, windows that are cut at the border, and pixels that a stride leaves out are all taken into
account (Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019, have the
arithmetic of the sizes).
"""

import contextlib
import io
import json
from typing import NamedTuple, Optional, Tuple

import mxnet as mx
import numpy as np

from gluon_cnn.checks import brief
from gluon_cnn.errors import ModelError
from gluon_cnn.inspection.axis import of_image
from gluon_cnn.inspection.layers import failing_as_model_error, refuse_not_run, title_of, watched
from gluon_cnn.inspection.operators import after

__all__ = ["Patch", "ReceptiveField", "receptive_fields"]

_DATA = "data"


class Patch(NamedTuple):
    """A rectangle of an image in pixels, from ``top`` and ``left`` to before ``bottom`` and ``right``."""

    top: int
    left: int
    bottom: int
    right: int

    def cut(self, image):
        """This part of an image whose last two axes are its rows and columns."""
        return image[..., self.top : self.bottom, self.left : self.right]


class ReceptiveField(NamedTuple):
    """What the positions of a layer see of an image.

    Attributes
    ----------
    size : (int, int) or None
        Height and width in pixels of what one position sees, where no border cuts it.
    stride : (int, int) or None
        Pixels between what two neighbours see; 0 where every position sees the same.
    offset : (int, int) or None
        Row and column of the first pixel that position (0, 0) sees, negative if that lies in the padding.
    rows, columns : np.ndarray
        int, H'×2 and W'×2: of each row and column of the layer's output the first pixel that it sees in the image, and
        the one after the last. The two are equal for a position that sees only padding. One row if the output has no
        positions, as after a dense layer.

    ``size``, ``stride`` and ``offset`` are None where branches of several strides meet, whose positions do not all see
    equally much.
    """

    size: Optional[Tuple[int, int]]
    stride: Optional[Tuple[int, int]]
    offset: Optional[Tuple[int, int]]
    rows: np.ndarray
    columns: np.ndarray

    def patch(self, row, column):
        """The :class:`Patch` of the image that a position of the layer sees, cut at the image's border."""
        (top, bottom), (left, right) = self.rows[row].tolist(), self.columns[column].tolist()
        return Patch(top, left, bottom, right)


def receptive_fields(net, shape, paths):
    """What the positions of layers see of an image.

    Parameters
    ----------
    net : Block
        Whose layers Gluon can trace with symbols, as all networks here, plain or compiled; initialised or not.
    shape : (int, int, int) or (int, int, int, int)
        C×H×W of an image, or N×C×H×W of a batch.
    paths : list of str
        Which layers; see :func:`gluon_cnn.inspection.layers.all_layers`.

    Returns
    -------
    dict
        Path to :class:`ReceptiveField`. The patch is the smallest rectangle around what a position sees: where a stride
        is larger than its window, there are pixels inside that it does not see.

    Raises
    ------
    ModelError
        If there is no such layer, the network cannot be traced or does not take such an image, or an operator on the
        way moves positions in a manner that is not known here.
    """
    shape = (1, *shape) if len(shape) == 3 else tuple(shape)
    if len(shape) != 4:
        raise ModelError(f"shape is {brief(shape)}; it must be C×H×W of an image.")
    if not paths:
        return {}
    symbols = _traced(net, shape, paths)
    graph = mx.sym.Group([symbols[path].as_nd_ndarray() for path in paths])
    described = json.loads(graph.tojson())
    nodes = described["nodes"]
    sizes = _sizes(net, graph, nodes, shape)
    seen = {}
    for number, (node, size) in enumerate(zip(nodes, sizes)):
        if node["op"] == "null":
            if node["name"] == _DATA:
                seen[number] = tuple(of_image(pixels) for pixels in shape[2:])
        else:
            inputs = [(seen[i], sizes[i]) for i, *_ in node["inputs"] if i in seen]
            if inputs:
                seen[number] = after(node, inputs, size)
    for path, (number, *_) in zip(paths, described["heads"]):
        if number not in seen:
            raise ModelError(
                f"The layer {path} of {title_of(net)} does not depend on the image: name another.", "layers"
            )
    return {path: _field(seen[number]) for path, (number, *_) in zip(paths, described["heads"])}


def _field(axes):
    bounds = (np.stack([np.minimum(axis.low, axis.high), axis.high], axis=1) for axis in axes)
    known = all(axis.is_regular for axis in axes)
    numbers = (tuple(getattr(a, name) for a in axes) if known else None for name in ("size", "stride", "start"))
    return ReceptiveField(*numbers, *bounds)


def _traced(net, shape, paths):
    """The symbol that each layer gives, by path."""
    symbols, data = {}, mx.sym.var(_DATA)
    with watched(net, {path: lambda output, path=path: symbols.update({path: output}) for path in paths}):
        try:
            net(data.as_np_ndarray() if mx.util.is_np_array() else data)
        except Exception as error:  # somebody's layer may raise anything
            reason = f"{type(error).__name__}: {error}".strip().splitlines()[0].rstrip(".:")
            raise ModelError(
                f"What the layers of {title_of(net)} see is not known, because its forward pass fails on symbols "
                f"({reason}), as it does for layers that compute on arrays, and for all in MXNet 2."
            ) from error
    refuse_not_run(net, set(paths) - set(symbols))
    return {path: _only_symbol(net, path, symbols[path]) for path in paths}


def _sizes(net, graph, nodes, shape):
    """The shape of the first output of each node of a graph. By their order, because names may come twice."""
    internals = graph.get_internals()
    with failing_as_model_error(net, shape), contextlib.redirect_stdout(io.StringIO()):  # MXNet prints what fails
        _, found, _ = internals.infer_shape(**{_DATA: shape})
    names, sizes, entry = internals.list_outputs(), [], 0
    for node in nodes:
        sizes.append(found[entry])
        entry += 1
        more = 1
        while names[entry : entry + 1] == [f"{node['name']}_output{more}"]:
            entry, more = entry + 1, more + 1
    return sizes


def _only_symbol(net, path, symbol):
    if isinstance(symbol, (list, tuple)):
        raise ModelError(f"The layer {path} of {title_of(net)} does not give one array: name another.", "layers")
    return symbol

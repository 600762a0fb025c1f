"""What a network is made of: output shapes, parameters and multiply-adds, layer by layer."""

import contextlib
import io
import json
import math
import numbers
import weakref
from typing import List, NamedTuple, Optional, Tuple

import mxnet as mx
from mxnet.gluon import nn
from mxnet.gluon.nn.conv_layers import _Conv

from gluon_cnn.checks import MOST, brief
from gluon_cnn.errors import ModelError
from gluon_cnn.models.sequential import check_images

__all__ = ["Summary", "SummaryRow", "summary"]

# Words in the names of MXNet's operators that multiply and add, or of which nobody knows what they do.
_MULTIPLY = ("convolution", "correlation", "connected", "dot", "gemm", "syrk", "trmm", "matmul", "selfatt", "encdec")
_MULTIPLY += ("einsum", "rnn", "custom", "subgraph", "foreach", "while_loop", "_cond")


class SummaryRow(NamedTuple):
    """One layer: its name and type in Gluon, output shape, number of trained parameters, multiply-adds per image.

    ``multiply_adds`` is None where they are not counted: of layers other than Gluon's convolutions and dense layers
    that multiply arrays, and of such an operation outside any layer, which has a row of its own. ``untrained`` is the
    number of its other parameters, such as running means. ``path`` is where the layer is in the network, such as
    ``2.0.1.0``, with which the names of its parameters begin; empty for the network itself and outside any layer.
    """

    name: str
    kind: str
    output_shape: Tuple[int, ...]
    parameters: int
    multiply_adds: Optional[int]
    untrained: int = 0
    path: str = ""


class Summary(NamedTuple):
    """A network's layers in order. ``str()`` gives the table."""

    input_shape: Tuple[int, ...]
    rows: List[SummaryRow]

    @property
    def parameters(self):
        """Number of trained parameters in all layers."""
        return sum(row.parameters for row in self.rows)

    @property
    def all_parameters(self):
        """Number of parameters with those that are not trained, such as a batch normalisation's running statistics."""
        return self.parameters + sum(row.untrained for row in self.rows)

    @property
    def multiply_adds(self):
        """Multiply-adds of a forward pass of one image, in convolutions and dense layers, as far as counted."""
        return sum(row.multiply_adds or 0 for row in self.rows)

    def __str__(self):
        cells = [("path", "layer", "type", "output shape", "parameters", "multiply-adds per image")]
        cells.append(("", "input", "", _shape(self.input_shape), "", ""))
        for row in self.rows:
            counted = "not counted" if row.multiply_adds is None else f"{row.multiply_adds:,}"
            cells.append((row.path, row.name, row.kind, _shape(row.output_shape), f"{row.parameters:,}", counted))
        more = " and more" if any(row.multiply_adds is None for row in self.rows) else ""
        cells.append(("", "total", "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}{more}"))
        widths = [max(len(row[column]) for row in cells) for column in range(6)]
        lines = [
            "  ".join(cell.ljust(w) if i < 4 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths)))
            for row in cells
        ]
        rule = "-" * len(lines[0])
        lines = [lines[0], rule, *lines[1:-1], rule, lines[-1]]
        if self.all_parameters != self.parameters:
            lines.append(
                f"{self.all_parameters:,} parameters with those that are not trained, such as running statistics"
            )
        return "\n".join(line.rstrip() for line in lines)

    __repr__ = __str__


def summary(net, shape):
    """The layers that a batch of a shape passes through in ``net``, which is not run, initialised or changed.

    Parameters
    ----------
    net : Block
        Made of hybrid layers, as every network here. It need not be initialised.
    shape : tuple of int
        (N, C, H, W) of the input.

    Returns
    -------
    Summary
        It prints as a table of output shapes, parameters and multiply-adds, with totals.

    Raises
    ------
    ModelError
        If a batch of that shape does not fit the network, a layer cannot be traced by Gluon's symbols, or an image
        becomes more numbers than an array of MXNet's can have.
    """
    sizes = list(shape) if isinstance(shape, (tuple, list)) else []
    if len(sizes) != 4 or not all(isinstance(size, numbers.Integral) and 1 <= size <= MOST for size in sizes):
        raise ModelError(
            f"shape is {brief(shape)}; a summary needs four sizes, (N, C, H, W), each 1 or more and below 2^31."
        )
    shape = tuple(map(int, sizes))
    if getattr(net, "network_name", None):
        check_images(net, net.network_name, shape)
    _refuse_large("the input", shape, shape)
    paths = {}
    for path, layer in _layers(net):
        paths.setdefault(layer, path)  # the first one of a layer that is there twice
    calls, result = _trace(net, paths)
    nodes = json.loads(result.tojson())["nodes"]
    products = {node["name"]: node for node in nodes if _multiplies(node)}
    rows, parameters = _rows(calls, paths, products, shape)
    for name, node in products.items():  # those in no row
        output_shape, shapes = _infer(name, result.get_internals()[f"{name}_output"], shape)
        inputs = {nodes[number]["name"] for number, *_ in node["inputs"]} - parameters
        own = {key: parameter for key, parameter in net.collect_params().items() if key in inputs}
        parameters.update(own)
        rows.append(SummaryRow(name, node["op"], output_shape, *_numbers_of(own, shapes, None)))
    _refuse_large_between(result, shape)
    return Summary(shape, rows)


def _rows(calls, paths, products, shape):
    """The layers' rows, and the names of the parameters in them; what they multiply is taken out of ``products``."""
    rows, counted, done, unknown = [], set(), set(), set()
    for layer, x, output in calls:
        output_shape, shapes = _infer(layer.name, output, shape)
        _refuse_large(layer.name, output_shape, shape)
        own = {name: parameter for name, parameter in _own(layer).items() if name not in counted}
        counted.update(own)
        if _is_counted(layer):
            done.add(f"{layer.prefix}fwd")
            multiply_adds = _multiply_adds(layer, x, output_shape, shapes, shape)
        else:
            here = {name for name in products if layer.prefix and name.startswith(layer.prefix)} - done
            unknown.update(here)
            multiply_adds = None if here else 0
        counted_here = _numbers_of(own, shapes, multiply_adds)
        rows.append(SummaryRow(layer.name, type(layer).__name__, output_shape, *counted_here, paths[layer]))
    for name in done | unknown:
        products.pop(name, None)
    return rows, counted


def _layers(block, path=""):
    """Yield the blocks that get rows, each with its path: those without children, and with parameters of their own.

    An activation inside a convolution or a dense layer is part of that layer.
    """
    children = block._children.items()
    own = _own(block)
    if own or not children:
        yield path, block
    if not own or set(block.collect_params()) - set(own):
        for name, child in children:
            child = child() if isinstance(child, weakref.ref) else child  # the references are MXNet 2's
            yield from _layers(child, f"{path}.{name}" if path else name)


def _own(block):
    """A block's parameters that are not those of a block inside it, by name."""
    others = set()
    for child in block._children.values():
        others.update((child() if isinstance(child, weakref.ref) else child).collect_params())
    return {name: parameter for name, parameter in block.collect_params().items() if name not in others}


def _numbers_of(own, shapes, multiply_adds):
    """The numbers of a row: its trained parameters, the multiply-adds, and the other parameters."""
    sizes = {True: 0, False: 0}
    for name, parameter in own.items():
        if name in shapes:
            sizes[parameter.grad_req != "null"] += math.prod(shapes[name])
    return sizes[True], multiply_adds, sizes[False]


def _trace(net, layers):
    """Each layer with the symbols that it takes and gives, in the order of a forward pass, and the network's result."""
    calls = []
    hooks = [
        layer.register_forward_hook(
            lambda block, inputs, output: calls.append((block, _together(inputs), _together(output)))
        )
        for layer in layers
    ]
    data = mx.sym.var("data")
    try:
        result = _together(net(data.as_np_ndarray() if mx.util.is_np_array() else data))
    except Exception as error:  # somebody's layer may raise anything
        name = getattr(net, "name", type(net).__name__)
        reason = f"{type(error).__name__}: {error}".strip().splitlines()[0].rstrip(".:")
        raise ModelError(
            f"{name} cannot be summarised, because its forward pass fails on symbols ({reason}), as it does for layers "
            "that compute on arrays, and for all in MXNet 2: use Gluon's own net.summary(x)."
        ) from error
    finally:
        for hook in hooks:
            hook.detach()
    return calls, result


def _together(symbols):
    """One symbol for a symbol or a nested list of them."""
    if not isinstance(symbols, (list, tuple)):
        return symbols
    symbols = [_together(symbol) for symbol in symbols if symbol is not None]
    return symbols[0] if len(symbols) == 1 else mx.sym.Group(symbols)


def _infer(name, output, shape):
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # MXNet prints an input that does not fit
            arguments, outputs, auxiliary = output.infer_shape(data=shape)
    except mx.MXNetError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise ModelError(
            f"An input of shape {shape} does not fit at {name} ({reason}): use another size.", "side"
        ) from None
    shapes = dict(zip(output.list_arguments(), arguments))
    shapes.update(zip(output.list_auxiliary_states(), auxiliary))
    return outputs[0], shapes


def _is_counted(layer):
    """Whether a layer computes as Gluon's dense layers or convolutions do."""
    forward = getattr(type(layer), "hybrid_forward", None)
    return (isinstance(layer, nn.Dense) and forward is nn.Dense.hybrid_forward) or (
        isinstance(layer, _Conv) and forward is _Conv.hybrid_forward
    )


def _multiply_adds(layer, x, output_shape, shapes, shape):
    """A layer uses each of its weights once at each place: a dense layer at the positions of its output, a convolution
    at the pixels of its output, a transposed one at those of its input. None if the images have not as many each."""
    if isinstance(layer, nn.Dense):
        places = output_shape[:-1]
    else:
        pixels = _infer(layer.name, x, shape)[0] if layer._op_name.lower() == "deconvolution" else output_shape
        places = [size for size, axis in zip(pixels, layer._kwargs["layout"]) if axis != "C"]
    each, left = divmod(math.prod(places), shape[0])
    return None if left else math.prod(shapes[layer.weight.name]) * each


def _multiplies(node):
    return any(word in node["op"].lower() for word in _MULTIPLY)


def _refuse_large(name, sizes, shape):
    """Raise a ModelError if an image becomes so many numbers that the sizes which MXNet infers of it are wrong."""
    each = math.prod(sizes) // shape[0]
    if each > MOST:
        raise ModelError(
            f"An input of shape {shape} does not fit at {name} ({each:,} numbers of an image, {MOST:,} at most): use "
            "another size.",
            "side",
        )


def _refuse_large_between(result, shape):
    """The same for what is computed between the layers."""
    internals = result.get_internals()
    weights = {*internals.list_arguments(), *internals.list_auxiliary_states()}
    for name, sizes in zip(internals.list_outputs(), internals.infer_shape(data=shape)[1]):
        if name not in weights:
            _refuse_large(name.replace("_output", ""), sizes, shape)


def _shape(shape):
    return "×".join(str(size) for size in shape)

"""What a network is made of: output shapes, parameters and multiply-adds, layer by layer."""

import contextlib
import io
import math
from typing import List, NamedTuple, Tuple

import mxnet as mx

from gluon_cnn.errors import ModelError
from gluon_cnn.models.sequential import check_images, layers_of

__all__ = ["Summary", "SummaryRow", "summary"]


class SummaryRow(NamedTuple):
    """One layer: its name and type in Gluon, output shape, number of trained parameters, multiply-adds per image."""

    name: str
    kind: str
    output_shape: Tuple[int, ...]
    parameters: int
    multiply_adds: int


class Summary(NamedTuple):
    """A network's layers in order. ``str()`` gives the table."""

    input_shape: Tuple[int, ...]
    rows: List[SummaryRow]

    @property
    def parameters(self):
        """Number of trained parameters in all layers."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self):
        """Multiply-adds of a forward pass of one image, in convolutions and dense layers."""
        return sum(row.multiply_adds for row in self.rows)

    def __str__(self):
        cells = [("layer", "type", "output shape", "parameters", "multiply-adds per image")]
        cells.append(("input", "", _shape(self.input_shape), "", ""))
        for row in self.rows:
            cells.append(
                (row.name, row.kind, _shape(row.output_shape), f"{row.parameters:,}", f"{row.multiply_adds:,}")
            )
        cells.append(("total", "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}"))
        widths = [max(len(row[column]) for row in cells) for column in range(5)]
        lines = [
            "  ".join(cell.ljust(w) if i < 3 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths)))
            for row in cells
        ]
        rule = "-" * len(lines[0])
        return "\n".join(line.rstrip() for line in [lines[0], rule, *lines[1:-1], rule, lines[-1]])

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
        If a batch of that shape does not fit the network, or a layer cannot be traced by Gluon's symbols.
    """
    shape = tuple(shape)
    if len(shape) != 4 or min(shape) < 1:
        raise ModelError(f"shape is {shape}; a summary needs four sizes, (N, C, H, W), each 1 or more.")
    if getattr(net, "network_name", None):
        check_images(net, net.network_name, shape)
    calls = _trace(net)
    rows, counted = [], set()
    for layer, output in calls:
        output_shape, shapes = _infer(layer, output, shape)
        own = {name: p for name, p in layer.collect_params().items() if name not in counted and p.grad_req != "null"}
        counted.update(own)
        parameters = sum(math.prod(shapes[name]) for name in own)
        rows.append(
            SummaryRow(
                layer.name, type(layer).__name__, output_shape, parameters, _multiply_adds(layer, output_shape, shapes)
            )
        )
    return Summary(shape, rows)


def _trace(net):
    """Each layer with its output symbol, in the order of a forward pass."""
    calls = []
    hooks = [
        layer.register_forward_hook(lambda block, _, output: calls.append((block, output)))
        for layer in dict.fromkeys(layers_of(net))
    ]
    data = mx.sym.var("data")
    try:
        net(data.as_np_ndarray() if mx.util.is_np_array() else data)
    except (AttributeError, TypeError, mx.MXNetError):
        name = getattr(net, "name", type(net).__name__)
        raise ModelError(
            f"{name} cannot be summarised, because one of its layers computes on arrays, as all do in MXNet 2: use "
            "Gluon's own net.summary(x)."
        ) from None
    finally:
        for hook in hooks:
            hook.detach()
    return calls


def _infer(layer, output, shape):
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # MXNet prints an input that does not fit
            arguments, outputs, auxiliary = output.infer_shape(data=shape)
    except mx.MXNetError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise ModelError(
            f"An input of shape {shape} does not fit at {layer.name} ({reason}): use another size.", "side"
        ) from None
    shapes = dict(zip(output.list_arguments(), arguments))
    shapes.update(zip(output.list_auxiliary_states(), auxiliary))
    return outputs[0], shapes


def _multiply_adds(layer, output_shape, shapes):
    """A dense layer uses each weight once per image, a convolution once per output pixel."""
    weight = getattr(layer, "weight", None)
    if weight is None:
        return 0
    pixels = math.prod(output_shape[2:])
    return math.prod(shapes[weight.name]) * pixels


def _shape(shape):
    return "×".join(str(size) for size in shape)

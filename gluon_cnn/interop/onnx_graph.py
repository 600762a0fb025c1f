"""What an ONNX file says of itself, looked at before anything computes it. Nothing here needs MXNet."""

import math
import stat
from collections import defaultdict
from pathlib import Path

__all__ = ["last_operators", "read_graph", "size_in_all", "size_of"]

_MOST = 1 << 30  # bytes of a file that may count, however large it is
_BLOCK = 512  # bytes, in which every system counts what a file takes on the disk

# What changes a tensor's shape or type, but not what its numbers mean.
_PASSING = (
    "Cast",
    "CastLike",
    "Clip",
    "Dropout",
    "Flatten",
    "Identity",
    "Reshape",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
)
_DOMAINS = ("", "ai.onnx")  # both are ONNX's own operators


def read_graph(path):
    """Read a file's graph without the data in other files, and let ``onnx.checker`` check it if it knows its version.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    ValueError, OSError
        If the file is damaged, or some of its data are outside its directory or not in a regular file.
    """
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    others = _external(model, path.parent)
    for place in others:
        _refuse_outside(place, path.parent)
    newest = onnx.defs.onnx_opset_version()
    opsets = [opset.version for opset in model.opset_import if opset.domain in _DOMAINS]
    if model.ir_version <= onnx.IR_VERSION and all(version <= newest for version in opsets):
        try:
            onnx.checker.check_model(model if _add_shapes(model.graph.output) and not others else str(path))
        except onnx.checker.ValidationError as error:
            raise ValueError(f"onnx.checker: {error}") from None
    return model


def _add_shapes(outputs):
    """Give outputs a shape that lack one, which only the checker wants; whether any did."""
    kinds = [output.type.tensor_type for output in outputs if output.type.HasField("tensor_type")]
    lacking = [kind for kind in kinds if not kind.HasField("shape")]
    for kind in lacking:
        kind.shape.SetInParent()
    return bool(lacking)


def size_of(path):
    """Bytes that a file has on the disk, where one of terabytes can be empty: the most that counts as its size."""
    found = path.stat()
    return min(found.st_size, found.st_blocks * _BLOCK, _MOST)


def size_in_all(path, model):
    """Bytes of a file, and of what its tensors claim of other files, as far as it is there."""
    claims, sizes = defaultdict(int), {}
    for place, claimed in _external(model, path.parent).items():
        file = place.stat().st_ino  # one file can have many names
        claims[file] += claimed
        sizes[file] = size_of(place)
    return min(size_of(path) + sum(min(claims[file], size) for file, size in sizes.items()), _MOST)


def last_operators(graph):
    """The operator that computes each output, such as ``Softmax``, before those that follow it.

    Returns
    -------
    dict of str to list of str
        By an output's name: its operator, and then those, from the last one back to it, that only shape, cast, clip or
        scale its result.
    """
    made_by = {name: node for node in graph.node for name in node.output}
    scalars = _scalars(graph)
    found = {}
    for output in graph.output:
        name, node, after = output.name, None, []
        for _ in range(len(graph.node)):  # no more, because a damaged graph may have a circle
            node = made_by.get(name)
            passed = _passed(node, scalars) if node else None
            if passed is None:
                break
            name = passed
            after.append(node.op_type)
        found[output.name] = [node.op_type if node else "", *after]
    return found


def _passed(node, scalars):
    """The name of what a node passes on, with its numbers' order and signs; None if it computes others."""
    inputs = list(node.input)
    if node.op_type in _PASSING and inputs:
        return inputs[0]
    if len(inputs) == 2 and (node.op_type == "Mul" or (node.op_type == "Div" and inputs[1] in scalars)):
        scaled = [name for name in inputs if name not in scalars]
        return scaled[0] if len(scaled) == 1 else None
    return None


def _scalars(graph):
    """The names of the constants that are one number."""
    names = {tensor.name for tensor in graph.initializer if math.prod(tensor.dims) == 1}
    for node in graph.node:
        if node.op_type == "Constant" and any(
            attribute.name in ("value_float", "value_int")
            or (attribute.name == "value" and math.prod(attribute.t.dims) == 1)
            for attribute in node.attribute
        ):
            names.update(node.output)
    return names


def _external(model, directory):
    """The files, beside its own, that a model's data are in, and how many bytes of each its tensors claim."""
    tensors = [*_tensors_of(model.graph), *(t for function in model.functions for t in _tensors_in(function.node))]
    claimed = defaultdict(int)
    for tensor in tensors:
        if tensor.data_location == tensor.EXTERNAL:
            for entry in tensor.external_data:
                if entry.key == "location":
                    claimed[directory / entry.value] += _claimed(tensor)
    return claimed


def _claimed(tensor):
    """Bytes that a tensor's shape asks for."""
    import onnx

    try:
        kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except KeyError:
        raise ValueError(f"a tensor has the unknown type {tensor.data_type}") from None
    return kind.itemsize * max(0, math.prod(tensor.dims))


def _tensors_of(graph):
    """The constants of a graph and of the graphs in it."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _tensors_in(graph.node)


def _tensors_in(nodes):
    for attribute in (attribute for node in nodes for attribute in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
            yield from (sparse.values, sparse.indices)
        for graph in (attribute.g, *attribute.graphs):
            yield from _tensors_of(graph)


def _refuse_outside(place, directory):
    """ValueError unless a file is a regular one in a directory or below, links followed."""
    real = place.resolve()
    if Path(directory).resolve() not in real.parents or not stat.S_ISREG(real.stat().st_mode):
        raise ValueError(f"its data are in {place.name}, which is not a regular file in its directory")

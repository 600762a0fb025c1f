"""What an ONNX file says of itself, looked at before anything computes it. Nothing here needs MXNet."""

import stat
from pathlib import Path

__all__ = ["last_operators", "read_graph", "size_in_all"]

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
    for place in _external(model, path.parent):
        _refuse_outside(place, path.parent)
    newest = onnx.defs.onnx_opset_version()
    opsets = [opset.version for opset in model.opset_import if opset.domain in _DOMAINS]
    if model.ir_version <= onnx.IR_VERSION and all(version <= newest for version in opsets):
        try:
            onnx.checker.check_model(str(path))
        except onnx.checker.ValidationError as error:
            raise ValueError(f"onnx.checker: {error}") from None
    return model


def size_in_all(path, model):
    """Bytes of a file, and of the other files that its data are in."""
    return sum(place.stat().st_size for place in {path, *_external(model, path.parent)})


def last_operators(graph):
    """The operator that computes each output, such as ``Softmax``, whatever only shapes or casts its result then."""
    made_by = {name: node for node in graph.node for name in node.output}
    found = {}
    for output in graph.output:
        name, node = output.name, None
        for _ in range(len(graph.node)):  # no more, because a damaged graph may have a circle
            node = made_by.get(name)
            if node is None or node.op_type not in _PASSING or not node.input:
                break
            name = node.input[0]
        found[output.name] = node.op_type if node else ""
    return found


def _external(model, directory):
    """The files, beside its own, that a model's data are in."""
    tensors = [*_tensors_of(model.graph), *(t for function in model.functions for t in _tensors_in(function.node))]
    entries = [entry for tensor in tensors if tensor.data_location == tensor.EXTERNAL for entry in tensor.external_data]
    return {directory / entry.value for entry in entries if entry.key == "location"}


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

"""Small ONNX files as strangers might make them: a dense layer, and what comes before or after it."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

TensorProto, helper, numpy_helper = onnx.TensorProto, onnx.helper, onnx.numpy_helper
node = helper.make_node
WEIGHT = np.random.default_rng(0).normal(size=(784, 10)).astype(np.float32) / 20
DENSE = [node("Flatten", ["x"], ["flat"]), node("MatMul", ["flat", "w"], ["z"])]
WITH_LARGEST = [node("ReduceMax", ["large"], ["s"], keepdims=0), node("Add", ["z", "s"], ["y"])]
LARGEST = node("ReduceMax", ["x"], ["one"], keepdims=1)  # 1×1×1×1, which nobody knows before it is computed


def tensor(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, constants=None, taken=("n", 1, 28, 28), outputs=None):
    """A network that takes x and gives ``outputs``, y by default."""
    floats = TensorProto.FLOAT
    values = {"w": WEIGHT, **(constants or {})}
    given = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    outputs = outputs or [tensor("y", floats, ("n", 10))]
    graph = helper.make_graph(nodes, "g", [tensor("x", floats, taken)], outputs, given)
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def after(*nodes, kind=TensorProto.FLOAT, shape=("n", 10), **constants):
    """A dense layer's ``z``, and nodes that make ``y`` of it."""
    return model([*DENSE, *nodes], constants, outputs=[tensor("y", kind, shape)])


def beside(*nodes, **constants):
    """A dense layer to whose answers the largest number of ``large`` is added, which nodes make."""
    return model([*DENSE, *nodes, *WITH_LARGEST], constants)


def endless():
    """It doubles a number 2^62 times."""
    values = [tensor("i", TensorProto.INT64, []), tensor("go", TensorProto.BOOL, []), tensor("v", 1, None)]
    results = [tensor("go_on", TensorProto.BOOL, []), tensor("v2", 1, None)]
    steps = [node("Identity", ["go"], ["go_on"]), node("Add", ["v", "v"], ["v2"])]
    body = helper.make_graph(steps, "body", values, results)
    loop = node("Loop", ["times", "always", "one"], ["large"], body=body)
    return beside(LARGEST, loop, times=np.int64(2**62), always=np.bool_(True))


def external(location, *nodes, **constants):
    """A dense layer whose weights are in another file, and nodes that make ``y`` of its ``z``."""
    found = after(*(nodes or [node("Identity", ["z"], ["y"])]), **constants)
    weight = found.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location)
    return found


def saved(found, path):
    """Write a model; the path."""
    path.write_bytes(found if isinstance(found, bytes) else found.SerializeToString())
    return path


def probabilities_of(kind):
    """A model that ends in one operator, such as Softmax."""
    return after(node(kind, ["z"], ["y"]))


def sequence():
    """A model whose output is a list of maps, as scikit-learn's converters end."""
    kind = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    end = helper.make_value_info("y", helper.make_sequence_type_proto(kind))
    mapped = node("ZipMap", ["z"], ["y"], domain="ai.onnx.ml", classlabels_int64s=list(range(10)))
    return model([*DENSE, mapped], outputs=[end])

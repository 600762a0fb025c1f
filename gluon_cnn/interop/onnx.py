"""A network as an ONNX file, checked before it has its name."""

import tempfile
from pathlib import Path

import mxnet as mx
import numpy as np

from gluon_cnn.data.fashion_mnist import SIDE
from gluon_cnn.errors import InteropError
from gluon_cnn.files import write_atomically
from gluon_cnn.interop import symbol
from gluon_cnn.interop.check import compare, refuse_difference
from gluon_cnn.interop.extras import import_extra
from gluon_cnn.interop.onnx_network import PRODUCER, OnnxNetwork
from gluon_cnn.interop.resize import preprocessing

__all__ = ["BYTES", "export"]

INPUT, OUTPUT, BATCH = "images", "logits", "batch"  # the last is the name of the open size
BYTES = f"uint8 N×{SIDE}×{SIDE}"
# MXNet's converter writes the operators of this version, whatever newer one it puts on the file; what says so is read
# by older software too.
OPSET, IR_VERSION = 13, 8


def export(net, path, images, resize=None, *, preprocess=False, metadata=None):
    """Write a network as an ONNX file for batches of any size, once ONNX Runtime gave the same logits.

    Parameters
    ----------
    net : HybridBlock
        N×1×H×W to N×10 logits, initialised, on the CPU.
    path : path
        A file that is there is replaced.
    images : np.ndarray
        uint8 N×28×28, to check with.
    resize : int, optional
        Height and width that ``net`` takes, if not 28.
    preprocess : bool, default False
        Let the file take images uint8 N×28×28, and resize and scale them inside, to the same bits as
        :func:`gluon_cnn.data.to_batch`. Otherwise it takes a batch float32 N×1×H×W in [0, 1].
    metadata : dict of str to str, optional
        Goes into the file, with ``largest_difference``.

    Returns
    -------
    Difference

    Raises
    ------
    InteropError
        If a layer has no counterpart, ``onnx.checker`` finds a fault, logits differ by more than
        :data:`gluon_cnn.interop.check.TOLERANCE` allows, or a package is missing; nothing is written then.
    ModelError
        If ``net`` is not hybrid.
    """
    onnx = import_extra("onnx", "onnx")
    model = _convert(net, resize)
    _name_ends(model.graph)
    if preprocess:
        _prepend(model.graph, resize)
    with write_atomically(path) as temporary:
        onnx.save(model, str(temporary))
        try:
            onnx.checker.check_model(str(temporary), full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise InteropError(f"{path} is not written, for onnx.checker finds a fault: {error}.") from None
        exported = OnnxNetwork(temporary)
        difference = compare(exported.logits, net, images, resize)
        refuse_difference(difference, path)
        about = {**(metadata or {}), "largest_difference": f"{difference.largest:.3g}"}
        onnx.helper.set_model_props(model, about)
        onnx.save(model, str(temporary))
    return difference


def _convert(net, resize):
    """What MXNet's converter makes of a network."""
    onnx = import_extra("onnx", "onnx")
    side = resize or SIDE
    with tempfile.TemporaryDirectory() as directory:
        files = map(str, symbol.trace(net, Path(directory) / "net", resize))
        shapes = {"in_shapes": [(1, 1, side, side)], "dynamic": True, "dynamic_input_shapes": [(BATCH, 1, side, side)]}
        path = Path(directory) / "net.onnx"
        try:
            mx.onnx.export_model(*files, in_types=np.float32, onnx_file_path=str(path), **shapes)
        except ImportError as error:  # a newer onnx has not all that the converter imports
            raise InteropError(
                f"MXNet cannot write ONNX files with onnx {onnx.__version__} ({error}): pip install 'gluon-cnn[onnx]'."
            ) from None
        except AttributeError as error:  # the converter's word for an operator that it does not know
            raise InteropError(f"The network cannot be an ONNX file ({error}): export it as symbol.") from None
        model = onnx.load(str(path))
    model.ir_version = IR_VERSION
    model.opset_import[0].version = OPSET
    model.producer_name = PRODUCER
    return model


def _name_ends(graph):
    """Give a graph's input and output their names, and the output its shape."""
    constants = {constant.name for constant in graph.initializer}
    # The converter lists the parameters among the inputs too, where a runtime could not take them for constant.
    (images,) = (taken for taken in graph.input if taken.name not in constants)
    names = {images.name: INPUT, graph.output[0].name: OUTPUT}
    for node in graph.node:
        for ends in (node.input, node.output):
            ends[:] = [names.get(name, name) for name in ends]
    images.name, graph.output[0].name = INPUT, OUTPUT
    del graph.input[:]
    graph.input.append(images)
    shape = graph.output[0].type.tensor_type.shape
    shape.dim[0].dim_param = BATCH


def _prepend(graph, resize):
    onnx = import_extra("onnx", "onnx")
    for node in graph.node:
        node.input[:] = ["scaled" if name == INPUT else name for name in node.input]
    nodes, constants = preprocessing(INPUT, "scaled", resize)
    nodes += graph.node
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
    images = onnx.helper.make_tensor_value_info(INPUT, onnx.TensorProto.UINT8, (BATCH, SIDE, SIDE))
    graph.input[0].CopyFrom(images)

"""A network as an ONNX file, which is checked before it gets its name."""

import mxnet as mx
import numpy as np

from gluon_cnn.errors import InteropError
from gluon_cnn.files import write_atomically
from gluon_cnn.interop import symbol
from gluon_cnn.interop.difference import measure_difference, refuse_difference
from gluon_cnn.interop.extras import import_extra
from gluon_cnn.interop.onnx_network import PRODUCER, OnnxNetwork, refuse_undecodable
from gluon_cnn.interop.onnx_preprocessing import preprocessing
from gluon_cnn.runtime import install_hint

__all__ = ["write"]

INPUT, OUTPUT, BATCH = "images", "logits", "batch"  # the last one names the size that is free
# MXNet's converter writes the operators of this version, but marks the file with the newest one that is installed.
# Files marked with the true version can be read by older software too.
OPSET, IR_VERSION = 13, 8


def write(net, path, inputs, images, *, preprocess=False, metadata=None):
    """Write a network as an ONNX file for batches of any size, if ONNX Runtime gives the same logits.

    Parameters
    ----------
    net : HybridBlock
        Takes batches of ``inputs`` and gives N×classes logits. Initialised, on the CPU.
    path : path
        An existing file is replaced.
    inputs : Inputs
    images : np.ndarray
        uint8 N×H×W or N×H×W×3, as the data set stores them, to check with.
    preprocess : bool, default False
        Let the file take such images, and cut them out or resize them, scale and normalise them inside, to the same
        bits as :meth:`gluon_cnn.data.inputs.Inputs.batch`. Otherwise it takes batches of ``inputs``.
    metadata : dict of str to str, optional
        Goes into the file, with ``input``, ``outputs`` and ``largest_difference``.

    Returns
    -------
    Difference

    Raises
    ------
    InteropError
        If a layer has no counterpart, ``onnx.checker`` finds a fault, logits differ by more than
        :data:`gluon_cnn.interop.difference.TOLERANCE` allows, or a package is missing. Nothing is written.
    ModelError
        If ``net`` is not hybrid.
    """
    onnx = import_extra("onnx", "onnx")
    refuse_undecodable(path)
    model, outputs = _convert(net, inputs), net(inputs.batch(images[:1])).shape[1]
    _name_ends(model.graph, outputs)
    if preprocess:
        _prepend_preprocessing(model.graph, inputs)
    with write_atomically(path) as temporary:
        onnx.save(model, str(temporary))
        try:
            onnx.checker.check_model(str(temporary), full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise InteropError(
                f"{path} is not written, because onnx.checker finds a fault in it ({error}): export the network in "
                "another format.",
                "format",
            ) from None
        exported = OnnxNetwork(temporary, inputs.dataset, outputs)
        difference = measure_difference(exported.logits, net, inputs, images)
        refuse_difference(difference, path)
        taken = f"uint8 N×{'×'.join(map(str, inputs.stored))}" if preprocess else str(inputs)
        about = {**(metadata or {}), "input": taken, "outputs": str(outputs), "largest_difference": str(difference)}
        onnx.helper.set_model_props(model, about)
        onnx.save(model, str(temporary))
    return difference


def _convert(net, inputs):
    """What MXNet's converter makes of a network."""
    onnx = import_extra("onnx", "onnx")
    shapes = {
        "in_shapes": [(1, *inputs.shape)],
        "dynamic": True,
        "dynamic_input_shapes": [(BATCH, *inputs.shape)],
    }
    with symbol.temporary_directory() as directory:
        files = map(str, symbol.trace(net, directory / "net", inputs))
        path = directory / "net.onnx"
        try:
            mx.onnx.export_model(*files, in_types=np.float32, onnx_file_path=str(path), **shapes)
        except ImportError as error:  # a newer onnx lacks some of what the converter imports
            raise InteropError(
                f"MXNet cannot write ONNX files with onnx {onnx.__version__} ({error}): {install_hint('onnx')}."
            ) from None
        except OSError:
            raise
        except Exception as error:  # whatever the converter raises for what it does not know
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise InteropError(
                f"The network cannot be written as an ONNX file ({reason}): export it as symbol.", "format"
            ) from None
        model = onnx.load(str(path))
    model.ir_version = IR_VERSION
    model.opset_import[0].version = OPSET
    model.producer_name = PRODUCER
    return model


def _name_ends(graph, outputs):
    """Name a graph's input and output, and give the output its shape, N×``outputs``."""
    constants = {constant.name for constant in graph.initializer}
    # The converter lists the parameters among the inputs too, where a runtime could not treat them as constants.
    (images,) = (taken for taken in graph.input if taken.name not in constants)
    names = {images.name: INPUT, graph.output[0].name: OUTPUT}
    for node in graph.node:
        for ends in (node.input, node.output):
            ends[:] = [names.get(name, name) for name in ends]
    images.name, graph.output[0].name = INPUT, OUTPUT
    del graph.input[:]
    graph.input.append(images)
    sizes = graph.output[0].type.tensor_type.shape.dim
    sizes[0].dim_param, sizes[1].dim_value = BATCH, outputs


def _prepend_preprocessing(graph, inputs):
    """Let a graph begin with images as the data set stores them."""
    onnx = import_extra("onnx", "onnx")
    for node in graph.node:
        node.input[:] = ["scaled" if name == INPUT else name for name in node.input]
    nodes, constants = preprocessing(INPUT, "scaled", inputs)
    nodes += graph.node
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
    stored = (BATCH, *inputs.stored)
    graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info(INPUT, onnx.TensorProto.UINT8, stored))

"""The steps from stored images to a network's input, as ONNX operators that give MXNet's bits.

MXNet resizes with OpenCV, which computes in integers: weights in 2048ths, products truncated between the two passes.
ONNX's ``Resize`` computes in real numbers and differs by one grey level at some pixels. So both passes are written out
here: two products with constant matrices, and a floor after each. In float64 all of it is exact.
"""

import numpy as np

__all__ = ["preprocessing"]

_ONE = 2048  # OpenCV's weights have 11 bits


def preprocessing(source, result, inputs):
    """Nodes and constants that compute what :func:`gluon_cnn.data.scaled.to_batch` does.

    Parameters
    ----------
    source, result : str
        Names of the images as stored, uint8 N×H×W or N×H×W×3, and of the batch of ``inputs``, float32 N×C×side×side.
    inputs : Inputs

    Returns
    -------
    (list of onnx.NodeProto, list of onnx.TensorProto)
        For opset 13.
    """
    from onnx import TensorProto, numpy_helper
    from onnx.helper import make_node

    dataset, constants = inputs.dataset, {"white": np.float32(255)}
    if dataset.channels == 1:
        constants["channel"] = np.array([1])
        nodes = [make_node("Unsqueeze", [source, "channel"], ["planes"])]
    else:
        nodes = [make_node("Transpose", [source], ["planes"], perm=(0, 3, 1, 2))]
    last = "planes"
    if inputs.crop is not None:
        first = (dataset.side - inputs.crop) // 2
        constants.update(begin=np.full(2, first), end=np.full(2, first + inputs.crop), axes=np.array([2, 3]))
        nodes += [make_node("Slice", [last, "begin", "end", "axes"], ["cut"])]
        last = "cut"
    if inputs.resize is not None:
        constants.update(_matrices(dataset.side, inputs.side), quarter=np.float64(0.25), half=np.float64(0.5))
        nodes += [
            make_node("Cast", [last], ["pixels"], to=TensorProto.DOUBLE),
            make_node("MatMul", ["pixels", "across"], ["columns"]),
            make_node("Floor", ["columns"], ["columns_cut"]),
            make_node("MatMul", ["upper", "columns_cut"], ["above"]),
            make_node("Floor", ["above"], ["above_cut"]),
            make_node("MatMul", ["lower", "columns_cut"], ["below"]),
            make_node("Floor", ["below"], ["below_cut"]),
            make_node("Add", ["above_cut", "below_cut"], ["fourfold"]),
            make_node("Mul", ["fourfold", "quarter"], ["real"]),
            make_node("Add", ["real", "half"], ["real_half"]),
            make_node("Floor", ["real_half"], ["rounded"]),
        ]
        last = "rounded"
    normalised = dataset.mean is not None
    nodes += [
        make_node("Cast", [last], ["levels"], to=TensorProto.FLOAT),
        make_node("Div", ["levels", "white"], ["shares" if normalised else result]),
    ]
    if normalised:
        for name, numbers in (("mean", dataset.mean), ("deviation", dataset.deviation)):
            constants[name] = np.array(numbers, np.float32).reshape(-1, 1, 1)
        nodes += [
            make_node("Sub", ["shares", "mean"], ["centred"]),
            make_node("Div", ["centred", "deviation"], [result]),
        ]
    return nodes, [numpy_helper.from_array(np.asarray(values), name) for name, values in constants.items()]


def _matrices(stored, side):
    """The matrices of OpenCV's two passes from stored×stored to side×side pixels.

    The pass along the rows is one matrix, stored×side. The pass along the columns has two, side×stored each, because
    OpenCV truncates the products with the upper and the lower row before it adds them.
    """
    # float32 where OpenCV rounds to it.
    position = ((np.arange(side) + 0.5) * (1 / (side / stored)) - 0.5).astype(np.float32)
    before = np.floor(position)
    share = position - before
    first, second = np.rint((1 - share) * _ONE), np.rint(share * _ONE)
    before = before.astype(int)
    upper, lower = np.zeros((2, side, stored))
    pixels = np.arange(side)
    upper[pixels, np.clip(before, 0, stored - 1)] = first
    lower[pixels, np.clip(before + 1, 0, stored - 1)] = second
    across = upper + lower
    outside = (before < 0) | (before >= stored - 1)
    across[outside] = _ONE * (across[outside] > 0)  # at the edge a pixel has one neighbour, which counts whole
    return {"across": across.T / 2**4, "upper": upper / 2**16, "lower": lower / 2**16}

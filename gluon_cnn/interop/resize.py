"""Images as they are stored to what a network takes, as operators of ONNX: equal to MXNet's to the bit.

MXNet resizes by OpenCV, which computes on bytes in whole numbers: weights in 2048ths, products cut off between the two
passes. An ONNX ``Resize`` with its real numbers is off by a grey level at some pixels, so the passes are written out:
two products with constant matrices, and a floor after each. In float64 all of it is exact.
"""

import numpy as np

from gluon_cnn.data.fashion_mnist import SIDE

__all__ = ["preprocessing"]

ONE = 2048  # OpenCV's weights are 11 bits


def preprocessing(source, result, resize=None):
    """Nodes and constants that compute what :func:`gluon_cnn.data.to_batch` does.

    Parameters
    ----------
    source, result : str
        Names of the images, uint8 N×28×28, and of the batch, float32 N×1×H×W in [0, 1].
    resize : int, optional
        Height and width of the batch, if not 28.

    Returns
    -------
    (list of onnx.NodeProto, list of onnx.TensorProto)
        For opset 13.
    """
    from onnx import TensorProto, numpy_helper
    from onnx.helper import make_node

    constants = {"channel": np.array([1]), "white": np.float32(255)}
    nodes = []
    if resize is None:
        nodes += [make_node("Cast", [source], ["grey"], to=TensorProto.FLOAT)]
    else:
        constants.update(_matrices(resize), quarter=np.float64(0.25), half=np.float64(0.5))
        nodes += [
            make_node("Cast", [source], ["pixels"], to=TensorProto.DOUBLE),
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
            make_node("Cast", ["rounded"], ["grey"], to=TensorProto.FLOAT),
        ]
    nodes += [
        make_node("Unsqueeze", ["grey", "channel"], ["image"]),
        make_node("Div", ["image", "white"], [result]),
    ]
    return nodes, [numpy_helper.from_array(np.asarray(values), name) for name, values in constants.items()]


def _matrices(side):
    """OpenCV's two passes for 28×28 to side×side: the one along the rows, 28×side, and the two parts of the one along
    the columns, side×28 each, since there it cuts off the product with each of two rows before it adds them."""
    # As OpenCV has it, which rounds to float32 here and there.
    position = ((np.arange(side) + 0.5) * (1 / (side / SIDE)) - 0.5).astype(np.float32)
    before = np.floor(position)
    share = position - before
    first, second = np.rint((1 - share) * ONE), np.rint(share * ONE)
    before = before.astype(int)
    upper, lower = np.zeros((2, side, SIDE))
    pixels = np.arange(side)
    upper[pixels, np.clip(before, 0, SIDE - 1)] = first
    lower[pixels, np.clip(before + 1, 0, SIDE - 1)] = second
    across = upper + lower
    outside = (before < 0) | (before >= SIDE - 1)
    across[outside] = ONE * (across[outside] > 0)  # between a pixel and nothing: that pixel
    return {"across": across.T / 2**4, "upper": upper / 2**16, "lower": lower / 2**16}

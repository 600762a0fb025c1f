"""How MXNet's operators move positions: what those of an output see, from what those of the inputs see."""

import ast
import re

from gluon_cnn.errors import ModelError
from gluon_cnn.inspection.axis import joined, spread, through_window, whole

__all__ = ["after"]

# Operators by their names, in lower case and without what MXNet puts before the names of its NumPy operators.
_PREFIX = re.compile(r"^_?(npi?|npx|contrib|sym)?_|^_")
#: Each position of the output sees the same position of each input.
_POSITION_BY_POSITION = re.compile(
    r"activation|leakyrelu|relu\d?|sigmoid|hard_sigmoid|log_sigmoid|tanh|softsign|softrelu|gelu|mish|erf|exp|expm1|log|"
    r"log1p|sqrt|rsqrt|cbrt|square|abs|absolute|sign|negative|reciprocal|clip|(sync)?batch_?norm(withrelu)?|lrn|dropout|"
    r"(amp_)?cast|copy|identity|blockgrad|stop_gradient|(elemwise|broadcast)_\w+|\w+_scalar|add|subtract|multiply|"
    r"true_divide|maximum|minimum|power|plus|minus|mul|div|add_n|elementwisesum|where|ones_like|zeros_like"
)
#: So it does if the two last axes stay as they are; else each position sees everything.
_RESHAPING = re.compile(
    r"(np_)?reshape(_like)?|flatten|batch_flatten|expand_dims|squeeze|swapaxis|swapaxes|transpose|slice(_axis|_like)?"
)
#: Each position of the output sees every position of the inputs.
_MIXING = re.compile(
    r"fullyconnected|fully_connected|dot|batch_dot|matmul|mean|sum|max|min|prod|norm|l2normalization|instancenorm|"
    r"layer_?norm|group_?norm"
)
_CHANNELS = "1", "-3"  # their axis in N×C×H×W


def after(node, inputs, size):
    """What the positions of an operator's output see.

    Parameters
    ----------
    node : dict
        The operator as MXNet's JSON has it.
    inputs : list of ((Axis, Axis), tuple of int)
        Rows and columns, and the shape, of each input that depends on the image.
    size : tuple of int
        The shape of the output.

    Returns
    -------
    (Axis, Axis)

    Raises
    ------
    ModelError
        If that is not known of such an operator.
    """
    name, attributes = _PREFIX.sub("", node["op"].lower()), node.get("attrs") or {}
    positions = size[-2:] if len(size) >= 4 else (1, 1)
    if name in ("convolution", "pooling"):
        return _through_windows(node, attributes, inputs[0], positions)
    if name == "pad" and attributes.get("mode") == "constant":
        before = ast.literal_eval(attributes["pad_width"])[4::2]
        return tuple(through_window(a, n, 1, 1, p) for a, n, p in zip(inputs[0][0], positions, before))
    if name == "adaptiveavgpooling2d" and set(positions) == {1}:
        return _everything(inputs, positions)
    if _POSITION_BY_POSITION.fullmatch(name) or _joins_channels(name, attributes):
        same = zip(*(axes for axes, _ in inputs))
        return tuple(joined([spread(axis, n) for axis in axes]) for axes, n in zip(same, positions))
    if _RESHAPING.fullmatch(name):
        before, after_ = inputs[0][1], size
        kept = len(before) > 3 and before[-2:] == after_[-2:] and not _moves_positions(name, attributes, len(before))
        if kept:
            return inputs[0][0]
        return _everything(inputs, positions)
    if _MIXING.fullmatch(name) or name in ("softmax", "log_softmax"):
        return _everything(inputs, positions)
    raise _unknown(node)


def _through_windows(node, attributes, data, positions):
    axes, _ = data
    if attributes.get("global_pool") in ("True", "1"):
        return _everything([data], positions)
    kernel = ast.literal_eval(attributes["kernel"])
    layout = attributes.get("layout", "NCHW")
    if len(kernel) < 2 or layout not in ("NCHW", "NCDHW", "None") or attributes.get("pooling_convention") == "same":
        raise _unknown(node)
    # MXNet leaves out what has its default.
    stride, padding, dilation = (
        ast.literal_eval(attributes.get(name) or "()") or (default,) * len(kernel)
        for name, default in (("stride", 1), ("pad", 0), ("dilate", 1))
    )
    windows = list(zip(kernel, stride, padding, dilation))[-2:]  # of a volume, whose depth is no position
    return tuple(through_window(axis, n, *window) for axis, n, window in zip(axes, positions, windows))


def _everything(inputs, positions):
    axes = (joined([whole(axis) for axis in same]) for same in zip(*(axes for axes, _ in inputs)))
    return tuple(whole(axis, n) for axis, n in zip(axes, positions))


def _joins_channels(name, attributes):
    return name in ("concat", "concatenate") and attributes.get("dim", attributes.get("axis", "1")) in _CHANNELS


def _moves_positions(name, attributes, axes):
    """Whether a reshaping that keeps the sizes of the two last axes may exchange them, or parts of them."""
    if name == "transpose":
        return ast.literal_eval(attributes.get("axes") or "()")[-2:] != (axes - 2, axes - 1)
    if name in ("swapaxis", "swapaxes"):
        return max(int(attributes.get(key, 0)) % axes for key in ("dim1", "dim2")) >= axes - 2
    return False


def _unknown(node):
    return ModelError(
        f"What the layers after {node['name']} see is not known, because of its operator {node['op']}: look at layers "
        "before it.",
        "layers",
    )

"""The layers of a network by their paths, and what they give for a batch, read where they are."""

import contextlib
import difflib
import itertools
import weakref
from typing import Dict, NamedTuple

import mxnet as mx
import numpy as np
from mxnet.gluon import Block

from gluon_cnn.checks import brief
from gluon_cnn.errors import GluonCNNError, ModelError

__all__ = ["Activations", "activations", "all_layers", "innermost_layers", "run"]


class Activations(NamedTuple):
    """What chosen layers give for one batch.

    Attributes
    ----------
    layers : dict
        Path to float array of a layer's output, N×C×H×W after a convolution.
    output : np.ndarray
        The network's output, N×classes.
    """

    layers: Dict[str, np.ndarray]
    output: np.ndarray


def all_layers(net):
    """Every block inside a network by its path, a container before what is in it.

    A path is made of the names that Gluon gives children: ``"1.2"`` is the third child of the second child, and
    ``"4.0.conv1"`` the attribute ``conv1`` of a block. A block that is in two places has two paths.

    Parameters
    ----------
    net : Block
        Of any kind, plain or compiled.

    Returns
    -------
    dict
        Path to block.

    Raises
    ------
    ModelError
        If it is no Gluon block, or has no layers inside.
    """
    if not isinstance(net, Block):
        raise ModelError(f"{brief(net)} is not a Gluon block, so it has no layers to look at: give a network.", "model")
    found = dict(_walk(net, ""))
    if not found:
        raise ModelError(
            f"{title_of(net)} has no layers inside that could be read: give a network that is made of layers.",
            "model",
        )
    return found


def innermost_layers(net):
    """Those of :func:`all_layers` that compute, by path: without containers, and with an activation inside a
    convolution or a dense layer as part of that layer."""
    computing, paths = {}, []
    for path, block in all_layers(net).items():
        inside = any(path.startswith(f"{other}.") for other in paths)
        if not inside and (block._reg_params or not block._children):
            computing[path] = block
            paths.append(path)
    return computing


def activations(net, X, paths):
    """What layers give for one batch, as the network predicts.

    Of a layer that a network runs several times, such as the ReLU of a residual block, it is the last output.

    Parameters
    ----------
    net : Block
        N×... to N×classes; its parameters have values. It computes layer by layer meanwhile, also if it is compiled,
        and is afterwards as it was before.
    X : array
        A batch that the network takes, of NumPy or MXNet.
    paths : list of str
        Which layers; see :func:`all_layers`.

    Returns
    -------
    Activations

    Raises
    ------
    ModelError
        If there is no such layer, it is not run or gives no array, or the network fails for such a batch.
    """
    found = {}
    receivers = {path: lambda array, path=path: found.update({path: array.asnumpy()}) for path in paths}
    output = run(net, X, receivers)
    return Activations({path: found[path] for path in paths}, output)


def run(net, X, receivers):
    """Run a batch through a network, and hand what its layers give to functions, layer by layer.

    Parameters
    ----------
    net, X
        As for :func:`activations`.
    receivers : dict
        Path to a function that takes the layer's output, MXNet's array, each time that the network runs the layer.

    Returns
    -------
    np.ndarray
        The network's output.
    """
    with runner(net, receivers) as run_batch:
        return run_batch(X)


@contextlib.contextmanager
def runner(net, receivers, compiled=False):
    """A block in which a function runs one batch after the other as :func:`run` does; ``compiled`` as for
    :func:`watched`."""
    seen = set()

    def receive(path, output):
        seen.add(path)
        receivers[path](only_array(net, path, output))

    def run_batch(X):
        seen.clear()
        output = output_of(net, as_batch(net, X))
        refuse_not_run(net, set(receivers) - seen)
        return output.asnumpy()

    with watched(net, {path: lambda output, path=path: receive(path, output) for path in receivers}, compiled):
        yield run_batch


@contextlib.contextmanager
def watched(net, receivers, compiled=False):
    """A block in which a network computes layer by layer, and functions see the outputs of layers, by path.

    The network's flags are set and restored, and what it had compiled is kept. With ``compiled``, each innermost layer
    of a compiled network is compiled on its own meanwhile, which takes some time and makes each batch faster.
    """
    layers = all_layers(net)
    refuse_unknown(net, receivers)
    alone = _compiled_alone(net, [layers[path] for path in receivers]) if compiled else []
    blocks = {id(block): block for block in (net, *layers.values()) if getattr(block, "_active", False)}
    with contextlib.ExitStack() as stack:
        for block in alone:
            blocks.pop(id(block), None)
            stack.callback(vars(block).update, {k: v for k, v in vars(block).items() if k.startswith("_cached")})
        for block in blocks.values():
            stack.callback(setattr, block, "_active", True)
            block._active = False
        for path, receive in receivers.items():
            hook = layers[path].register_forward_hook(lambda _, __, output, receive=receive: receive(output))
            stack.callback(hook.detach)
        yield


def _compiled_alone(net, looked_at):
    """The innermost layers of a compiled network that can be compiled on their own: Gluon's, unless a layer inside them
    is looked at."""
    if not mx.__version__.startswith("1."):  # MXNet 2 runs no hook of a compiled layer
        return []
    looked_at = {id(block) for block in looked_at}
    return [
        block
        for block in innermost_layers(net).values()
        if type(block).__module__.startswith("mxnet.gluon") and getattr(block, "_active", False)
        if not any(id(inside) in looked_at for _, inside in _walk(block, ""))
    ]


def output_of(net, X):
    """A network's output for a batch; ModelError if it fails, or gives anything but one array with a row an image."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(failing_as_model_error(net, X.shape))
        output = net(X)
        if hasattr(output, "wait_to_read"):
            output.wait_to_read()
    if not hasattr(output, "asnumpy") or output.shape[:1] != X.shape[:1]:
        raise ModelError(
            f"{title_of(net)} does not give one array with a row for each image: it cannot be looked into."
        )
    return output


@contextlib.contextmanager
def failing_as_model_error(net, shape):
    """A block in which whatever a network raises becomes a ModelError of one sentence."""
    try:
        yield
    except GluonCNNError:
        raise
    except Exception as error:  # somebody's network can raise anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1].strip().rstrip(".:")
        size = "×".join(map(str, shape))
        raise ModelError(
            f"{title_of(net)} fails for a batch of {size} ({reason}): give images that it takes.", "side"
        ) from error


def as_batch(net, X):
    """A batch as a network takes it: on the device and in the precision of its parameters, in MXNet's array mode.

    Raises
    ------
    ModelError
        If the network's parameters have no values.
    """
    all_layers(net)  # raises what it raises for anything but a network
    parameters = list(net.collect_params().values())
    try:
        devices = [parameter.list_ctx()[0] for parameter in parameters]
    except RuntimeError:
        raise ModelError(
            f"{title_of(net)} has parameters that have no values yet: train it, or load its parameters.", "model"
        ) from None
    device = devices[0] if devices else mx.context.current_context()
    dtype = parameters[0].dtype if parameters else "float32"
    if not hasattr(X, "asnumpy"):
        X = mx.nd.array(_numbers(X, dtype), ctx=device, dtype=dtype)
    X = X.as_np_ndarray() if mx.util.is_np_array() else X.as_nd_ndarray()
    return X.as_in_context(device).astype(dtype, copy=False)


def _numbers(values, dtype):
    try:
        array = np.asarray(values, dtype)
    except (TypeError, ValueError):
        array = None
    if array is None or not array.ndim:
        raise ModelError(f"{brief(values)} is not a batch of images: give an array of numbers.")
    return array


def as_numpy(array):
    """An array of MXNet, NumPy or a list as NumPy's."""
    return array.asnumpy() if hasattr(array, "asnumpy") else np.asarray(array)


def refuse_unknown(net, paths):
    """Raise a ModelError if a network has no layer of one of these paths, which names some that it has."""
    layers = all_layers(net)
    for path in paths:
        if not isinstance(path, str) or path not in layers:
            near = difflib.get_close_matches(str(path), layers, n=5, cutoff=0.5) or itertools.islice(layers, 5)
            raise ModelError(
                f"{title_of(net)} has no layer {brief(path)}; of its {len(layers)} layers use one such as "
                f"{', '.join(near)}.",
                "layers",
            )


def refuse_not_run(net, paths):
    """Raise a ModelError if there are paths of layers that a network did not run."""
    if paths:
        raise ModelError(
            f"{title_of(net)} does not run its layer {sorted(paths)[0]} when it predicts: name another.", "layers"
        )


def only_array(net, path, output):
    if isinstance(output, (list, tuple)) and len(output) == 1:
        output = output[0]
    if not hasattr(output, "asnumpy"):
        raise ModelError(f"The layer {path} of {title_of(net)} does not give one array: name another.", "layers")
    return output


def _walk(block, prefix):
    for name, child in block._children.items():
        child = child() if isinstance(child, weakref.ref) else child  # a reference in MXNet 2
        yield f"{prefix}{name}", child
        yield from _walk(child, f"{prefix}{name}.")


def title_of(net):
    return getattr(net, "network_name", None) or getattr(net, "name", None) or type(net).__name__

"""Gradients of a network as it predicts.

On the CPU the gradient of max pooling is garbage if its forward pass was recorded with ``train_mode=False``: oneDNN's
backward pass reads a workspace that its forward pass fills in train mode only (MXNet 1.9.1). But dropout and batch
normalisation compute something else in train mode. So everything is recorded here as it predicts, except for each max
pooling, which is recorded in train mode: its output is the same, and its workspace is filled.
"""

import contextlib
import json
from typing import NamedTuple

import mxnet as mx
import numpy as np
from mxnet import autograd
from mxnet.gluon import SymbolBlock

from gluon_cnn.checks import brief
from gluon_cnn.errors import ModelError
from gluon_cnn.inspection.layers import (
    all_layers,
    as_batch,
    failing_as_model_error,
    only_array,
    output_of,
    refuse_not_run,
    refuse_unknown,
    title_of,
    watched,
)

__all__ = ["Gradients", "chosen_classes", "gradients"]


class Gradients(NamedTuple):
    """The gradient of a class's logit, for each image of a batch.

    Attributes
    ----------
    gradient : np.ndarray
        With respect to the images or to a layer's output, in its shape.
    values : np.ndarray
        Those images, or that output.
    output : np.ndarray
        The network's output, N×classes.
    classes : np.ndarray
        Whose logit it is, int N.
    """

    gradient: np.ndarray
    values: np.ndarray
    output: np.ndarray
    classes: np.ndarray


def gradients(net, X, classes=None, path=None):
    """How the logit of a class changes with the images, or with what a layer gives, as the network predicts.

    Dropout drops nothing and batch normalisation uses its running statistics, so the images do not influence each
    other. The network computes layer by layer meanwhile. No parameter, gradient or flag of it is changed.

    Parameters
    ----------
    net, X
        As for :func:`gluon_cnn.inspection.layers.activations`.
    classes : int or N int, optional
        Of each image; the predicted ones by default.
    path : str, optional
        The layer; by default the gradient is with respect to the images. Of a layer that is run several times it is
        with respect to its last output.

    Returns
    -------
    Gradients

    Raises
    ------
    ModelError
        As :func:`gluon_cnn.inspection.layers.activations`; also if there is no such class, the output does not depend
        on the layer, or the network pools by maximum elsewhere than in Gluon's layers, where the gradient cannot be had
        right.
    """
    X = as_batch(net, X)
    if X.ctx.device_type == "cpu":
        _refuse_other_max_pooling(net, X[:1])
    refuse_unknown(net, [] if path is None else [path])
    leaf = X.copy()
    leaf.attach_grad()
    leaves = [leaf]

    def begin_here(output):
        begun = only_array(net, path, output).detach()
        begun.attach_grad()
        leaves.append(begun)
        return [begun] if isinstance(output, (list, tuple)) else begun

    with contextlib.ExitStack() as stack:
        stack.enter_context(watched(net, {}))
        stack.enter_context(failing_as_model_error(net, X.shape))
        if path is not None:
            stack.enter_context(_changed_output(all_layers(net)[path], begin_here))
        with _recording(net):
            output = output_of(net, leaf)
        if path is not None and len(leaves) == 1:
            refuse_not_run(net, [path])
        where = "its input" if path is None else f"its layer {path}"
        return _differentiate(title_of(net), output, leaves[-1], classes, where)


def _differentiate(title, output, leaf, classes, where):
    """The :class:`Gradients` of a recorded output with respect to an array, which an error calls ``where``."""
    if len(output.shape) != 2:
        raise ModelError(f"{title} does not give N×classes, so a class has no gradient.")
    logits = output.asnumpy()
    classes = chosen_classes(logits, classes)
    ones = np.zeros_like(logits)
    ones[np.arange(len(classes)), classes] = 1
    try:
        (found,) = autograd.grad(output, [leaf], head_grads=_like(output, ones), train_mode=False)
    except mx.MXNetError:  # whose words are of nodes
        raise ModelError(f"The output of {title} does not depend on {where}: name another.") from None
    return Gradients(found.asnumpy(), leaf.asnumpy(), logits, classes)


@contextlib.contextmanager
def _changed_output(block, change):
    """A block of code in which a layer gives what a function makes of its output.

    Not a hook, because MXNet ignores what that returns, and in MXNet 2 an array that is part of a recorded graph cannot
    become its beginning.
    """
    forward, own = block.forward, vars(block)
    before = {"forward": own["forward"]} if "forward" in own else {}
    own["forward"] = lambda *args: change(forward(*args))
    try:
        yield
    finally:
        del own["forward"]
        own.update(before)


def chosen_classes(output, classes=None):
    """The class of each image: that of the largest logit, the one that was chosen for all, or that chosen for each.

    Parameters
    ----------
    output : np.ndarray
        N×classes.
    classes : int or N int, optional

    Returns
    -------
    np.ndarray
        int N.

    Raises
    ------
    ModelError
        If there is no such class.
    """
    if classes is None:
        return output.argmax(axis=1)
    chosen = np.asarray(classes)
    fits = chosen.dtype.kind in "iu" and chosen.shape in ((), (len(output),))
    if not fits or (chosen < 0).any() or (chosen >= output.shape[1]).any():
        raise ModelError(
            f"classes is {brief(classes)}; it must be a whole number from 0 to {output.shape[1] - 1}, or one for each "
            f"of the {len(output)} images.",
            "classes",
        )
    return np.broadcast_to(chosen, len(output)).astype(int)


@contextlib.contextmanager
def _recording(net):
    """A block in which a network is recorded as it predicts, with each max pooling in train mode.

    Yields
    ------
    list
        Gets an entry for each max pooling that is run.
    """
    pooled = []
    with contextlib.ExitStack() as stack:
        for block in {id(block): block for block in all_layers(net).values()}.values():
            if getattr(block, "_kwargs", {}).get("pool_type") == "max":
                before = block.register_forward_pre_hook(lambda *_: autograd.set_training(True))
                after = block.register_forward_hook(lambda *_: pooled.append(autograd.set_training(False)))
                stack.callback(before.detach)
                stack.callback(after.detach)
        # record() restores only a mode that it has changed itself, and a pooling may fail.
        stack.callback(autograd.set_training, autograd.is_training())
        stack.enter_context(autograd.record(train_mode=False))
        yield pooled


def _refuse_other_max_pooling(net, X):
    """Raise a ModelError if there is a max pooling between a network's input and output that is no layer of Gluon's."""
    X = X.copy()
    X.attach_grad()  # or poolings before the first parameter would not be recorded
    with watched(net, {}), failing_as_model_error(net, X.shape), _recording(net) as pooled:
        output = output_of(net, X)
    nodes = json.loads(autograd.get_symbol(output).tojson())["nodes"]
    for block in all_layers(net).values():
        if isinstance(block, SymbolBlock):  # one node of the graph, whatever is in it
            nodes += json.loads(block._cached_graph[1].tojson())["nodes"]
    if sum("pooling" in node["op"].lower() and _is_max(node.get("attrs") or {}) for node in nodes) > len(pooled):
        raise ModelError(
            f"{title_of(net)} pools by maximum in a block of its own, which has a wrong gradient on the CPU when a "
            "network predicts: use Gluon's MaxPool2D there, or a GPU."
        )


def _is_max(attributes):
    return attributes.get("pool_type", "max") == "max" and "output_size" not in attributes


def _like(array, values):
    """NumPy's values as an array of the kind, type and device of another one."""
    new = mx.nd.array(values, ctx=array.ctx, dtype=array.dtype)
    return new.as_np_ndarray() if isinstance(array, mx.np.ndarray) else new

"""What an answer hangs on: Grad-CAM, and occlusion."""

import math
import numbers
from typing import NamedTuple

import numpy as np
from mxnet.gluon.nn.conv_layers import _Conv

from gluon_cnn.checks import brief, whole_number, whole_numbers
from gluon_cnn.errors import ModelError, SettingError
from gluon_cnn.inspection.gradients import chosen_classes, gradients
from gluon_cnn.inspection.layers import as_batch, as_numpy, innermost_layers, output_of, title_of

__all__ = ["GradCAM", "Occlusion", "grad_cam", "last_convolution", "occlusion", "occlusions"]


class GradCAM(NamedTuple):
    """Which places of a layer speak for a class.

    Attributes
    ----------
    signed : np.ndarray
        N×H'×W', one number for each position of the layer: the layer's channels, weighted by the mean gradient of the
        class's logit, and added up. Where it is negative, the layer speaks against the class.
    path : str
        The layer.
    classes : np.ndarray
        The class of each image, int N.
    output : np.ndarray
        The network's output, N×classes.
    """

    signed: np.ndarray
    path: str
    classes: np.ndarray
    output: np.ndarray

    @property
    def maps(self):
        """What speaks for the class alone, as in the paper: 0 where it would be negative."""
        return np.maximum(self.signed, 0)


class Occlusion(NamedTuple):
    """How much the logit of a class drops where a window hides a part of the image.

    Attributes
    ----------
    maps : np.ndarray
        N×H×W: for each pixel the mean drop over all windows that hide it. Negative where the logit rises.
    drops : np.ndarray
        N×rows×columns: the drop for each window, by its place.
    windows : np.ndarray
        int, rows×columns×4: top, left, bottom and right of each window in pixels.
    classes, output : np.ndarray
        As in :class:`GradCAM`.
    """

    maps: np.ndarray
    drops: np.ndarray
    windows: np.ndarray
    classes: np.ndarray
    output: np.ndarray


def last_convolution(net):
    """The path of a network's last convolution, in the order in which Gluon lists its layers.

    Raises
    ------
    ModelError
        If it has none.
    """
    paths = [path for path, layer in innermost_layers(net).items() if isinstance(layer, _Conv)]
    if not paths:
        raise ModelError(f"{title_of(net)} has no convolution: name the layer to look at.", "layers")
    return paths[-1]


def grad_cam(net, X, path=None, classes=None):
    """Grad-CAM (Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks", 2017), as the network predicts.

    Parameters
    ----------
    net, X
        As for :func:`gluon_cnn.inspection.layers.activations`.
    path : str, optional
        A layer that gives N×C×H'×W'; by default :func:`last_convolution`, with its activation if that is part of it.
    classes : int or N int, optional
        Of each image; the predicted ones by default.

    Returns
    -------
    GradCAM

    Raises
    ------
    ModelError
        As :func:`gluon_cnn.inspection.gradients.gradients`; also if the layer does not give maps.
    """
    path = last_convolution(net) if path is None else path
    found = gradients(net, X, classes, path)
    if found.values.ndim != 4:
        size = "×".join(map(str, found.values.shape))
        raise ModelError(
            f"The layer {path} of {title_of(net)} gives {size} and no maps: name a layer that gives N×C×H×W.", "layers"
        )
    weights = found.gradient.mean(axis=(2, 3), keepdims=True)
    return GradCAM((weights * found.values).sum(axis=1), path, found.classes, found.output)


def occlusion(net, X, classes=None, *, window=5, stride=2, fill=0.0, batch_size=64):
    """Hide one part of the images after another (Zeiler and Fergus, "Visualizing and Understanding Convolutional
    Networks", 2014).

    The window moves from the upper left corner on until it reaches the lower right one; the last in a row or column may
    be cut by the image's border.

    Parameters
    ----------
    net : Block
        Predicts as it is, compiled or not.
    X : array
        N×C×H×W that the network takes.
    classes : int or N int, optional
        Of each image; the predicted ones by default.
    window, stride : int or (int, int)
        Height and width in pixels; the stride is at most the window, so that every pixel is hidden at least once.
    fill : float, default 0
        What the window is filled with, in every channel; 0 is the background of Fashion-MNIST.
    batch_size : int
        Images at a time.

    Returns
    -------
    Occlusion

    Raises
    ------
    SettingError
        If a setting is out of range.
    ModelError
        If the network fails for such images, or there is no such class.
    """
    return occlusions(net, X, [classes], window=window, stride=stride, fill=fill, batch_size=batch_size)[0]


def occlusions(net, X, several, *, window=5, stride=2, fill=0.0, batch_size=64):
    """The :class:`Occlusion` for each of several choices of classes, in the time of one.

    Parameters
    ----------
    several : list
        Of what :func:`occlusion` takes as ``classes``.
    net, X, window, stride, fill, batch_size
        As for :func:`occlusion`.

    Returns
    -------
    list of Occlusion
    """
    images = as_numpy(as_batch(net, X))
    if images.ndim != 4 or not images.size:
        raise ModelError(f"Images must be N×C×H×W, and at least one, not {'×'.join(map(str, images.shape))}.")
    windows = _windows(images.shape[2:], window, stride)
    fill, batch_size = _finite("fill", fill), whole_number("batch_size", batch_size)
    output = np.concatenate([_output(net, images[i : i + batch_size]) for i in range(0, len(images), batch_size)])
    several = [chosen_classes(output, classes) for classes in several]
    places = windows.reshape(-1, 4)
    drops = np.empty((len(images), len(places), output.shape[1]))
    for pixels, answer, of_image in zip(images, output.astype(float), drops):
        for first in range(0, len(places), batch_size):
            hidden = _hidden(pixels, places[first : first + batch_size], fill)
            of_image[first : first + len(hidden)] = answer - _output(net, hidden)
    found = []
    for classes in several:
        of_class = drops[np.arange(len(images)), :, classes]
        maps = _mean_over_windows(of_class, places, images.shape[2:])
        found.append(Occlusion(maps, of_class.reshape(len(images), *windows.shape[:2]), windows, classes, output))
    return found


def _windows(sides, window, stride):
    """Top, left, bottom and right of each window, rows×columns×4; a SettingError if they leave pixels out."""
    window, stride = (
        n if isinstance(n, tuple) else (n, n)
        for n in (whole_numbers("window", window), whole_numbers("stride", stride))
    )
    ranges = []
    for side, length, step in zip(sides, window, stride):
        if length > side:
            raise SettingError(f"window is {brief(window)}, larger than the images, {sides[0]}×{sides[1]}.", "window")
        if step > length and length < side:
            raise SettingError(
                f"stride is {brief(stride)}, larger than the window, {brief(window)}: pixels between two windows would "
                "not be hidden.",
                "stride",
            )
        begin = np.arange(math.ceil((side - length) / step) + 1) * step
        ranges.append((begin, np.minimum(begin + length, side)))
    (top, bottom), (left, right) = ranges
    return np.stack(np.broadcast_arrays(top[:, None], left[None], bottom[:, None], right[None]), axis=-1)


def _finite(name, value):
    if isinstance(value, numbers.Real) and math.isfinite(value):
        return float(value)
    raise SettingError(f"{name} is {brief(value)}; it must be a finite number.", name)


def _hidden(image, places, fill):
    """Copies of an image, each with one window filled."""
    copies = np.repeat(image[np.newaxis], len(places), axis=0)
    for copy, (top, left, bottom, right) in zip(copies, places):
        copy[:, top:bottom, left:right] = fill
    return copies


def _output(net, images):
    X = as_batch(net, images)
    output = output_of(net, X)
    if output.ndim != 2:
        raise ModelError(f"{title_of(net)} does not give N×classes, so it gives no class a logit.")
    return output.asnumpy()


def _mean_over_windows(drops, places, sides):
    total, covered = np.zeros((len(drops), *sides)), np.zeros(sides)
    for drop, (top, left, bottom, right) in zip(drops.T, places):
        total[:, top:bottom, left:right] += drop[:, np.newaxis, np.newaxis]
        covered[top:bottom, left:right] += 1
    return total / covered

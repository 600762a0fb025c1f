"""Which images excite the channels of a network's layers most, where in them, and of how many classes they are."""

import math
from typing import Dict, NamedTuple

import mxnet as mx
import numpy as np

from gluon_cnn.errors import DataError, ModelError
from gluon_cnn.inspection.answers import Answers, checked
from gluon_cnn.inspection.layers import as_numpy, runner

__all__ = ["Excitation", "Pass", "counted_images", "excitation", "selectivity"]

# Of a part of a batch. Memory for arrays above 32 MB comes from the system and is cleared anew for each of them.
_PIXELS = 16 * 224**2
SHOWN, KEPT = 9, 100  # images of each channel: that are shown, and whose classes are counted


class Excitation(NamedTuple):
    """What excites each channel of one layer, strongest first.

    A channel's excitation by an image is its largest number in it, over all positions.

    Attributes
    ----------
    values : np.ndarray
        channels×kept, float: its excitation by the images that excite it most, :data:`KEPT` or all that there are.
    images : np.ndarray
        int channels×kept: the number of the image in the data set, from 0.
    labels : np.ndarray
        int channels×kept: the image's class.
    positions : np.ndarray
        int channels×shown×2, for the first :data:`SHOWN` images: row and column of the largest number in the layer's
        output, the first of equal ones; (0, 0) after a dense layer.
    dead : np.ndarray
        The channels that gave exactly 0 everywhere in every image, as a unit after a ReLU does that is never above 0.
    class_counts : np.ndarray
        int: how many images of each class there were.
    """

    values: np.ndarray
    images: np.ndarray
    labels: np.ndarray
    positions: np.ndarray
    dead: np.ndarray
    class_counts: np.ndarray


class Pass(NamedTuple):
    """What one pass over a data set shows: the :class:`Excitation` of each layer by its path, and the answers."""

    layers: Dict[str, Excitation]
    answers: Answers


def excitation(net, batches, paths):
    """Find in one pass over a data set what excites the channels of layers, and what the network answers.

    Apart from the answers, memory does not grow with the number of images: of each channel :data:`KEPT` numbers are
    kept, and what a layer gives for a batch is looked at and dropped before the next layer is run.

    Parameters
    ----------
    net : Block
        As for :func:`gluon_cnn.inspection.layers.activations`.
    batches : iterable of (X, y)
        Such as :class:`gluon_cnn.data.batches.Batches` of test images, in their order.
    paths : list of str
        The layers.

    Returns
    -------
    Pass
        The patch that channel c sees in its strongest image is
        ``receptive_fields(net, shape, paths)[path].patch(*found.layers[path].positions[c, 0]).cut(image)``.

    Raises
    ------
    ModelError, DataError
        As :func:`gluon_cnn.inspection.layers.activations` and :func:`gluon_cnn.inspection.answers.answers`; also if a
        layer's output is neither N×C×H×W nor N×C.
    """
    strongest = {path: _Strongest(path) for path in paths}
    logits, labels = [], []
    with runner(net, {path: one.look for path, one in strongest.items()}, compiled=True) as run_batch:
        for X, y in _in_parts(batches):
            logits.append(run_batch(X))
            labels.append(as_numpy(y).ravel())
            first = sum(map(len, labels[:-1]))
            for one in strongest.values():
                one.take(first + np.arange(len(labels[-1])), labels[-1])
    if not logits:
        raise DataError("There are no images, so none excites a channel: the data are empty or were used up.")
    answers = checked(np.concatenate(logits), np.concatenate(labels))
    counts = np.bincount(answers.labels, minlength=answers.logits.shape[1])
    return Pass({path: one.result(counts) for path, one in strongest.items()}, answers)


def _in_parts(batches):
    """The batches in parts, in which a network computes faster layer by layer, and in less memory."""
    for X, y in batches:
        X = X if hasattr(X, "shape") else np.asarray(X)
        size = max(1, _PIXELS // max(1, math.prod(X.shape[2:])))
        for first in range(0, len(X), size):
            yield X[first : first + size], y[first : first + size]


def selectivity(found):
    """How many classes each channel answers to, from 1 to their number.

    Of the channel's strongest images, as many as :data:`KEPT` or as the smallest class has, p is the share of each
    class: then it is 1 / Σp², Simpson's effective number of classes. It is 1 if all are of one class, and k if they are
    evenly of k classes. Of images drawn without regard to their class it is a little below the number of classes: 9.2
    of 10 for a hundred images.

    Parameters
    ----------
    found : Excitation

    Returns
    -------
    np.ndarray
        float, one for each channel; not a number for a dead one.
    """
    labels = found.labels[:, : counted_images(found)]
    shares = np.stack([(labels == label).mean(axis=1) for label in range(len(found.class_counts))], axis=1)
    effective = 1 / (shares**2).sum(axis=1)
    effective[found.dead] = np.nan
    return effective


def counted_images(found):
    """Of how many of a channel's strongest images :func:`selectivity` counts the classes."""
    return min(found.labels.shape[1], int(found.class_counts[found.class_counts > 0].min()))


class _Strongest:
    """The images so far that excite each channel of a layer most.

    Where a number is in the layer's output follows from the largest numbers of its rows and columns, and is looked up
    only where these are several, because to fetch a map takes as long as to compute a small layer.
    """

    def __init__(self, path):
        self.path = path
        self.held = None  # values, images, labels, rows, columns, each channels×kept
        self.alive = None

    def look(self, output):
        """Look at what the layer gives for a batch; of a layer that is run several times, the last output counts."""
        output = output.as_nd_ndarray()
        if output.ndim not in (2, 4) or not output.size:
            size = "×".join(map(str, output.shape))
            raise ModelError(f"The layer {self.path} gives {size}, neither N×C×H×W nor N×C: name another.", "layers")
        rows = None if output.ndim == 2 else _pooled(output, (1, output.shape[3]), "max")  # the largest number of each
        self.largest = output.asnumpy() if rows is None else rows.max(axis=2)
        self.order = np.argsort(-self.largest, axis=0, kind="stable")[:KEPT].T  # channels×kept, images of the batch
        self.places = np.zeros((2, *self.order.shape), int)
        if rows is not None:
            self._find_places(output, rows)
        self.not_zero = (self.largest != 0).any(axis=0)
        known = self.not_zero if self.alive is None else self.not_zero | self.alive
        if rows is not None and not known.all():  # numbers that are never above 0 are all 0 if their mean is
            self.not_zero |= (_pooled(output, output.shape[2:], "avg") != 0).any(axis=(0, 2))

    def _find_places(self, output, rows):
        """The row and column of those numbers that will be among the first."""
        best = np.take_along_axis(self.largest.T, self.order[:, :SHOWN], axis=1)
        enough = self.held is not None and self.held[0].shape[1] >= SHOWN
        channel, rank = np.nonzero(best > (self.held[0][:, SHOWN - 1 : SHOWN] if enough else -np.inf))
        if not len(channel):
            return
        image, value = self.order[channel, rank], best[channel, rank, np.newaxis]
        columns = _pooled(output, (output.shape[2], 1), "max")
        in_rows, in_columns = (largest[image, channel] == value for largest in (rows, columns))
        places = np.stack([in_rows.argmax(axis=1), in_columns.argmax(axis=1)])
        # In several rows and several columns: the first of them may be of two numbers.
        several = (in_rows.sum(axis=1) > 1) & (in_columns.sum(axis=1) > 1)
        if several.any():
            where = mx.nd.array(np.stack([image, channel])[:, several], ctx=output.ctx)
            maps = mx.nd.gather_nd(output, where).asnumpy()
            places[:, several] = np.divmod(maps.reshape(len(maps), -1).argmax(axis=1), maps.shape[2])
        self.places[:, channel, rank] = places

    def take(self, images, labels):
        """Merge the strongest so far with those of the batch that was looked at."""
        values = np.take_along_axis(self.largest.T, self.order, axis=1)
        new = [values, images[self.order], labels[self.order], *self.places]
        alive = self.not_zero if self.alive is None else self.not_zero | self.alive
        if self.held is not None and self.held[0].shape[1] == KEPT:
            changing = np.flatnonzero(values[:, 0] > self.held[0][:, -1])  # the channels, which become ever fewer
            merged = _merged([part[changing] for part in self.held], [part[changing] for part in new])
            for part, rows in zip(self.held, merged):
                part[changing] = rows
        else:
            self.held = new if self.held is None else _merged(self.held, new)
        self.alive = alive

    def result(self, counts):
        values, images, labels, *places = self.held
        positions = np.stack(places, axis=-1)[:, :SHOWN]
        return Excitation(values, images, labels, positions, np.flatnonzero(~self.alive), counts)


def _merged(held, new):
    """The strongest of both, channels×kept; of equal ones the first in the data set."""
    both = [np.concatenate(pair, axis=1) for pair in zip(held, new)]
    order = np.argsort(-both[0], axis=1, kind="stable")[:, :KEPT]
    return [np.take_along_axis(part, order, axis=1) for part in both]


def _pooled(output, window, operation):
    """The ``max`` or mean (``avg``) in each window as high or as wide as the map, N×channels×windows. By pooling, which
    oneDNN does faster than MXNet any reduction, and than to fetch the maps, which lie in an order of its own."""
    pooled = mx.nd.Pooling(output, kernel=window, pool_type=operation).asnumpy()
    return pooled.reshape(*output.shape[:2], -1)

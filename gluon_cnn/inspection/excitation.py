"""Which images excite the channels of a network's layers most, where in them, and of how many classes they are."""

import dataclasses
from typing import Dict

import numpy as np

from gluon_cnn.checks import whole_number
from gluon_cnn.errors import DataError, ModelError
from gluon_cnn.inspection.layers import as_numpy, run

__all__ = ["Excitation", "excitation", "selectivity"]

SHOWN, KEPT = 9, 100  # images of each channel: that are shown, and whose classes are counted


@dataclasses.dataclass
class Excitation:
    """What excites each channel of one layer, strongest first.

    A channel's excitation by an image is its largest number in it, over all positions.

    Attributes
    ----------
    values : np.ndarray
        channels×kept, float.
    images : np.ndarray
        int channels×kept: the number of the image in the data set, from 0.
    positions : np.ndarray
        int channels×kept×2: row and column of that number in the layer's output; (0, 0) after a dense layer.
    labels : np.ndarray
        int channels×kept: the image's class.
    dead : np.ndarray
        The channels that gave exactly 0 everywhere in every image, as a unit after a ReLU does that is never above 0.
    class_counts : np.ndarray
        int: how many images of each class there were.
    """

    values: np.ndarray
    images: np.ndarray
    positions: np.ndarray
    labels: np.ndarray
    dead: np.ndarray
    class_counts: np.ndarray


def excitation(net, batches, paths, kept=KEPT):
    """Find in one pass over a data set what excites the channels of layers.

    Memory does not grow with the number of images: of each channel ``kept`` numbers are kept, and of each batch what
    one layer gives is looked at and dropped before the next layer is run.

    Parameters
    ----------
    net : Block
        As for :func:`gluon_cnn.inspection.layers.activations`.
    batches : iterable of (X, y)
        Such as :class:`gluon_cnn.data.batches.Batches` of test images, in their order.
    paths : list of str
        The layers.
    kept : int
        How many images of each channel.

    Returns
    -------
    dict
        Path to :class:`Excitation`. The patch that channel c sees in its strongest image is
        ``receptive_fields(net, shape, paths)[path].patch(*found.positions[c, 0]).cut(image)``.

    Raises
    ------
    ModelError, DataError
        As :func:`gluon_cnn.inspection.layers.activations`; also if a layer's output has neither channels with rows and
        columns nor numbers alone, or there are no images.
    """
    kept = whole_number("kept", kept)
    strongest: Dict[str, _Strongest] = {path: _Strongest(path, kept) for path in paths}
    counts, first = np.zeros(0, int), 0
    for X, y in batches:
        labels = as_numpy(y).astype(int)
        found = {}  # of a layer that is run several times, the last output

        def receiver(path, found=found):
            def receive(array):
                found[path] = strongest[path].of_batch(array)

            return receive

        run(net, X, {path: receiver(path) for path in paths})
        for path, of_batch in found.items():
            strongest[path].add(of_batch, first + np.arange(len(labels)), labels)
        more = np.bincount(labels)
        counts = np.pad(counts, (0, max(0, len(more) - len(counts))))
        counts[: len(more)] += more
        first += len(labels)
    if not first:
        raise DataError("There are no images, so none excites a channel: the data are empty or were used up.")
    return {path: one.result(counts) for path, one in strongest.items()}


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
    several = found.class_counts[found.class_counts > 0].min()
    labels = found.labels[:, : min(KEPT, several)]
    shares = np.stack([(labels == label).mean(axis=1) for label in range(len(found.class_counts))], axis=1)
    effective = 1 / (shares**2).sum(axis=1)
    effective[found.dead] = np.nan
    return effective


class _Strongest:
    """The images so far that excite each channel of a layer most."""

    def __init__(self, path, kept):
        self.path, self.kept = path, kept
        self.values = None

    def of_batch(self, array):
        """Each image's largest number in each channel, N×channels, its position, and which channels were not all 0."""
        if array.ndim not in (2, 4) or not array.size:
            size = "×".join(map(str, array.shape))
            raise ModelError(f"The layer {self.path} gives {size}, neither N×C×H×W nor N×C: name another.", "layers")
        flat = array.reshape(*array.shape[:2], -1)
        place = flat.argmax(axis=2)
        largest = np.take_along_axis(flat, place[..., np.newaxis], axis=2)[..., 0]
        alive = (largest != 0).any(axis=0)
        quiet = np.flatnonzero(~alive)  # which may have been negative
        alive[quiet] = (flat[:, quiet].min(axis=2) != 0).any(axis=0)
        columns = array.shape[3] if array.ndim == 4 else 1
        return largest, np.stack(np.divmod(place, columns), axis=-1), alive

    def add(self, of_batch, images, labels):
        """Take the strongest of those so far and those of a batch."""
        largest, positions, alive = of_batch
        channels = largest.shape[1]
        new = (
            largest.T,
            np.broadcast_to(images, (channels, len(images))),
            positions.transpose(1, 0, 2),
            np.broadcast_to(labels, (channels, len(labels))),
        )
        if self.values is None:
            self.alive, self.held = alive, new
        else:
            self.alive = self.alive | alive
            self.held = tuple(np.concatenate(pair, axis=1) for pair in zip(self.held, new))
        self.values = self.held[0]
        # Stable, so that of equally strong images the first in the data set counts.
        order = np.argsort(-self.values, axis=1, kind="stable")[:, : self.kept]
        self.held = tuple(
            np.take_along_axis(part, order if part.ndim == 2 else order[..., np.newaxis], axis=1) for part in self.held
        )

    def result(self, counts):
        return Excitation(*self.held, np.flatnonzero(~self.alive), counts)

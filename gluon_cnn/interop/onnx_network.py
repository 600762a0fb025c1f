"""A network in an ONNX file, run by ONNX Runtime in the place of a Gluon network."""

import dataclasses
import logging
from pathlib import Path

import msgspec
import mxnet as mx
import numpy as np
from scipy.special import softmax

from gluon_cnn.data import DATA_SETS
from gluon_cnn.data.batches import make_batches
from gluon_cnn.data.inputs import Inputs
from gluon_cnn.errors import InteropError, Malformed
from gluon_cnn.interop.metadata import read_metadata
from gluon_cnn.interop.onnx_process import OnnxProcess
from gluon_cnn.runtime import prepare_to_fork
from gluon_cnn.training.manifest import State

__all__ = ["PRODUCER", "OnnxNetwork", "is_onnx", "refuse_undecodable"]

log = logging.getLogger(__name__)

PRODUCER = "gluon-cnn"
_MOST_IMAGES, _MOST_PIXELS = 128, 1 << 19  # of a batch, for a file that takes any number
_LARGEST_BATCH = 25 << 20  # bytes: 128 images of 224×224 in float32
_FLOATS = ("tensor(float)", "tensor(float16)", "tensor(double)")
_PROBABILITIES = ("Softmax", "Sigmoid", "HardSigmoid")  # what gives them
_ROUNDING = 1e-3  # how far from 1 the sum of probabilities may be, in float16


def is_onnx(path):
    """Whether a path looks like that of an ONNX file."""
    return Path(path).suffix.lower() == ".onnx" and not Path(path).is_dir()


def refuse_undecodable(path):
    """InteropError for a path that is not UTF-8, because ONNX's own libraries take no other."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InteropError(
            f"{path} is not UTF-8, and ONNX opens no such path: name another file, or rename its directory.", "out"
        ) from None


class OnnxNetwork:
    """A network in an ONNX file, from this package or from elsewhere, run on the CPU in a process of its own.

    It is called as a Gluon network is: with a batch of its ``inputs``, for what the file gives, N×classes logits or
    probabilities.

    Parameters
    ----------
    path : path
        One input, float32 N×C×H×W, or uint8 N×H×W or N×H×W×3 as the data set stores its images. Of its outputs one is
        N×classes in float16, float32 or float64. N may be fixed.
    dataset : DatasetInfo, optional
        What it classifies. By default the data set that the file describes, or Fashion-MNIST if it does not.
    classes : int, optional
        How many outputs it has, by default as many as the data set has classes, or as the file says, if this package
        wrote it.

    Attributes
    ----------
    inputs : Inputs
        What it takes: images of which data set, in which form. A file that takes bytes does to them itself what its
        run did.
    metadata : dict
        What the file says about itself, if this package wrote it.
    state : State or None
        Where its run stood when it was exported, ``epoch`` and ``step``; None if the file does not say.
    data : str
        Which of :data:`gluon_cnn.data.DATA_SETS` it was trained on, ``full`` if the file does not say.
    release : str or None
        Which release of it; None if the file does not say.

    Raises
    ------
    InteropError
        If there is no such file, it is damaged or of another network, it needs too much memory or time, or a package is
        missing.
    """

    def __init__(self, path, dataset=None, classes=None):
        self.path = Path(path)
        if not self.path.is_file():
            wrong = f"{self.path} is not a regular file" if self.path.exists() else f"There is no file {self.path}"
            raise InteropError(f"{wrong}: name an ONNX file, or a run's directory.")
        refuse_undecodable(self.path)
        prepare_to_fork()
        self._process = OnnxProcess(self.path)
        model = self._process.model
        self.metadata = model["metadata"] if model["producer"] == PRODUCER else {}
        self._read_metadata()
        dataset = dataset or self._dataset or DATA_SETS[self.data].info
        self._classes = classes or self._outputs or len(dataset.classes)
        if len(model["inputs"]) != 1:
            raise self._other(dataset, f"it has {len(model['inputs'])} inputs, not one")
        (taken,) = model["inputs"]
        self._takes_bytes = taken[1] == "tensor(uint8)"
        if self._takes_bytes:
            dataset = dataclasses.replace(dataset, mean=None, deviation=None, cropped=False)
        self.inputs, self._size = Inputs(dataset, self._side(taken, dataset)), _fixed(taken[2][0])
        self._refuse_large_batches(dataset)
        self._output = self._choose_output(model["outputs"], dataset)
        self._last, *self._after = model["last"].get(self._output, [""])
        if self._names not in (None, dataset.classes):
            raise self._other(dataset, "it has other classes")

    @property
    def batch_size(self):
        """Images that are computed together: as the file fixes it, or as memory allows."""
        return self._size or max(1, min(_MOST_IMAGES, _MOST_PIXELS // self.inputs.side**2))

    def _side(self, taken, dataset):
        """Height and width of the images in a batch."""
        _, kind, shape = taken
        sizes, stored = [_fixed(size) for size in shape], Inputs(dataset, dataset.side).stored
        if self._takes_bytes and sizes[1:] == list(stored) and sizes[0] != 0:
            return dataset.side
        if kind == "tensor(float)" and len(sizes) == 4 and sizes[1] == dataset.channels:
            side = sizes[2]
            if side and side == sizes[3] and sizes[0] != 0:
                return side
        expected = f"float32 N×{dataset.channels}×H×H or uint8 N×{'×'.join(map(str, stored))}"
        raise self._other(dataset, f"it takes {_in_words(taken)}, not {expected}")

    def _refuse_large_batches(self, dataset):
        """InteropError if a file fixes batches, or images, that are too large to make."""
        size, side = self._size or 1, self.inputs.side
        if size * side**2 * dataset.channels * (1 if self._takes_bytes else 4) > _LARGEST_BATCH:
            raise InteropError(
                f"{self.path} takes batches of {size} images of {side}×{side}, more than {_LARGEST_BATCH >> 20} MB: "
                "export it for batches of any size, or for smaller images."
            )

    def _choose_output(self, outputs, dataset):
        """The name of the one output that can be the classes' numbers."""
        expected = f"float32 N×{self._classes}"
        fit = [
            name
            for name, kind, shape in outputs
            if kind in _FLOATS and len(shape) == 2 and _fixed(shape[1]) in (None, self._classes)
        ]
        if len(fit) == 1:
            return fit[0]
        if fit:
            raise self._other(dataset, f"it gives {expected} {len(fit)} times: export it with one of them")
        raise self._other(dataset, f"it gives {', '.join(map(_in_words, outputs)) or 'nothing'}, not {expected}")

    def _read_metadata(self):
        """Read what an export wrote; the file may have been changed since."""
        try:
            described = read_metadata(self.metadata)
        except Malformed as error:
            raise InteropError(f"{self.path} has metadata that cannot be read ({error}): export it again.") from None
        recipe = described.recipe
        self._names, self._dataset, self._outputs = described.classes, described.dataset, described.outputs
        self.data, self.release, self._recipe = recipe.data, recipe.release, recipe
        self.state = None if described.epoch is None else State({}, described.epoch, described.step)

    def _other(self, dataset, reason):
        return InteropError(f"{self.path} is not a network for {dataset.name}: {reason}.")

    def __call__(self, X):
        """What the file gives, N×classes, for a batch of ``inputs``."""
        return (mx.np.array if mx.util.is_np_array() else mx.nd.array)(self._run(self._batch(X)))

    def probabilities(self, X):
        """Probabilities of the classes, a NumPy array N×classes, of a batch of ``inputs``.

        Those that the file gives, if it ends with a softmax or a sigmoid, or if the numbers of each image are at least
        0 and add up to 1; divided by their sum if it scales its softmax, as to per cent. Otherwise the softmax of what
        it gives.
        """
        found = self._run(self._batch(X))
        is_scaled = bool({"Mul", "Div"} & set(self._after))
        if _are_probabilities(found) or (self._last in _PROBABILITIES and not is_scaled):
            return found
        sums = found.sum(axis=1, keepdims=True)
        if self._last == "Softmax" and (found >= 0).all() and (sums > 0).all():
            return found / sums
        return softmax(found, axis=1)

    def logits(self, images):
        """What the file gives, a NumPy array N×classes, for images uint8 as the data set stores them."""
        return self._run(images if self._takes_bytes else self.inputs.batch(images).asnumpy())

    def _batch(self, X):
        """A batch as the file takes it."""
        batch = X.asnumpy()
        return self.inputs.bytes_of(batch) if self._takes_bytes else batch

    def _run(self, batch):
        size, found = self.batch_size, []
        for start in range(0, len(batch), size):
            part = batch[start : start + size]
            filling = size - len(part) if self._size else 0
            filled = np.concatenate([part, np.repeat(part[-1:], filling, axis=0)]) if filling else part
            numbers = self._process.run(self._output, filled)
            self._check(numbers, (len(filled), self._classes))
            found.append(numbers[: len(part)])
        return np.concatenate(found)

    def _check(self, numbers, expected):
        """InteropError if an output is not what it should be."""
        dataset = self.inputs.dataset
        if numbers.shape != expected:
            raise self._other(dataset, f"it gives {numbers.shape} for {expected[0]} images, not {expected}")
        if not np.isfinite(numbers).all():
            raise self._other(dataset, "it gives numbers that are not finite")
        shares = {"Softmax": lambda: numbers, "LogSoftmax": lambda: np.exp(numbers)}.get(self._last)
        is_changed = bool({"Clip", "Mul", "Div"} & set(self._after))
        if shares and not is_changed and not _are_probabilities(shares()):
            raise self._other(dataset, "its softmax is not over the classes")

    def test_images(self, root=None, release=None):
        """Batches of the test images that its accuracy was measured on, or of all where the file does not say which."""
        recipe = msgspec.structs.replace(self._recipe, release=release or self.release)
        inputs = self.inputs
        if self._dataset:
            recipe.image_channels = self._dataset.channels
        dataset = DATA_SETS[self.data].read(root, recipe)
        if not dataset.info.is_like(inputs.dataset):
            raise self._other(
                dataset.info, f"it was trained on {inputs.dataset.name}, which has other images or classes"
            )
        if dataset.left_out:
            log.warning(dataset.left_out)
        dataset = dataset._replace(info=inputs.dataset)
        options = {"crop": inputs.crop, "test_size": recipe.test_size, "ctx": mx.cpu()}
        return make_batches(dataset, self.batch_size, inputs.resize, **options)[1]


def _are_probabilities(rows):
    return bool((rows >= 0).all() and np.allclose(rows.sum(axis=1), 1, rtol=0, atol=_ROUNDING))


def _fixed(size):
    """A size that the file fixes; None for a free one, which has a name, nothing, or a number below 0."""
    return size if isinstance(size, int) and size >= 0 else None


def _in_words(end):
    """A line about an input or an output, however its sizes are named."""
    _, kind, shape = end
    names = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}
    sizes = "×".join("?" if size is None or not str(size).isprintable() else str(size)[:20] for size in shape)
    return f"{names.get(kind, kind)} {sizes}".rstrip()

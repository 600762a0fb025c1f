"""A network in an ONNX file, run by ONNX Runtime in the place of a Gluon network."""

import re
from pathlib import Path

import mxnet as mx
import numpy as np

from gluon_cnn.data import DATA_SETS
from gluon_cnn.data.batches import make_batches
from gluon_cnn.errors import InteropError, Malformed
from gluon_cnn.interop.extras import import_extra
from gluon_cnn.interop.inputs import Inputs
from gluon_cnn.interop.metadata import read_metadata
from gluon_cnn.runtime import threads
from gluon_cnn.training.checkpoint import State

__all__ = ["PRODUCER", "OnnxNetwork", "is_onnx"]

PRODUCER = "gluon-cnn"
_BATCH_SIZE = 128  # images, for a file that takes any number
_FATAL = 4  # the only errors that ONNX Runtime logs; the others become exceptions


def is_onnx(path):
    """Whether a path looks like that of an ONNX file."""
    return Path(path).suffix == ".onnx" and not Path(path).is_dir()


class OnnxNetwork:
    """A network in an ONNX file, from this package or from elsewhere, run on the CPU.

    It is called as a Gluon network is: with a batch of its ``inputs``, for N×classes logits.

    Parameters
    ----------
    path : path
        One input, float32 N×C×H×W or uint8 N×H×W as the data set stores its images, and one output, float32 N×classes.
        N may be fixed.
    dataset : DatasetInfo, optional
        What it classifies. By default the data set that the file names, or Fashion-MNIST if it names none.

    Attributes
    ----------
    inputs : Inputs
        What it takes: images of which data set, resized to how many pixels.
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
        If there is no such file, it is damaged or of another network, or the package onnxruntime is missing.
    """

    def __init__(self, path, dataset=None):
        self.path = Path(path)
        self._session = self._open(import_extra("onnxruntime", "onnx"))
        self._read_metadata()
        dataset = dataset or DATA_SETS[self.data].info
        self._classes = len(dataset.classes)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise self._other(dataset, f"it has {len(inputs)} inputs and {len(outputs)} outputs, not one of each")
        self._input, self._takes_bytes = inputs[0].name, inputs[0].type == "tensor(uint8)"
        self.inputs, self._size = Inputs(dataset, self._side(inputs[0], dataset)), _fixed(inputs[0].shape[0])
        if len(outputs[0].shape) != 2 or _fixed(outputs[0].shape[1]) not in (None, self._classes):
            raise self._other(dataset, f"it gives {_in_words(outputs[0])}, not float32 N×{self._classes}")
        if self._names not in (None, dataset.classes):
            raise self._other(dataset, "it has other classes")

    def _open(self, onnxruntime):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads()
        options.log_severity_level = _FATAL
        if not self.path.is_file():
            raise InteropError(f"There is no file {self.path}: name an ONNX file, or a run's directory.")
        try:
            return onnxruntime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's exceptions have no base class of their own
            raise InteropError(
                f"{self.path} is not a file that ONNX Runtime can run ({_reason(error)}): name a complete ONNX file."
            ) from None

    def _side(self, taken, dataset):
        """Height and width of the images in a batch."""
        sizes, stored = [_fixed(size) for size in taken.shape], [dataset.side, dataset.side]
        if self._takes_bytes and sizes[1:] == stored:
            return dataset.side
        if taken.type == "tensor(float)" and len(sizes) == 4 and sizes[1] == dataset.channels:
            side = sizes[2]
            if side and side == sizes[3]:
                return side
        expected = f"float32 N×{dataset.channels}×H×H or uint8 N×{dataset.side}×{dataset.side}"
        raise self._other(dataset, f"it takes {_in_words(taken)}, not {expected}")

    def _read_metadata(self):
        """Read what an export wrote; the file may have been changed since."""
        try:
            meta = self._session.get_modelmeta()
            self.metadata = meta.custom_metadata_map if meta.producer_name == PRODUCER else {}
            described = read_metadata(self.metadata)
        except (Malformed, UnicodeDecodeError) as error:
            raise InteropError(f"{self.path} has metadata that cannot be read ({error}): export it again.") from None
        recipe = described.recipe
        self._names, self.data, self.release = described.classes, recipe.data, recipe.release
        self._test_size = recipe.test_size
        self.state = None if described.epoch is None else State({}, described.epoch, described.step)

    def _other(self, dataset, reason):
        return InteropError(f"{self.path} is not a network for {dataset.name}: {reason}.")

    def __call__(self, X):
        """Logits, N×classes, of a batch of ``inputs``."""
        batch = X.asnumpy()
        if self._takes_bytes:  # the bytes that the batch was made of
            batch = np.rint(batch[:, 0] * 255).astype(np.uint8)
        return (mx.np.array if mx.util.is_np_array() else mx.nd.array)(self._run(batch))

    def logits(self, images):
        """Logits, a NumPy array N×classes, of images uint8 N×H×W as the data set stores them."""
        return self._run(images if self._takes_bytes else self.inputs.batch(images).asnumpy())

    def _run(self, batch):
        size = self._size or len(batch)
        found = []
        for start in range(0, len(batch), size):
            part = batch[start : start + size]
            filled = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
            try:
                logits = self._session.run(None, {self._input: filled})[0]
            except Exception as error:  # as above
                raise InteropError(f"{self.path} cannot be run ({_reason(error)}).") from None
            if logits.shape != (size, self._classes):
                expected = (size, self._classes)
                raise self._other(self.inputs.dataset, f"it gives {logits.shape} for {size} images, not {expected}")
            found.append(logits[: len(part)])
        return np.concatenate(found)

    def test_images(self, root=None, release=None):
        """Batches of the test images that its accuracy was measured on, or of all where the file does not say which."""
        dataset = DATA_SETS[self.data].read(root, release or self.release)
        return make_batches(dataset, _BATCH_SIZE, self.inputs.resize, test_size=self._test_size, ctx=mx.cpu())[1]


def _reason(error):
    """ONNX Runtime's message, without the place in its own code."""
    said = re.sub(r"^.*failed:(/\S+ .*\) )?", "", " ".join(str(error).split()))
    return said.rstrip(".")


def _fixed(size):
    """A size that the file fixes; None for a free one, which has a name or nothing."""
    return size if isinstance(size, int) else None


def _in_words(end):
    names = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}
    return f"{names.get(end.type, end.type)} {'×'.join(str(size or '?') for size in end.shape)}"

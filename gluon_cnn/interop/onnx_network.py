"""A network in an ONNX file, run by ONNX Runtime where a Gluon network would be."""

import json
import re
from pathlib import Path

import mxnet as mx
import numpy as np

from gluon_cnn._runtime import threads
from gluon_cnn.checks import choice, whole_number
from gluon_cnn.data import CLASSES, SAMPLE, load_data_fashion_mnist, to_batch
from gluon_cnn.data.fashion_mnist import SIDE
from gluon_cnn.errors import GluonCNNError, InteropError
from gluon_cnn.interop.extras import import_extra

__all__ = ["PRODUCER", "OnnxNetwork", "is_onnx"]

PRODUCER = "gluon-cnn"
BATCH_SIZE = 128  # images, of a file that takes any number
QUIET = 4  # ONNX Runtime's fatal errors only: the others become exceptions


def is_onnx(path):
    """Whether a path is meant as an ONNX file's."""
    return Path(path).suffix == ".onnx" and not Path(path).is_dir()


class OnnxNetwork:
    """A network for Fashion-MNIST in an ONNX file, from here or from elsewhere, run on the CPU.

    It is called as a Gluon network is: with a batch N×1×H×W in [0, 1], H and W being ``resize``, for N×10 logits.

    Parameters
    ----------
    path : path
        One input, float32 N×1×H×W or uint8 N×28×28, and one output, float32 N×10. N may be fixed.

    Attributes
    ----------
    resize : int or None
        What a batch for it is to be resized to, as for :func:`gluon_cnn.data.to_batch`.
    metadata : dict
        What the file says of itself, if this package wrote it.
    state : dict
        Of such a file, ``epoch`` and ``step`` at which it was exported.
    data : {"full", "sample"}
        Which data set it was trained on, as far as it says.

    Raises
    ------
    InteropError
        If there is no such file, it is damaged or of another network, or the package onnxruntime is missing.
    """

    def __init__(self, path):
        self.path = Path(path)
        self._session = self._open(import_extra("onnxruntime", "onnx"))
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise self._other(f"it has {len(inputs)} inputs and {len(outputs)} outputs, not one of each")
        self._input, self._takes_bytes = inputs[0].name, inputs[0].type == "tensor(uint8)"
        self._size, self.resize = self._sizes_of(inputs[0])
        if len(outputs[0].shape) != 2 or _fixed(outputs[0].shape[1]) not in (None, len(CLASSES)):
            raise self._other(f"it gives {_described(outputs[0])}, not float32 N×{len(CLASSES)}")
        meta = self._session.get_modelmeta()
        self.metadata = meta.custom_metadata_map if meta.producer_name == PRODUCER else {}
        self._read_metadata()

    def _open(self, onnxruntime):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads()
        options.log_severity_level = QUIET
        if not self.path.is_file():
            raise InteropError(f"There is no file {self.path}: name an ONNX file, or a run's directory.")
        try:
            return onnxruntime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's have no base of their own
            raise InteropError(
                f"{self.path} is no ONNX file that ONNX Runtime can run ({_reason(error)}): name one that is whole."
            ) from None

    def _sizes_of(self, taken):
        """How many images a batch has (None for any number), and what they are to be resized to."""
        sizes = [_fixed(size) for size in taken.shape]
        if self._takes_bytes and sizes[1:] == [SIDE, SIDE]:
            return sizes[0], None
        if taken.type == "tensor(float)" and len(sizes) == 4 and sizes[1] == 1 and sizes[2] and sizes[2] == sizes[3]:
            return sizes[0], None if sizes[2] == SIDE else sizes[2]
        raise self._other(f"it takes {_described(taken)}, not float32 N×1×H×H or uint8 N×{SIDE}×{SIDE}")

    def _read_metadata(self):
        """What an export wrote; the file may have been changed since."""
        self.data, self.state, self._test_size = "full", {}, None
        try:
            if json.loads(self.metadata.get("classes", "null")) not in (None, list(CLASSES)):
                raise self._other("its classes are not Fashion-MNIST's")
            recipe = json.loads(self.metadata.get("recipe", "{}"))
            self.data = choice("data", recipe.get("data", "full"), ("full", "sample"))
            if recipe.get("test_size") is not None:
                self._test_size = whole_number("test_size", recipe["test_size"])
            if "epoch" in self.metadata:
                self.state = {name: int(self.metadata[name]) for name in ("epoch", "step")}
        except InteropError:
            raise
        except (ValueError, AttributeError, KeyError, TypeError, GluonCNNError) as error:
            raise InteropError(f"{self.path} has metadata that cannot be read ({error}): export it anew.") from None

    def _other(self, reason):
        return InteropError(f"{self.path} is of another network: {reason}.")

    def __call__(self, X):
        """Logits, N×10, of a batch as :func:`gluon_cnn.data.to_batch` makes it with ``resize``."""
        batch = X.asnumpy()
        if self._takes_bytes:  # which a batch of 28×28 is, divided by 255
            batch = np.rint(batch[:, 0] * 255).astype(np.uint8)
        return (mx.np.array if mx.util.is_np_array() else mx.nd.array)(self._run(batch))

    def logits(self, images):
        """Logits, a NumPy array N×10, of images uint8 N×28×28."""
        return self._run(images if self._takes_bytes else to_batch(images, self.resize).asnumpy())

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
            if logits.shape != (size, len(CLASSES)):
                raise self._other(f"it gives {logits.shape} for {size} images, not {(size, len(CLASSES))}")
            found.append(logits[: len(part)])
        return np.concatenate(found)

    def test_images(self, root=None):
        """The test images that its accuracy was measured on, or all of Fashion-MNIST's, in batches for it."""
        root = SAMPLE if self.data == "sample" else root
        return load_data_fashion_mnist(BATCH_SIZE, self.resize, root, test_size=self._test_size, ctx=mx.cpu())[1]


def _reason(error):
    """What ONNX Runtime says, without where in its own code it says it."""
    said = re.sub(r"^.*failed:(/\S+ .*\) )?", "", " ".join(str(error).split()))
    return said.rstrip(".")


def _fixed(size):
    """A size that the file fixes; None for one that is open, which has a name or nothing."""
    return size if isinstance(size, int) else None


def _described(end):
    names = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}
    return f"{names.get(end.type, end.type)} {'×'.join(str(size or '?') for size in end.shape)}"

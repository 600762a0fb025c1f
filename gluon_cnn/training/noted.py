"""What a network answers while something else runs it over the test images."""

import mxnet as mx
import numpy as np

from gluon_cnn.training.answers import kept_answers

__all__ = ["NotedAnswers"]


class NotedAnswers:
    """A network that notes its answers. Nothing waits for the device, where an answer and its probability are kept for
    each image.

    Parameters
    ----------
    net : callable
        N×C×H×W to N×classes logits.
    """

    def __init__(self, net):
        self.net, self._noted, self._classes = net, [], 0

    def __call__(self, X):
        output = self.net(X)
        logits = output.as_nd_ndarray().astype("float32")
        self._classes = logits.shape[1]
        self._noted.append((logits.argmax(axis=1), mx.nd.softmax(logits, axis=1).max(axis=1)))
        return output

    def of(self, batches, epoch):
        """The :class:`gluon_cnn.training.answers.KeptAnswers` after an epoch, once the network has seen all batches."""
        answers, confidence = (np.concatenate([part.asnumpy() for part in parts]) for parts in zip(*self._noted))
        labels = np.asarray(batches.labels)
        return kept_answers(epoch, self._classes, labels, answers.astype(int), confidence, batches.images)

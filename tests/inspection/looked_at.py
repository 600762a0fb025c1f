"""What the tests of figures and of the page look at: small networks, images and answers with a planted truth."""

import mxnet as mx
import numpy as np
from mxnet.gluon import nn

from gluon_cnn.data import DatasetInfo, Part
from gluon_cnn.data.inputs import Inputs
from gluon_cnn.inspection.answers import Answers

CLASSES = ("cat", "dog", "cow & calf", "<b>emu</b>")


class ColourInputs(Inputs):
    """Inputs of colour images, N×H×W×3."""

    def batch(self, images):
        return mx.nd.array(images.transpose(0, 3, 1, 2) / np.float32(255))


def inputs(side=12, channels=1, classes=CLASSES):
    info = DatasetInfo("made up", classes, channels, side)
    return (Inputs if channels == 1 else ColourInputs)(info, side)


def part(number=40, side=12, channels=1, classes=4):
    """Images of noise, and labels in turn."""
    random = np.random.RandomState(0)
    shape = (number, side, side) if channels == 1 else (number, side, side, channels)
    return Part(random.randint(0, 256, shape).astype(np.uint8), np.arange(number) % classes)


def known_answers():
    """Of 20 images of each class all are right, but 7 dogs are taken for cats, and one cat for a cow."""
    labels = np.repeat(np.arange(4), 20)
    predicted = labels.copy()
    predicted[20:27], predicted[5] = 0, 2
    logits = np.zeros((80, 4), "float32")
    logits[np.arange(80), predicted] = 2 + 0.01 * np.arange(80)
    logits[5, 2] = 9  # the surest mistake
    logits[60, 3] = 0.1  # the right answer that is least sure
    return Answers(logits, labels)


def small_network(channels=4, classes=4, side=12, colours=1):
    """A convolution of whose channels number 2 is dead, and a dense layer."""
    mx.random.seed(0)
    net = nn.HybridSequential()
    net.add(nn.Conv2D(channels, 5, activation="relu"), nn.MaxPool2D(2), nn.Dense(classes))
    net.initialize(mx.init.Xavier())
    net(mx.nd.zeros((1, colours, side, side)))
    bias = net[0].bias.data().asnumpy()
    bias[2] = -100
    net[0].bias.set_data(mx.nd.array(bias))
    net.hybridize()
    return net

"""A network that trains in no time, and draws random numbers: for tests, a network of one's own."""

from mxnet.gluon import nn


def net(channels=4):
    net = nn.HybridSequential()
    net.add(nn.Conv2D(channels, 3, activation="relu"), nn.MaxPool2D(4), nn.Dropout(0.5), nn.Dense(10))
    return net


class _Hidden(nn.HybridBlock):
    """Drops what it is given, which nobody sees among its layers."""

    def hybrid_forward(self, F, x):
        return F.Dropout(x, p=0.5)


def hidden():
    net = nn.Sequential()
    net.add(nn.Conv2D(2, 5, strides=4), _Hidden(), nn.Dense(10))
    return net

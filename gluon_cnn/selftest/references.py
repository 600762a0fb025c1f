"""Each kind of layer in NumPy and float64: what it computes, written down once more, for a device to be held against.

Each function takes the input and the layer's parameters, and returns the output and a function, which takes the
gradient of the output and returns those of the input and of the parameters.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

__all__ = [
    "average_pooling",
    "batch_norm",
    "batch_norm_learned",
    "concatenation",
    "convolution",
    "cross_entropy",
    "dense",
    "local_response",
    "max_pooling",
    "relu",
    "sigmoid",
    "tanh",
]


def convolution(X, W, b, *, stride=1, padding=0, groups=1):
    """A convolution, one multiplication of matrices for each place of the kernel."""
    padded = _padded(X, padding)
    places = list(np.ndindex(W.shape[2:]))
    ends = [(n - k) // stride + 1 for n, k in zip(padded.shape[2:], W.shape[2:])]
    filters, channels = W.shape[0] // groups, W.shape[1]

    def part(array, i, j):
        return array[:, :, i : i + stride * ends[0] : stride, j : j + stride * ends[1] : stride]

    def grouped(array, number):
        return array.reshape(array.shape[0], groups, number, *array.shape[2:])

    kernel = W.reshape(groups, filters, channels, *W.shape[2:])
    Y = sum(
        np.einsum("ngchw,gfc->ngfhw", grouped(part(padded, i, j), channels), kernel[..., i, j], optimize=True)
        for i, j in places
    )
    Y = Y.reshape(len(X), W.shape[0], *ends) + b[:, np.newaxis, np.newaxis]

    def gradients(G):
        of_padded, of_kernel = np.zeros_like(padded), np.zeros_like(kernel)
        above = grouped(G, filters)
        for i, j in places:
            back = np.einsum("ngfhw,gfc->ngchw", above, kernel[..., i, j], optimize=True)
            part(of_padded, i, j)[...] += back.reshape(len(X), -1, *ends)
            values = grouped(part(padded, i, j), channels)
            of_kernel[..., i, j] = np.einsum("ngfhw,ngchw->gfc", above, values, optimize=True)
        return _inside(of_padded, padding), of_kernel.reshape(W.shape), G.sum((0, 2, 3))

    return Y, gradients


def dense(X, W, b):
    """A dense layer, which takes each image's numbers as a row."""
    rows = X.reshape(len(X), -1)
    return rows @ W.T + b, lambda G: ((G @ W).reshape(X.shape), G.T @ rows, G.sum(0))


def max_pooling(X, *, size, stride, padding=0, ceil=False):
    """The largest of each window, of which the last may end outside the image (``ceil``). Its gradient goes to the one
    place that was the largest."""
    more = _outside(X, size, stride) if ceil else 0
    padded = _padded(X, padding, -np.inf, more)
    windows = _windows(padded, size, stride)
    chosen = windows.argmax(-1)

    def gradients(G):
        back = np.zeros_like(padded)
        for number, (i, j) in enumerate(np.ndindex(size, size)):
            _part(back, i, j, stride, G.shape)[...] += G * (chosen == number)
        return (_inside(back, padding, more),)

    return windows.max(-1), gradients


def average_pooling(X, *, size, stride, padding=0, ceil=False):
    """The mean of each window, zeros around the image included; of one that ends outside the image (``ceil``), the mean
    of what is inside."""
    more = _outside(X, size, stride) if ceil else 0
    padded = _padded(X, padding, more=more)
    counts = _windows(_padded(np.ones_like(padded[:, :, more:, more:]), 0, more=more), size, stride).sum(-1)

    def gradients(G):
        back = np.zeros_like(padded)
        for i, j in np.ndindex(size, size):
            _part(back, i, j, stride, G.shape)[...] += G / counts
        return (_inside(back, padding, more),)

    return _windows(padded, size, stride).sum(-1) / counts, gradients


def relu(X):
    """max(x, 0)."""
    return np.maximum(X, 0), lambda G: (G * (X > 0),)


def sigmoid(X):
    """1 / (1 + exp(-x))."""
    Y = 1 / (1 + np.exp(-X))
    return Y, lambda G: (G * Y * (1 - Y),)


def tanh(X):
    """The hyperbolic tangent."""
    Y = np.tanh(X)
    return Y, lambda G: (G * (1 - Y**2),)


def batch_norm(X, gamma, beta, mean, variance, *, momentum=0.9, epsilon=1e-5):
    """Batch normalisation in training, by the batch's own mean and variance; its statistics follow the gradients."""
    axes, count = (0, 2, 3), X.size / X.shape[1]
    own_mean, own_variance = X.mean(axes), X.var(axes)
    deviation = np.sqrt(_by_channel(own_variance) + epsilon)
    normal = (X - _by_channel(own_mean)) / deviation

    def gradients(G):
        of_normal = G * _by_channel(gamma)
        shared = _by_channel(of_normal.sum(axes)) + normal * _by_channel((of_normal * normal).sum(axes))
        of_statistics = [
            momentum * old + (1 - momentum) * own for old, own in ((mean, own_mean), (variance, own_variance))
        ]
        return ((of_normal - shared / count) / deviation, (G * normal).sum(axes), G.sum(axes), *of_statistics)

    return normal * _by_channel(gamma) + _by_channel(beta), gradients


def batch_norm_learned(X, gamma, beta, mean, variance, *, epsilon=1e-5):
    """Batch normalisation in prediction, by what it has learned of all batches; there is no gradient."""
    scale = _by_channel(gamma / np.sqrt(variance + epsilon))
    return (X - _by_channel(mean)) * scale + _by_channel(beta), lambda G: ()


def cross_entropy(X, labels):
    """The loss of each image after a softmax."""
    shifted = X - X.max(1, keepdims=True)
    logarithms = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    rows, labels = np.arange(len(X)), labels.astype(int)

    def gradients(G):
        difference = np.exp(logarithms)
        difference[rows, labels] -= 1
        return (difference * G[:, np.newaxis],)

    return -logarithms[rows, labels], gradients


def concatenation(X, *, channels):
    """The first channels, and all of them after these."""

    def gradients(G):
        back = G[:, channels:].copy()
        back[:, :channels] += G[:, :channels]
        return (back,)

    return np.concatenate([X[:, :channels], X], axis=1), gradients


def local_response(X, *, size, alpha, beta, k):
    """Local response normalisation across channels, by the formula of AlexNet's paper."""

    def around(values):
        wide = np.pad(values, ((0, 0), (size // 2, size // 2), (0, 0), (0, 0)))
        return sliding_window_view(wide, size, axis=1).sum(-1)

    norm = k + alpha * around(X**2)

    def gradients(G):
        return (G * norm**-beta - 2 * alpha * beta * X * around(G * X * norm ** (-beta - 1)),)

    return X * norm**-beta, gradients


def _padded(X, padding, value=0.0, more=0):
    around = (padding, padding + more)
    return np.pad(X, ((0, 0), (0, 0), around, around), constant_values=value)


def _inside(padded, padding, more=0):
    inside = slice(padding, padded.shape[2] - padding - more)
    return padded[:, :, inside, inside]


def _outside(X, size, stride):
    """How far the last window of a square image ends outside it."""
    return (size - X.shape[2]) % stride


def _windows(padded, size, stride):
    """The numbers of each window, along the last axis."""
    windows = sliding_window_view(padded, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    return windows.reshape(*windows.shape[:4], -1)


def _part(padded, i, j, stride, shape):
    """The numbers at one place of all windows."""
    return padded[:, :, i : i + stride * shape[2] : stride, j : j + stride * shape[3] : stride]


def _by_channel(values):
    return values[:, np.newaxis, np.newaxis]

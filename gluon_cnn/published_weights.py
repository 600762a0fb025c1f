"""The weights that every published run of the book's networks began from, drawn by NumPy alone.

No notebook of the book sets a seed, and MXNet's generator begins at seed 0 in every process. So all published runs of a
network in an edition began from the same weights: those that come after what the notebook draws before it trains. NumPy
draws them here to the bit as MXNet 1.9.1 does.

This file imports nothing but NumPy, and no other file of this package. Copied alone, it serves PyTorch, JAX, or
whatever else should begin where the book began::

    weights = published_weights("lenet")  # {"0.weight": a float32 array of 6×1×5×5, "0.bias": one of 6, ...}

docs/initial-weights.md in the repository says which notebooks were read.
"""

import numpy as np

__all__ = ["EDITIONS", "MODELS", "published_shapes", "published_weights"]

#: The first Chinese edition, whose notebooks use ``mx.nd`` arrays, and the English one, whose notebooks use ``mx.np``.
EDITIONS = ("zh-v1", "en")


def published_weights(model, edition="zh-v1"):
    """The initial state of a network, for images of one channel and for ten classes.

    Parameters
    ----------
    model : str
        One of :data:`MODELS`.
    edition : {"zh-v1", "en"}

    Returns
    -------
    dict of str to np.ndarray
        float32 arrays by their names in Gluon's parameter files (``net.save_parameters``), in the order of the layers.
        A convolution has ``weight`` (out×in×height×width) and ``bias``, a dense layer ``weight`` (out×in) and ``bias``,
        a batch normalisation ``gamma``, ``beta``, ``running_mean`` and ``running_var``.

    Raises
    ------
    ValueError
        If no run of such a network, or in such an edition, was published.
    """
    shapes = published_shapes(model, edition)
    random = _GENERATORS[edition]()
    for shape in _drawn_before(model, edition):
        random.skip(_product(shape))
    return {name: _initial(name, shape, random) for name, shape in shapes.items()}


def published_shapes(model, edition="zh-v1"):
    """The shapes of the arrays that :func:`published_weights` gives, by their names, and the same ValueError."""
    # An array refuses to be compared with a name.
    if not (isinstance(model, str) and model in MODELS and isinstance(edition, str) and edition in EDITIONS):
        raise ValueError(
            f"No run of {_shown(model)} in edition {_shown(edition)} was published: use one of {', '.join(MODELS)}, "
            f"and one of {', '.join(EDITIONS)}."
        )
    return {
        f"{name}.{what}": shape if what == "weight" else shape[:1]
        for name, shape in _NETWORKS[model](edition).items()
        for what in (_NORMALISATION if len(shape) == 1 else ("weight", "bias"))
    }


def _shown(value):
    """A wrong value within a sentence, whatever it is."""
    return repr(value[:80]) if isinstance(value, str) else f"an object of type {type(value).__name__}"


def _initial(name, shape, random):
    """A parameter's initial values: a weight's are drawn by Xavier, all others are 0 or 1."""
    what = name.rpartition(".")[2]
    if what != "weight":
        return np.full(shape, what in ("gamma", "running_var"), np.float32)
    # In float64 and in this order, as mx.init.Xavier computes it.
    area = _product(shape[2:])
    return random.uniform(np.sqrt(3 / ((shape[1] * area + shape[0] * area) / 2)), shape)


def _drawn_before(model, edition):
    """The shapes of all that a notebook draws before the weights that it trains, in order: examples, and the default
    weights of the networks that it shows them to. It shows one to the network itself, unless said otherwise."""
    weights = _weights_of(_NETWORKS[model](edition))
    if model == "resnet18":  # Residual(3) and Residual(6, use_1x1conv=True, strides=2) come first
        residual = [(3, 3, 3, 3), (3, 3, 3, 3), (6, 3, 3, 3), (6, 6, 3, 3), (6, 3, 1, 1)]
        return [(4, 3, 6, 6), *residual, (1, 1, 224, 224), *weights]
    if model == "densenet":  # DenseBlock(2, 10) and transition_block(10), and no other
        return [(4, 3, 8, 8), (10, 3, 3, 3), (10, 13, 3, 3), (10, 23, 1, 1)]
    if model == "vgg11":  # the whole VGG-11, and then a quarter of it is trained
        weights = _weights_of(_vgg11(ratio=1))
    side = {"lenet": 28, "googlenet": 96}.get(model, 224)
    return [(1, 1, side, side), *weights]


# The networks: for each layer with parameters its name, and the shape of its weight. Four numbers are a convolution,
# two a dense layer, one a batch normalisation. The order is that in which weights are drawn.


def _lenet(edition):
    pixels = {"zh-v1": 4 * 4, "en": 5 * 5}[edition]  # the English edition pads its first convolution
    return {"0": (6, 1, 5, 5), "2": (16, 6, 5, 5), "4": (120, 16 * pixels), "5": (84, 120), "6": (10, 84)}


def _alexnet(edition):
    return {
        "0": (96, 1, 11, 11),
        "2": (256, 96, 5, 5),
        "4": (384, 256, 3, 3),
        "5": (384, 384, 3, 3),
        "6": (256, 384, 3, 3),
        "8": (4096, 256 * 5 * 5),
        "10": (4096, 4096),
        "12": (10, 4096),
    }


def _vgg11(edition=None, ratio=4):
    layers, before = {}, 1
    for block, (convolutions, channels) in enumerate([(1, 64), (1, 128), (2, 256), (2, 512), (2, 512)]):
        for number in range(convolutions):
            layers[f"{block}.{number}"] = (channels // ratio, before, 3, 3)
            before = channels // ratio
    return {**layers, "5": (4096, before * 7 * 7), "7": (4096, 4096), "9": (10, 4096)}


def _nin(edition):
    layers, before = {}, 1
    for block, channels, kernel in [(0, 96, 11), (2, 256, 5), (4, 384, 3), (7, 10, 3)]:
        layers[f"{block}.0"] = (channels, before, kernel, kernel)
        layers[f"{block}.1"] = layers[f"{block}.2"] = (channels, channels, 1, 1)
        before = channels
    return layers


_INCEPTIONS = {
    "2.0": (64, (96, 128), (16, 32), 32),
    "2.1": (128, (128, 192), (32, 96), 64),
    "3.0": (192, (96, 208), (16, 48), 64),
    "3.1": (160, (112, 224), (24, 64), 64),
    "3.2": (128, (128, 256), (24, 64), 64),
    "3.3": (112, (144, 288), (32, 64), 64),
    "3.4": (256, (160, 320), (32, 128), 128),
    "4.0": (256, (160, 320), (32, 128), 128),
    "4.1": (384, (192, 384), (48, 128), 128),
}


def _googlenet(edition):
    layers, before = {"0.0": (64, 1, 7, 7), "1.0": (64, 64, 1, 1), "1.1": (192, 64, 3, 3)}, 192
    for block, (c1, c2, c3, c4) in _INCEPTIONS.items():
        layers[f"{block}.0.0"] = (c1, before, 1, 1)
        layers[f"{block}.1.0"], layers[f"{block}.1.1"] = (c2[0], before, 1, 1), (c2[1], c2[0], 3, 3)
        layers[f"{block}.2.0"], layers[f"{block}.2.1"] = (c3[0], before, 1, 1), (c3[1], c3[0], 5, 5)
        layers[f"{block}.3.1"] = (c4, before, 1, 1)
        before = c1 + c2[1] + c3[1] + c4
    return {**layers, "5": (10, before)}


def _resnet18(edition):
    layers, before = {"0": (64, 1, 7, 7), "1": (64,)}, 64
    for block, channels in enumerate((64, 128, 256, 512), 4):
        for number in range(2):
            name = f"{block}.{number}"
            layers[f"{name}.conv1"] = (channels, before, 3, 3)
            layers[f"{name}.conv2"] = (channels, channels, 3, 3)
            if channels != before:
                layers[f"{name}.conv3"] = (channels, before, 1, 1)
            layers[f"{name}.bn1"] = layers[f"{name}.bn2"] = (channels,)
            before = channels
    return {**layers, "9": (10, before)}


def _densenet(edition):
    layers, channels = {"0": (64, 1, 7, 7), "1": (64,)}, 64
    for block, halved in [(4, 96), (6, {"zh-v1": 160, "en": 112}[edition]), (8, {"zh-v1": 224, "en": 120}[edition])]:
        layers.update(_dense_block(block, channels))
        # The first Chinese edition counts on as if this did not halve the channels.
        layers[f"{block + 1}.0"], layers[f"{block + 1}.2"] = (channels + 128,), (halved, channels + 128, 1, 1)
        channels = halved
    return {**layers, **_dense_block(10, channels), "11": (channels + 128,), "14": (10, channels + 128)}


def _dense_block(block, channels):
    layers = {}
    for number in range(4):
        before = channels + 32 * number
        layers[f"{block}.{number}.0"], layers[f"{block}.{number}.2"] = (before,), (32, before, 3, 3)
    return layers


_NORMALISATION = ("gamma", "beta", "running_mean", "running_var")
_NETWORKS = {
    "lenet": _lenet,
    "alexnet": _alexnet,
    "vgg11": _vgg11,
    "nin": _nin,
    "googlenet": _googlenet,
    "resnet18": _resnet18,
    "densenet": _densenet,
}
#: The networks of the book whose runs were published.
MODELS = tuple(_NETWORKS)


class _Generator:
    """MXNet's generator on the CPU at seed 0, of which both kinds are made of ``std::mt19937``.

    ``RandomState(seed)`` is such a generator, and NumPy promises that its words never change.
    """

    def skip(self, number):
        """Draw numbers that nobody needs."""
        for generator, share in self._shares(number):
            _words(generator, share)

    def uniform(self, limit, shape):
        """A float32 array, uniform between ±limit."""
        words = np.concatenate([_words(*share) for share in self._shares(_product(shape))])
        low, high = np.float32(-limit), np.float32(limit)
        # All in float32, as MXNet computes it, and in place, because arrays are large. The division can give 1.
        values = words.astype(np.float32)
        values /= np.float32(2**32)
        values *= high - low
        values += low
        return values.reshape(shape)


class _Parallel(_Generator):
    """Of ``mx.nd`` arrays: 1,024 generators, seeded 0, 1, 2, ..., of which each draws its share of an array. Each takes
    up where it stopped when the next array is drawn."""

    def __init__(self):
        self._generators = []

    def _shares(self, number):
        """Pairs of a generator and how many numbers of an array it draws, at least 64 if there are as many."""
        share = -(-number // min(-(-number // 64), 1024))
        for index, start in enumerate(range(0, number, share)):
            if index == len(self._generators):
                self._generators.append(np.random.RandomState(index))
            yield self._generators[index], min(share, number - start)


class _Serial(_Generator):
    """Of ``mx.np`` arrays: one generator, seeded 0."""

    def __init__(self):
        self._generator = np.random.RandomState(0)

    def _shares(self, number):
        share = 2**20  # the whole would take as much memory as the array
        for start in range(0, number, share):
            yield self._generator, min(share, number - start)


_GENERATORS = {"zh-v1": _Parallel, "en": _Serial}


def _words(generator, number):
    """A generator's next 32-bit words."""
    return generator.randint(0, 2**32, size=number, dtype=np.uint32)


def _weights_of(layers):
    """The shapes of those weights that are drawn; a batch normalisation draws nothing."""
    return [shape for shape in layers.values() if len(shape) > 1]


def _product(shape):
    return int(np.prod(shape))  # 1 of nothing

"""Each of the book's networks: its gradients on a device against the CPU's, and steps of its training."""

import contextlib
import gc
import itertools
import resource
import statistics
import sys
import time
from pathlib import Path

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon
from mxnet.gluon import nn

from gluon_cnn.comparison.published import comparable_runs
from gluon_cnn.errors import ComparisonError
from gluon_cnn.models import list_models
from gluon_cnn.models.parameters import copied_parameters, named_parameters, put_parameters
from gluon_cnn.models.sequential import layers_of
from gluon_cnn.selftest.check import Seen, difference, tried
from gluon_cnn.training import mixed_precision
from gluon_cnn.training.loop import train_epoch
from gluon_cnn.training.metrics import Sums
from gluon_cnn.training.recipes import get_recipe
from gluon_cnn.training.setup import build_network, load_data, set_up

__all__ = ["MIXED", "check_mixed_precision", "check_networks"]

#: The network that is trained in mixed precision.
MIXED = "nin"
_COMPARED = 4  # images of which the gradients are compared
# Where a ReLU is passed by one device and not by the other, for a number that is nearly 0, whole gradients differ.
_TOLERANCE = 1e-2
_RATE = 0.01
_STEPS = 5
_BATCH_ON_CPU = 16  # images of more than 28 pixels, so that six steps take seconds
_IMAGES = 60_000  # of an epoch
_MIB = 2**20


def check_networks(device):
    """Yield a Check of what is measured, and two of each of the book's networks."""
    meaning = "Losses and accuracies are not those of the network: do not trust what is measured here, and report it."
    yield tried("networks", "mean loss and correct answers", meaning, _measured, device)
    for name in list_models():
        yield tried(
            "networks",
            f"{name} against the CPU",
            "The whole network computes something else here than layer by layer on the CPU, or a step changes it by "
            "something else than its gradients: do not trust what is trained here, and report it.",
            _compare,
            device,
            name,
        )
        yield tried("steps", name, _meaning(name), _steps, device, name)


def check_mixed_precision(device):
    """Yield a Check of a network's steps in mixed precision, which this process computes in from then on."""
    yield tried("steps", f"{MIXED}, mixed precision", _meaning(MIXED), _steps, device, MIXED, True)


def _meaning(name):
    return (
        f"{name} cannot be trained on this device as it is: if memory is short, take smaller batches; else report it."
    )


def _set_up(device, name, **changes):
    recipe = get_recipe(name, data="sample", init="own", **changes)
    return recipe, set_up(recipe, [device], load_data(recipe, None, device))


def _compare(device, name):
    """The largest difference of the logits and gradients, as the network is trained, from those of one that is not
    compiled, on the CPU, and of a step from what NumPy makes of the gradients."""
    recipe, setup = _set_up(device, name)
    X, y = (array[:_COMPARED] for array in next(setup.data.train.epoch(0)))
    reference = build_network(recipe, setup.data.info)
    reference.initialize(ctx=mx.cpu())
    reference(X.as_in_context(mx.cpu()))  # learns its shapes
    put_parameters(reference, copied_parameters(setup.net), mx.cpu())
    for layer in (*layers_of(setup.net), *layers_of(reference)):
        if isinstance(layer, nn.Dropout):  # which each kind of device draws from another generator
            layer._rate = 0.0
    found = _gradients(setup.training_net, setup.net, X, y)
    expected = _gradients(reference, reference, X.as_in_context(mx.cpu()), y.as_in_context(mx.cpu()))
    largest = max(np.linalg.norm(array) for array in expected[1:])
    # A gradient that is nearly 0 beside the others is rounding alone, such as a bias's before batch normalisation.
    apart = [np.linalg.norm(a - b) / max(np.linalg.norm(b), 0.01 * largest) for a, b in zip(found[1:], expected[1:])]
    steps = [_step(setup, X, y, kind) for kind in (("sgd", "adam") if name == "lenet" else ("sgd",))]
    worst = float(np.max([difference(found[0], expected[0]), *apart, *steps]))
    words = f"{worst:.1e}" if max(steps) <= _TOLERANCE else f"a step is off by {max(steps):.1e} of its size"
    return Seen(worst <= _TOLERANCE, words, {"difference": worst, "tolerance": _TOLERANCE})


def _gradients(computing, net, X, y):
    """The logits of one network, and the gradients of another one's parameters, with which it computes."""
    with autograd.record():
        output = computing(X)
        loss = gluon.loss.SoftmaxCrossEntropyLoss()(output, y)
    loss.backward()
    return [output.asnumpy(), *(parameter.grad().asnumpy() for parameter in _trained(net))]


def _trained(net):
    return [parameter for parameter in named_parameters(net).values() if parameter.grad_req != "null"]


def _step(setup, X, y, optimizer):
    """How far an optimiser's first step is from NumPy's in float64, over the largest change of each parameter."""
    gradients = _gradients(setup.training_net, setup.net, X, y)[1:]
    parameters, apart = _trained(setup.net), []
    before = [parameter.data().asnumpy().astype(np.float64) for parameter in parameters]
    trainer = gluon.Trainer(parameters, optimizer, {"learning_rate": _RATE})
    trainer.step(len(y))
    for parameter, old, gradient in zip(parameters, before, gradients):
        g = gradient.astype(np.float64) / len(y)
        # Adam's averages begin at 0, and are scaled so that its first step is of the size of the rate.
        change = _RATE * g if optimizer == "sgd" else _RATE * g / (np.abs(g) + 1e-8 / 0.001**0.5)
        off = np.abs(parameter.data().asnumpy() - (old - change)).max()
        rounding = 1e-6 * np.abs(old).max()  # of what the change is added to
        apart.append(off / max(np.abs(change).max(), 1e-30) if not off <= rounding else 0.0)
    return float(np.max(apart))


def _measured(device):
    """The mean loss and the correct answers of numbers that are drawn, of which most answers are correct."""
    random = np.random.RandomState(0)
    logits = random.randn(1000, 10).astype(np.float32)
    labels = np.where(random.uniform(size=1000) < 0.7, logits.argmax(axis=1), random.randint(0, 10, 1000))
    array = mx.np.array if mx.util.is_np_array() else mx.nd.array
    output, label = (array(values, ctx=device, dtype="float32") for values in (logits, labels))
    sums = Sums()
    sums.add([gluon.loss.SoftmaxCrossEntropyLoss()(output, label)], [output], [label])
    sums.read()
    exact = logits.astype(np.float64)
    loss = float(np.mean(np.log(np.exp(exact).sum(axis=1)) - exact[np.arange(1000), labels]))
    correct = int((exact.argmax(axis=1) == labels).sum())
    words = f"{sums.correct} correct of 1,000, loss {sums.mean_loss:.6f}"
    if sums.correct == correct and abs(sums.mean_loss - loss) <= 1e-5 * loss:
        return Seen(True, words)
    return Seen(False, f"{words}, not {correct} and {loss:.6f}")


def _steps(device, name, mixed=False):
    """Five steps after a first one, with the sample's batches; speed, memory, and what an epoch takes at that speed."""
    gc.collect()  # the network before this one
    memory = _Memory(device)
    changes = {"amp": True} if mixed else {}
    recipe = get_recipe(name)
    if device.device_type == "cpu" and recipe.side > 28:
        changes["batch_size"] = min(recipe.batch_size, _BATCH_ON_CPU)
    recipe, setup = _set_up(device, name, **changes)
    if mixed:
        mixed_precision.load_scaler(setup.trainer)
    batches = itertools.chain.from_iterable(setup.data.train.epoch(number) for number in itertools.count())
    first, rest = Sums(), Sums()
    for sums, steps in ((first, 1), (rest, _STEPS)):
        start = time.perf_counter()
        taken = itertools.islice(batches, steps)
        train_epoch(setup.training_net, taken, setup.trainer, [device], sums, after_step=lambda: None)
        sums.read()
        seconds = time.perf_counter() - start
    speed, published = rest.images / seconds, _published_epoch(name)
    numbers = {
        "images_per_sec": speed,
        "epoch_seconds": _IMAGES / speed,
        "published_v100_seconds": published,
        "memory_mib": memory.taken(),
        "batch_size": recipe.batch_size,
        "side": recipe.side,
        "losses": [first.mean_loss, rest.mean_loss],
    }
    finite = first.bad_step is None and rest.bad_step is None
    words = f"{speed:,.1f} images/s, {numbers['memory_mib']:,} MiB"
    return Seen(finite, words if finite else "the loss is not a finite number", numbers)


def _published_epoch(name):
    """Seconds of an epoch, with its test pass, of the runs published for a V100 (median); None if there are none."""
    try:
        runs = comparable_runs(name, "zh-v1")
    except ComparisonError:
        return None
    seconds = [result.seconds for run in runs if run.gpu == "V100" for result in run.history if result.seconds]
    return statistics.median(seconds) if seconds else None


class _Memory:
    """What MXNet takes of a GPU's memory from now on, or the most that this process has of the machine's, in MiB."""

    def __init__(self, device):
        self._device = device
        mx.nd.waitall()
        if device.device_type == "gpu":
            device.empty_cache()  # MXNet keeps what it has taken
            self._free, _ = mx.context.gpu_memory_info(device.device_id)
        else:
            with contextlib.suppress(OSError):  # Linux forgets the peak so far; elsewhere it stays
                Path("/proc/self/clear_refs").write_text("5")

    def taken(self):
        if self._device.device_type == "gpu":
            return int(self._free - mx.context.gpu_memory_info(self._device.device_id)[0]) // _MIB
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak // _MIB if sys.platform == "darwin" else peak // 1024

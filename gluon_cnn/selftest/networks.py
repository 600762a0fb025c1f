"""Each of the book's networks: its gradients on a device against the CPU's, and five steps of its training."""

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
_STEPS = 5
_BATCH_ON_CPU = 16  # images of more than 28 pixels, so that six steps take seconds
_IMAGES = 60_000  # of an epoch
_MIB = 2**20


def check_networks(device):
    """Yield two Checks of each of the book's networks."""
    for name in list_models():
        yield tried(
            "networks",
            f"{name} against the CPU",
            "The whole network computes something else here than layer by layer on the CPU: do not trust what is "
            "trained here, and report it.",
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
    compiled, on the CPU."""
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
    worst = float(np.max([difference(found[0], expected[0]), *apart]))
    return Seen(worst <= _TOLERANCE, f"{worst:.1e}", {"difference": worst, "tolerance": _TOLERANCE})


def _gradients(computing, net, X, y):
    """The logits of one network, and the gradients of another one's parameters, with which it computes."""
    with autograd.record():
        output = computing(X)
        loss = gluon.loss.SoftmaxCrossEntropyLoss()(output, y)
    loss.backward()
    trained = (p for p in named_parameters(net).values() if p.grad_req != "null")
    return [output.asnumpy(), *(parameter.grad().asnumpy() for parameter in trained)]


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

"""With how many threads a network's steps are fastest: what ``--threads auto`` takes."""

import contextlib
import gc
import itertools
import operator
import os
import time
from statistics import median

import mxnet as mx

from gluon_cnn._runtime import set_threads, threads, usable_cores
from gluon_cnn.checks import whole_number
from gluon_cnn.device import parse_context
from gluon_cnn.errors import DeviceError, SettingError
from gluon_cnn.training.initial_weights import initialize
from gluon_cnn.training.loop import train_steps
from gluon_cnn.training.metrics import Sums
from gluon_cnn.training.rearranged import for_training
from gluon_cnn.training.run import Run

__all__ = ["AUTO", "check_threads", "choose_threads", "note_measured_threads"]

AUTO = "auto"

WARM_UP = 2  # steps in which a new network compiles and takes its memory
BLOCK = 0.25  # seconds of steps that are timed together, if they are shorter
ROUNDS = 3  # in which the numbers take turns, since a machine may have something else to do for a while
FAR_WORSE = 1.5  # times the fastest number's step, with which a number is out

# What of a recipe decides how long a step takes, besides how many images it is of.
_network_of = operator.attrgetter(
    "model", "edition", "resize", "final_relu", "num_mlp_layers", "optimizer", "momentum", "augment"
)
_measured = {}  # network, shape and devices: number


def check_threads(number, name="threads"):
    """SettingError unless a number of threads is a whole number from 1 to that of the processors here."""
    if whole_number(name, number) > os.cpu_count():
        raise SettingError(
            f"{name} is {number}, but there are {os.cpu_count()} processors: choose another number by --threads."
        )


def note_measured_threads(run):
    """Take note of what ``auto`` chose for a run that was opened, so that it is not measured again in this process;
    unless that was on a machine with more cores, or fewer."""
    machine = (run.config.get("resumed") or [run.config])[-1].get("machine", {})
    if run.settings["measured_threads"] is not None and machine.get("cores") == usable_cores():
        with contextlib.suppress(DeviceError):  # of a run that went on where this machine has no device
            _measured.setdefault(_key(run), run.settings["measured_threads"])


def _key(run):
    """What is not measured twice."""
    recipe, devices = run.recipe, parse_context(run.settings["ctx"])
    images = min(recipe.batch_size, recipe.train_size or recipe.batch_size)
    return (*_network_of(recipe), images, run.settings["hybrid"], *map(str, devices))


def choose_threads(run, devices, train_iter, job, resume):
    """With how many threads a run is to be trained, and a sentence for its log, or None where the number was given.

    What ``auto`` chose becomes the run's setting ``measured_threads``. With ``resume`` that is taken as it is, for the
    bits of a result depend on it; and nothing is measured twice in a process.

    Parameters
    ----------
    run : Run
    devices : list of mx.Context
    train_iter : Batches
        The training images.
    job : Job
    resume : bool
        Whether the run goes on.

    Returns
    -------
    (int, str or None)

    Raises
    ------
    SettingError
        If what was measured before, perhaps elsewhere, is more than this machine has.
    RunError
        If the settings of the run that goes on cannot be read.
    """
    asked = run.settings["threads"]
    if asked != AUTO:
        return asked or threads(), None
    if devices[0].device_type == "gpu":
        return threads(), f"threads: {threads()}, not measured, since the GPU does the work"
    if len(devices) > 1:
        return threads(), f"threads: {threads()} a device, not measured with several of them"
    if job.distributed:
        return threads(), f"threads: {threads()} a worker, not measured, since workers may share a machine"
    kept = Run.open(run.directory).settings["measured_threads"] if resume else None
    if kept is not None:
        number, why = kept, "as measured when the run began"
    elif _key(run) in _measured:
        number, why = _measured[_key(run)], "as measured before for this network and shape"
    elif usable_cores() == 1:
        number, why = 1, "for there is one core"
    else:
        seconds = _step_seconds(run, devices, train_iter, job)
        number = min(seconds, key=seconds.get)
        others = ", ".join(f"{other}: {_written(seconds[other])}" for other in seconds if other != number)
        why = f"at {_written(seconds[number])} a step ({others})"
    check_threads(number, "measured_threads")
    run.settings["measured_threads"] = number
    _measured.setdefault(_key(run), number)  # for other seeds of the network
    return number, f"threads: {number}, {why}"


def _step_seconds(run, devices, train_iter, job):
    """Seconds of a step for each number of threads that is worth a try, on a network that is like the run's."""
    before = threads()
    try:
        return _step_seconds_of(devices, *_training_like(run, devices, train_iter, job))
    finally:
        set_threads(before, devices)
        gc.collect()  # that network's memory, before the run's own takes its


def _training_like(run, devices, train_iter, job):
    """The steps of a training like a run's, without end, and their sums."""
    recipe = run.recipe
    net = recipe.network(run.settings["hybrid"])
    initialize(net, recipe, devices)
    trainer = recipe.trainer(list(net.collect_params().values()), job.store)
    if run.settings["hybrid"]:
        net.hybridize(static_alloc=True, static_shape=True)
    net, sums = for_training(net, recipe, devices), Sums()
    return train_steps(net, _whole_batches(train_iter), trainer, devices, sums), sums


def _step_seconds_of(devices, steps, sums):
    def seconds(number):
        start = time.perf_counter()
        for _ in itertools.islice(steps, number):
            pass
        sums.read()
        mx.nd.waitall()  # for the update too, which no sum needs
        return (time.perf_counter() - start) / number

    def seconds_with(count):
        set_threads(count, devices)
        first = seconds(1)  # in which oneDNN's primitives are made anew: some milliseconds
        return first if first > BLOCK else seconds(round(BLOCK / first) + 1)

    counts = _counts(usable_cores())
    set_threads(counts[0], devices)
    seconds(WARM_UP)
    return _medians(seconds_with, counts)


def _whole_batches(train_iter):
    """Batches as large as the first, without end."""
    for epoch in itertools.count():
        for batch in train_iter.epoch(epoch):
            if len(batch[1]) == train_iter.size_of(0):
                yield batch


def _counts(cores):
    """All cores, and the powers of 2 below, from the largest to 1."""
    return [cores, *(1 << i for i in reversed(range(cores.bit_length())) if 1 << i < cores)]


def _medians(seconds_with, counts):
    """The median seconds of a step for each of some counts, down to one with which it is far slower than with more."""
    times = {}

    def out(count):
        return min(times[count]) > FAR_WORSE * min(map(min, times.values()))

    for count in counts:
        times[count] = [seconds_with(count)]
        if out(count):  # or the machine had something else to do
            times[count].append(seconds_with(count))
        if out(count):
            break  # fewer would be slower still
    near = [count for count in times if len(times[count]) == 1 or not out(count)]
    if len(near) > 1:
        for count in near * (ROUNDS - 1):
            times[count].append(seconds_with(count))
    return {count: median(seconds) for count, seconds in times.items()}


def _written(seconds):
    return f"{1000 * seconds:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"

"""The number of threads with which a network's steps are fastest, for the setting ``threads="auto"``."""

import contextlib
import functools
import gc
import itertools
import operator
import time
from statistics import median

import mxnet as mx
from mxnet import gluon

from gluon_cnn.errors import DeviceError
from gluon_cnn.runtime import set_threads, threads, usable_cores
from gluon_cnn.runtime.devices import parse_context
from gluon_cnn.seeding import seed_mxnet
from gluon_cnn.training.directory import RunDirectory
from gluon_cnn.training.loop import train_epoch
from gluon_cnn.training.metrics import Sums
from gluon_cnn.training.settings import AUTO, check_threads
from gluon_cnn.training.setup import set_up

__all__ = ["Steps", "choose_threads", "note_measured_threads"]

WARM_UP = 2  # steps in which a new network compiles and takes its memory
BLOCK = 0.25  # seconds of steps that are timed together, if they are shorter
ROUNDS = 3  # in which the numbers take turns, since a machine may have something else to do for a while
FAR_WORSE = 1.5  # a number is out if its step takes this many times the fastest one's

# What of a recipe decides how long a step takes, besides how many images it is of.
_network_of = operator.attrgetter("model", "edition", "side", "optimizer", "momentum", "augment", "source")
_measured = {}  # network, shape and devices: number


def note_measured_threads(run):
    """Take note of what ``auto`` chose for a run that was opened, so that it is not measured again in this process;
    unless that was on a machine with more cores, or fewer."""
    machine = [run.config, *run.config.resumed][-1].machine
    if run.settings.measured_threads is not None and machine.cores == usable_cores():
        with contextlib.suppress(DeviceError):  # of a run that was resumed where this machine has no device
            _measured.setdefault(_key(run), run.settings.measured_threads)


def _key(run):
    """What is not measured twice."""
    recipe, devices = run.recipe, parse_context(run.settings.ctx)
    images = min(recipe.batch_size, recipe.train_size or recipe.batch_size)
    return (*_network_of(recipe), str(recipe.options), images, run.settings.hybrid, *map(str, devices))


def choose_threads(run, devices, data, job, resume):
    """The number of threads to train a run with, and a sentence for its log (None where the number was given).

    What ``auto`` chose becomes the run's setting ``measured_threads``. With ``resume`` that is taken as it is, because
    the bits of a result depend on it; and nothing is measured twice in a process.

    Parameters
    ----------
    run : RunDirectory
    devices : list of mx.Context
    data : Data
    job : Job
    resume : bool
        Whether the run is resumed.

    Returns
    -------
    (int, str or None)

    Raises
    ------
    SettingError
        If what was measured before, perhaps elsewhere, is more than this machine has.
    RunError
        If the settings of the run that is resumed cannot be read.
    """
    asked = run.settings.threads
    if asked != AUTO:
        return asked or threads(), None
    if devices[0].device_type == "gpu":
        return threads(), f"threads: {threads()}, not measured, since the GPU does the work"
    if len(devices) > 1:
        return threads(), f"threads: {threads()} a device, not measured with several of them"
    if job.distributed:
        return threads(), f"threads: {threads()} a worker, not measured, since workers may share a machine"
    kept = RunDirectory.open(run.directory).settings.measured_threads if resume else None
    if kept is not None:
        number, why = kept, "as measured when the run began"
    elif _key(run) in _measured:
        number, why = _measured[_key(run)], "as measured before for this network and shape"
    elif _most_threads(devices) == 1:
        number, why = 1, "because there is one core" if usable_cores() == 1 else "because OpenMP gives no more"
    else:
        seconds = _step_seconds(run, devices, data, job)
        number = min(seconds, key=seconds.get)
        others = ", ".join(f"{other}: {_written(seconds[other])}" for other in seconds if other != number)
        why = f"at {_written(seconds[number])} a step ({others})"
    check_threads(number, "measured_threads")
    run.settings.measured_threads = number
    _measured.setdefault(_key(run), number)  # for other seeds of the network
    return number, f"threads: {number}, {why}"


def _most_threads(devices):
    """Every core, or as many threads as OpenMP gives; they are set from now on."""
    set_threads(usable_cores(), devices)
    return threads()


def _step_seconds(run, devices, data, job):
    """Seconds of a step for each number of threads that is worth a try, on a network that is like the run's."""
    before = threads()
    try:
        setup = set_up(run.recipe, devices, data, hybrid=run.settings.hybrid, kvstore=job.store)
        steps = Steps(setup, devices)
        most = _most_threads(devices)
        steps.take(WARM_UP)

        def seconds_with(count):
            set_threads(count, devices)
            first = steps.take(1)  # in which oneDNN makes its primitives again: some milliseconds
            return first if first > BLOCK else steps.take(round(BLOCK / first) + 1)

        return _medians(seconds_with, _counts(most))
    finally:
        set_threads(before, devices)
        gc.collect()  # that network's memory, before the run's own takes its


class Steps:
    """Training steps without end, to be measured: on batches as large as the first, and never saved.

    Parameters
    ----------
    setup : Setup
    devices : list of mx.Context
    """

    def __init__(self, setup, devices):
        self.setup, self.devices = setup, devices
        self.batches = self._whole_batches()
        self.loss = gluon.loss.SoftmaxCrossEntropyLoss()
        self.loss.hybridize()

    def take(self, number):
        """Take ``number`` steps, wait for them, and return the mean seconds of one."""
        start, sums = time.perf_counter(), Sums()
        batches = itertools.islice(self.batches, number)
        options = {"loss": self.loss, "after_step": bool}  # bool() is False: no step is the last
        if self.setup.draws:
            options["before_step"] = functools.partial(seed_mxnet, 0, 0)
        train_epoch(self.setup.training_net, batches, self.setup.trainer, self.devices, sums, **options)
        sums.read()
        mx.nd.waitall()  # for the update too, which no sum needs
        return (time.perf_counter() - start) / number

    def _whole_batches(self):
        train = self.setup.data.train
        for epoch in itertools.count():
            for batch in train.epoch(epoch):
                if len(batch[1]) == train.size_of(0):
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

"""The workers that train one network together, on MXNet's parameter server.

Every process of a job is told by ``DMLC_*`` variables what it is: a worker, a server, which adds up the workers'
gradients, or the scheduler, which brings them together. :mod:`gluon_cnn.training.launch` sets them, or whatever else
started the processes. Servers and the scheduler do their work within ``import mxnet`` and end there.
"""

import atexit
import contextlib
import ctypes
import itertools
import json
import math
import os
import sys
import threading
import time

import mxnet as mx
import numpy as np

from gluon_cnn.checks import choice, number
from gluon_cnn.errors import JobFailed, RunStopped, SettingError
from gluon_cnn.training.settings import DIST_TIMEOUT, KVSTORES

__all__ = ["Job"]

# Seconds for which the workers wait for each other without steps: before the first, after an epoch of dist_async, at
# the end.
WITHOUT_STEPS = 1800.0

# Keys in the parameter server: the trainer's are its parameters' numbers, from 0.
_VOTE = 1 << 20
_keys = itertools.count(_VOTE + 1)


class Job:
    """This process's part in a training: alone, or one of several workers.

    Every method that speaks of all workers is called by all of them, at the same point of their work.

    Parameters
    ----------
    kvstore : str
        As in :class:`gluon_cnn.training.settings.Settings`.
    timeout : float
        Seconds without a finished step after which the watchdog ends this process, see :meth:`beat`.

    Attributes
    ----------
    store : str or mx.kv.KVStore
        For a ``gluon.Trainer``.
    rank, workers : int
        This worker's number, from 0, and how many there are.

    Raises
    ------
    SettingError
        If this process was not started as a worker, and should have been, or the other way round; or if MXNet was built
        without parameter servers.
    """

    def __init__(self, kvstore="device", timeout=DIST_TIMEOUT):
        self.kvstore, self.timeout = choice("kvstore", kvstore, KVSTORES), number("dist_timeout", timeout)
        self.store, self.rank, self.workers = kvstore, 0, 1
        self._deadline = math.inf
        self._has_voted = False
        self._exit_code = 0
        is_worker = os.environ.get("DMLC_ROLE") == "worker"
        if self.distributed and not mx.runtime.Features().is_enabled("DIST_KVSTORE"):
            raise SettingError(
                f"kvstore is {kvstore!r}, but this build of MXNet has no parameter server, as those for macOS and for "
                "Linux on Arm: train in one process.",
                "kvstore",
            )
        if self.distributed and not is_worker:
            raise SettingError(
                f"kvstore is {kvstore!r}, but this process is not a worker of a job: start it with gluon-cnn launch."
            )
        if is_worker and not self.distributed:
            raise SettingError(
                f"kvstore is {kvstore!r}, but this process was started as a worker of a job: use dist_sync.", "kvstore"
            )
        if self.distributed:
            _require_environment()
            self.store = mx.kv.create(kvstore)
            self.rank, self.workers = self.store.rank, self.store.num_workers
            self.beat(WITHOUT_STEPS)
            threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
            atexit.register(self._leave)

    @property
    def distributed(self):
        """Whether there are parameter servers."""
        return self.kvstore.startswith("dist")

    @property
    def synchronous(self):
        """Whether every worker's step is part of one step of all. Alone, it is."""
        return self.kvstore != "dist_async"

    @property
    def first(self):
        """Whether this is the worker that writes the run."""
        return self.rank == 0

    def from_first(self, function):
        """What ``function`` returns on the first worker, on all of them; it has to fit into JSON.

        If the first worker raises an error, the others raise a JobFailed.
        """
        if not self.distributed:
            return function()
        answer = None
        if self.first:
            try:
                answer = {"value": function()}
            except BaseException as error:
                self.broadcast(json.dumps({"error": str(error) or type(error).__name__}).encode())
                raise
        answer = json.loads(self.broadcast(json.dumps(answer).encode()))
        if "error" in answer:
            raise JobFailed(f"the first worker stopped: {answer['error']}")
        return answer["value"]

    def broadcast(self, data):
        """The first worker's bytes, on all workers."""
        if not self.distributed:
            return data
        sizes = np.array([len(data) >> 16, len(data) & 0xFFFF], "float32")  # exact in float32
        high, low = self._broadcast(sizes).astype(int).tolist()
        size = (high << 16) + low
        padded = np.zeros(math.ceil(size / 4), "float32")
        if self.first:
            padded.view("uint8")[:size] = np.frombuffer(data, "uint8")
        return self._broadcast(padded).tobytes()[:size] if size else b""

    def begin(self, trainer, batch_size):
        """Send the first worker's parameters to all, and wait until every worker has them.

        The trainer would do so at its first step, without the wait; then a server has sometimes taken in the first
        gradients before it is asked for the parameters, and answers with those. Servers that update by themselves are
        told here, once and for all, to divide gradients by ``batch_size``.
        """
        if self.distributed:
            for parameter in trainer._params:  # in the plain layout: MXNet cannot send oneDNN's
                parameter.reset_ctx(parameter.list_ctx())
            trainer._optimizer.rescale_grad = trainer._scale / batch_size
            trainer._init_kvstore()
            trainer._init_params()
            mx.nd.waitall()
            self.store._barrier()

    def gather(self, numbers):
        """Every worker's list of numbers, of one length, as a list of lists of floats in the order of their ranks.

        With ``dist_async`` it has this worker's alone: its servers take in gradients and nothing else.
        """
        if not (self.distributed and self.synchronous):
            return [[float(number) for number in numbers]]
        # The servers add in float32, so each byte of the float64 numbers is a number of its own; the others' are 0.
        values = np.zeros((self.workers, 8 * len(numbers)), "float32")
        key, array = next(_keys), mx.nd.array(values)
        self.store.broadcast(key, array, array)
        values[self.rank] = np.array(numbers, "float64").view("uint8")
        array[:] = values
        self.store.pushpull(key, array)
        return array.asnumpy().astype("uint8").view("float64").tolist()

    def vote(self, *wishes):
        """Whether any worker wishes it, for each of some wishes. It waits for all workers to come here."""
        if not (self.distributed and self.synchronous):
            return tuple(map(bool, wishes))
        ballot = mx.nd.array([float(bool(wish)) for wish in wishes])
        if not self._has_voted:
            self.store.broadcast(_VOTE, ballot, mx.nd.zeros_like(ballot))
            self._has_voted = True
        self.store.pushpull(_VOTE, ballot)
        return tuple(votes > 0 for votes in ballot.asnumpy().tolist())

    def beat(self, at_least=0.0):
        """Tell the watchdog that work continues. If it hears nothing for ``timeout`` seconds, or ``at_least`` as many,
        it ends this process: MXNet itself would wait forever for a worker or a server that is gone."""
        self._deadline = time.monotonic() + max(self.timeout, at_least)

    def settle(self, trainer):
        """Before a test: wait for all workers, and take over the parameters as the servers have them then.

        In step with each other the workers have the same ones anyway, except for the running statistics of batch
        normalisation, which every device gathers from its own images: all get those of the first worker's first
        device, which are what a checkpoint has. With ``dist_async`` only the devices of a worker do.
        """
        for parameter in trainer._params:
            if parameter.grad_req == "null":
                first, *others = parameter.list_data()
                if self.distributed and self.synchronous:
                    self.store.broadcast(next(_keys), first, parameter.list_data())
                else:
                    for other in others:  # not by set_data, with which a trainer forgets the optimizer's state
                        first.copyto(other)
        if self.distributed and not self.synchronous and trainer._kv_initialized:
            self.beat(WITHOUT_STEPS)
            mx.nd.waitall()  # this worker's last gradients are there
            self.store._barrier()
            for number, parameter in enumerate(trainer._params):
                if parameter.grad_req != "null":  # the servers never hear of the others
                    self.store.pull(number, parameter.list_data())
            mx.nd.waitall()
            self.store._barrier()
            self.beat()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        self.beat(WITHOUT_STEPS)  # no more steps, and the first worker writes its figures
        if isinstance(error, RunStopped):
            # All stop together, or each by itself; then the others are not to be waited for.
            self._exit_code = 0 if self.synchronous else 128 + error.signal
        elif error is not None:
            self._exit_code = 130 if kind is KeyboardInterrupt else 1

    def _broadcast(self, array):
        array = mx.nd.array(array)
        self.store.broadcast(next(_keys), array, array)
        return array.asnumpy()

    def _watch(self):
        while time.monotonic() < self._deadline:
            time.sleep(min(1.0, self.timeout / 4))
        with contextlib.suppress(OSError):
            print(
                f"gluon-cnn: rank {self.rank}: no step was finished for {self.timeout:g} s (dist_timeout), so a worker "
                "or a server is gone: resume the run.",
                file=sys.stderr,
                flush=True,
            )
        os._exit(1)

    def _leave(self):
        """At the end of the process: leave the job, with all other workers, or at once if this one failed, since MXNet
        would wait for the others, which wait for this one."""
        if self._exit_code:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(self._exit_code)
        # Here, because once Python's objects are gone MXNet cannot do it any more, and aborts.
        mx.nd.waitall()
        mx.base.check_call(mx.base._LIB.MXKVStoreFree(self.store.handle))
        self.store.handle = ctypes.c_void_p()


def _require_environment():
    needed = ("DMLC_PS_ROOT_URI", "DMLC_PS_ROOT_PORT", "DMLC_NUM_WORKER", "DMLC_NUM_SERVER")
    missing = [name for name in needed if not os.environ.get(name)]
    if missing:
        raise SettingError(f"{', '.join(missing)} must be set for a worker of a job: start it by a launcher that does.")

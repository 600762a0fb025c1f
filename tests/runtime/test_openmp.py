"""How many threads MXNet's operators use, whenever that is said."""

import ctypes
import json

import mxnet as mx
import pytest

from gluon_cnn.runtime import run_on_engine_thread, set_threads, threads, usable_cores

#: A function that returns how many threads OpenMP gives to the thread that does MXNet's work.
ENGINE_THREADS = """
import ctypes, json, os, sys
def engine_threads():
    found, openmp = [], ctypes.CDLL("libgomp.so.1")
    gluon_cnn.runtime.run_on_engine_thread(lambda: found.append(openmp.omp_get_max_threads()))
    mx.nd.waitall()
    return found[0]
"""

#: A process whose user has chosen 2 threads, by one of OpenMP's lists, and which changes the number later.
CHANGED_LATER = f"""{ENGINE_THREADS}
import gluon_cnn, mxnet as mx
from gluon_cnn.data import SAMPLE
from gluon_cnn.runtime import set_threads, threads, threads_chosen_by_user
found = {{"begins": [threads(), engine_threads(), float(mx.nd.ones(3).sum().asscalar()), threads_chosen_by_user()]}}
set_threads(3)
found["later"] = [threads(), engine_threads()]
batches = gluon_cnn.load_data_fashion_mnist(256, root=SAMPLE, train_size=512)[0]
for i in range(150):
    list(batches)  # whose memory NumPy frees on the engine's thread, with Python's lock, which a fork holds
    set_threads(1 + i % 2)
found["last"] = threads()
print(json.dumps(found))
"""

#: A process that trains with MXNet as it comes and one thread, imports this package for every core, and trains on.
IMPORTED_LATE = f"""{ENGINE_THREADS}
import numpy; numpy.bool = bool
import mxnet as mx
from mxnet import autograd, gluon
from mxnet.gluon import nn
net = nn.HybridSequential()
net.add(nn.Conv2D(6, 5, activation="sigmoid"), nn.MaxPool2D(2, 2), nn.Conv2D(16, 5, activation="sigmoid"), nn.Dense(10))
net.initialize()
net.hybridize(static_alloc=True, static_shape=True)
trainer, loss = gluon.Trainer(net.collect_params(), "sgd"), gluon.loss.SoftmaxCrossEntropyLoss()
def steps():
    for _ in range(3):
        with autograd.record():
            batch_loss = loss(net(mx.nd.ones((256, 1, 28, 28))), mx.nd.zeros(256))
        batch_loss.backward()
        trainer.step(256)
    mx.nd.waitall()
steps()
del os.environ["OMP_NUM_THREADS"]
import gluon_cnn
found = [engine_threads()]
steps()
gluon_cnn.runtime.set_threads(1)
found.append(engine_threads())
steps()
print(json.dumps(found))
"""

#: Trains LeNet for two steps with each of some numbers of threads, in one process, and prints a hash for each.
BITS = """
import hashlib, json, os
import gluon_cnn, mxnet as mx, numpy as np
from gluon_cnn.runtime import set_threads
stream = np.random.RandomState(0)
batches = [(stream.rand(256, 1, 28, 28), stream.randint(10, size=256)) for _ in range(2)]
loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
hashes = []
for number in json.loads(os.environ["NUMBERS"]):
    set_threads(number)
    net = gluon_cnn.lenet(hybrid=True)
    gluon_cnn.initialize_as_published(net)
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.9})
    for X, y in batches:
        with mx.autograd.record():
            batch_loss = loss(net(mx.nd.array(X)), mx.nd.array(y))
        batch_loss.backward()
        trainer.step(256)
    parameters = b"".join(p.data().asnumpy().tobytes() for p in net.collect_params().values())
    hashes.append(hashlib.sha256(parameters).hexdigest())
print(json.dumps(hashes))
"""

#: Prints how much LeNet's outputs of 64 images differ from those of one image at a time, and the number of threads.
BATCH_AND_ONE_BY_ONE = """
import json, os, sys
if os.environ.get("FIRST") == "libgomp":
    import ctypes; ctypes.CDLL("libgomp.so.1").omp_set_num_threads(1)  # on this thread alone
if os.environ.get("FIRST") == "mxnet":
    import numpy; numpy.bool = bool
    import mxnet
import gluon_cnn, mxnet as mx, numpy as np
from gluon_cnn.runtime import doctor, set_threads, threads
if os.environ.get("LATER"):
    set_threads(int(os.environ["LATER"]))
if os.environ.get("FIRST"):
    for _ in range(2):  # as for a data loader's workers, after which MXNet has new threads
        mx.nd.ones(1).wait_to_read()
        mx.nd.waitall()
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
stream, differences = np.random.RandomState(0), []
images = mx.nd.array(stream.rand(64, 1, 28, 28))
for hybrid in (False, True):
    net = gluon_cnn.lenet(hybrid=hybrid)
    net.initialize(mx.init.Xavier(magnitude=20))
    one_by_one = np.concatenate([net(images[i : i + 1]).asnumpy() for i in range(64)])
    differences.append(float(np.abs(net(images).asnumpy() - one_by_one).max()))
finding = doctor._threads()
print(json.dumps([differences, threads(), finding.state, f"{finding.value} {finding.advice}"]))
"""


#: A process that forks as soon as the number of threads has been set, by the import of this package and afterwards.
FORKS = """
import os, signal
signal.alarm(60)
import numpy; numpy.bool = bool
import mxnet as mx
import gluon_cnn
for number in (None, 1, 2, 1, 2):
    if number:
        gluon_cnn.runtime.set_threads(number)
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
print(gluon_cnn.runtime.threads())
"""


@pytest.fixture(scope="module")
def changed_later(python):
    return json.loads(python(CHANGED_LATER, {"OMP_NUM_THREADS": "2,1"})[0])


def test_list_of_thread_numbers_means_its_first(changed_later):
    assert changed_later["begins"] == [2, 2, 3.0, True]  # the list itself would end the process


def test_threads_can_be_set_at_any_time(changed_later):
    assert changed_later["later"] == [3, 3]


def test_threads_change_while_numpy_memory_is_freed(changed_later):
    assert changed_later["last"] == 2


def test_process_may_fork_at_once(python):
    """An engine thread that has yet to set its number waits for Python's lock, which a fork holds."""
    assert python(FORKS, {}) == ["2"]


def test_engine_has_the_threads_of_the_environment():
    found, openmp = [], ctypes.CDLL("libgomp.so.1")
    set_threads(threads())
    run_on_engine_thread(lambda: found.append(openmp.omp_get_max_threads()))
    mx.nd.waitall()
    assert found == [threads()]


def test_mxnet_imported_before_gets_cores_and_trains_on(python):
    assert json.loads(python(IMPORTED_LATE, {"OMP_NUM_THREADS": "1"})[0]) == [usable_cores(), 1]


def test_bits_depend_on_threads_alone_after_a_change(python):
    """Without new engine threads, oneDNN would keep the old number's primitives."""
    from_one, from_two = map(json.loads, python(BITS, {"NUMBERS": "[1, 2, 1]"}, {"NUMBERS": "[2, 1, 2]"}))
    one, two = from_one[0], from_two[0]
    assert one != two
    assert (from_one, from_two) == ([one, two, one], [two, one, two])


def batch_and_one_by_one(python, environments):
    """What the doctor says in each of some environments, in which LeNet's results are right."""
    found = []
    for differences, *others in map(json.loads, python(BATCH_AND_ONE_BY_ONE, *environments)):
        assert all(difference < 1e-5 for difference in differences), others  # False for NaN
        found.append(others)
    return found


def test_limit_of_openmp_is_kept(python):
    limit, later, first = batch_and_one_by_one(
        python,
        [
            {"OMP_NUM_THREADS": "2", "OMP_THREAD_LIMIT": "1"},
            {"OMP_NUM_THREADS": "2", "OMP_THREAD_LIMIT": "3", "LATER": "8"},
            {"OMP_NUM_THREADS": "2", "OMP_THREAD_LIMIT": "1", "FIRST": "libgomp"},
        ],
    )
    assert limit[:2] == first[:2] == [1, "warning"]
    assert limit[2].endswith("MXNet gets 1 thread instead of 2, because OMP_THREAD_LIMIT is 1: unset it")
    assert later[:2] == [3, "warning"]
    assert later[2].endswith("MXNet gets 3 threads instead of 8, because OMP_THREAD_LIMIT is 3: unset it")


def test_variables_that_vary_threads_are_overruled(python):
    dynamic, levels = batch_and_one_by_one(
        python,
        [
            {"OMP_NUM_THREADS": "2", "OMP_DYNAMIC": "true", "OMP_NESTED": "true"},
            {"OMP_NUM_THREADS": "2", "OMP_MAX_ACTIVE_LEVELS": "0", "OMP_PLACES": "{0}", "OPENBLAS_NUM_THREADS": "1"},
        ],
    )
    assert dynamic[0] == levels[0] == 2
    assert "OMP_DYNAMIC is true, which is overruled" in dynamic[2]
    assert "OMP_MAX_ACTIVE_LEVELS is 0, which is overruled" in levels[2]


def test_variables_that_openmp_has_read_already(python):
    environments = [
        {"OMP_NUM_THREADS": "2", "OMP_MAX_ACTIVE_LEVELS": "0", "FIRST": "libgomp"},
        {"OMP_NUM_THREADS": "2", "OMP_DYNAMIC": "true", "FIRST": "mxnet"},
    ]
    levels, dynamic = batch_and_one_by_one(python, environments)
    assert levels[:2] == dynamic[:2] == [1, "warning"]
    assert levels[2].endswith("because OMP_MAX_ACTIVE_LEVELS is 0: unset it")
    assert dynamic[2].endswith("because OMP_DYNAMIC is true: unset it")


def test_lower_number_is_said_once(python):
    code = """
import logging
import gluon_cnn
messages, handler = [], logging.Handler()
handler.emit = lambda record: messages.append(record.getMessage())
logging.getLogger("gluon_cnn.runtime").addHandler(handler)
import mxnet
gluon_cnn.runtime.set_threads(2)
gluon_cnn.runtime.set_threads(3)
print(messages)
"""
    limited, free = python(code, {"OMP_NUM_THREADS": "2", "OMP_THREAD_LIMIT": "1"}, {"OMP_NUM_THREADS": "2"})
    assert limited == '["MXNet\'s operators use 1 thread instead of 2, because OMP_THREAD_LIMIT is 1"]'
    assert free == "[]"

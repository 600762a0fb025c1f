"""What happens before MXNet is imported, in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gluon_cnn import _runtime


def python(code, **environment):
    """Standard output of a new process; these variables are unset unless given."""
    chosen = ("OMP_NUM_THREADS", "MXNET_CPU_TEMP_COPY", "MXNET_CPU_WORKER_NTHREADS")
    env = {name: value for name, value in os.environ.items() if name not in chosen}
    result = subprocess.run(
        [sys.executable, "-c", code], env={**env, **environment}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_mxnet_gets_every_core_this_process_may_use():
    code = "import gluon_cnn, os; print(os.environ['OMP_NUM_THREADS'])"
    assert python(code) == str(_runtime.usable_cores())
    assert python(f"import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); {code}") == "1"


def test_temporary_memory_is_kept_once_where_one_operator_runs_at_a_time():
    """Of a convolution whose gradient's 144 MiB are put into another layout, which takes as much each time."""
    code = (
        "import gluon_cnn, mxnet as mx, psutil\n"
        "net = mx.gluon.nn.Conv2D(16, 5)\n"
        "net.initialize()\n"
        "for _ in range(8):\n"
        "    with mx.autograd.record():\n"
        "        outputs = net(mx.nd.ones((4096, 1, 28, 28)))\n"
        "    outputs.backward()\n"
        "    mx.nd.waitall()\n"
        "print(psutil.Process().memory_info().rss / 2**20)"  # a peak would be that of the process that forked
    )
    assert float(python(code)) < float(python(code, MXNET_CPU_TEMP_COPY="4")) - 50
    code = "import os, gluon_cnn; print(os.environ.get('MXNET_CPU_TEMP_COPY'))"
    assert python(code) == "1"
    assert python(code, MXNET_CPU_TEMP_COPY="4") == "4"
    assert python(code, MXNET_CPU_WORKER_NTHREADS="2") == "None"


def test_a_parameter_server_ends_when_its_scheduler_is_gone():
    code = (
        "import socket, threading; from gluon_cnn import _runtime\n"
        "listener = socket.create_server(('127.0.0.1', 0))\n"
        "threading.Timer(1, listener.close).start()\n"
        "_runtime.end_with_scheduler(listener.getsockname(), every=0.2)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "the scheduler of this server's job is gone" in done.stderr


def test_number_of_threads_that_the_user_set_stays():
    assert python("import gluon_cnn, os; print(os.environ['OMP_NUM_THREADS'])", OMP_NUM_THREADS="3") == "3"


#: Prints how many threads OpenMP gives to the thread that does MXNet's work.
ENGINE_THREADS = (
    "import ctypes, gluon_cnn, mxnet as mx\n"
    "openmp = ctypes.CDLL('libgomp.so.1')\n"
    "gluon_cnn._runtime.run_on_engine_thread(lambda: print(openmp.omp_get_max_threads(), flush=True))\n"
    "mx.nd.waitall()"
)


def test_list_of_numbers_that_openmp_allows_does_not_end_the_process():
    code = "import gluon_cnn, mxnet as mx; print(mx.nd.ones(3).sum().asscalar(), gluon_cnn._runtime.threads())"
    assert python(code, OMP_NUM_THREADS="2,1") == "3.0 2"


def test_mxnet_that_was_imported_before_gets_the_cores_too():
    cores = str(_runtime.usable_cores())
    assert python(ENGINE_THREADS) == cores
    assert (
        python(f"import numpy; numpy.bool = bool; import mxnet as mx; mx.nd.ones(3).wait_to_read()\n{ENGINE_THREADS}")
        == cores
    )


def test_number_of_threads_can_be_set_at_any_time():
    code = ENGINE_THREADS.replace("mx\n", "mx; gluon_cnn._runtime.set_threads(3)\n", 1)
    assert python(code) == "3"
    assert python(code, OMP_NUM_THREADS="1") == "3"


#: Trains a network with MXNet as it comes, and goes on once gluon_cnn has changed the number of threads.
IMPORTED_LATE = """
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
import gluon_cnn
steps()
print("trained")
"""


def test_a_network_trained_before_the_import_goes_on():
    assert python(IMPORTED_LATE) == "trained"
    later = "import os; os.environ['OMP_NUM_THREADS'] = '2'\nimport gluon_cnn; gluon_cnn._runtime.set_threads(2)"
    assert python(IMPORTED_LATE.replace("import gluon_cnn", later), OMP_NUM_THREADS="1") == "trained"


#: Trains LeNet for two steps with each of some numbers of threads, in one process, and prints a hash for each.
BITS = """
import hashlib, sys
import gluon_cnn
from gluon_cnn import _runtime
from gluon_cnn.data import SAMPLE
from gluon_cnn.training import get_recipe, initialize_from_seed
from gluon_cnn.training.loop import train_steps
from gluon_cnn.training.metrics import Sums
import mxnet as mx
batches = list(gluon_cnn.load_data_fashion_mnist(256, root=SAMPLE, train_size=512, seed=0)[0])
for number in map(int, sys.argv[1:]):
    _runtime.set_threads(number)
    net = get_recipe("lenet").network(hybrid=True)
    initialize_from_seed(net, 0, (1, 1, 28, 28))
    trainer = get_recipe("lenet").trainer(list(net.collect_params().values()))
    for _ in train_steps(net, batches, trainer, [mx.cpu()], Sums()):
        pass
    parameters = b"".join(p.data().asnumpy().tobytes() for p in net.collect_params().values())
    print(number, hashlib.sha256(parameters).hexdigest())
"""


def test_bits_after_a_change_of_the_number_of_threads_are_those_of_the_number():
    """Without new engine threads, oneDNN goes on with the old number, and from 1 to 2 the process ends."""
    command = [sys.executable, "-c", BITS]
    alone = [subprocess.check_output([*command, number], text=True) for number in "12"]
    assert alone[0].split()[1] != alone[1].split()[1]
    assert subprocess.check_output([*command, "1", "2", "1", "2"], text=True) == "".join(alone * 2)


def test_the_number_of_threads_can_be_set_while_the_engine_frees_numpys_memory():
    """For which it needs Python's lock, which is held while the process forks."""
    code = (
        "import gluon_cnn; from gluon_cnn import _runtime; from gluon_cnn.data import SAMPLE\n"
        "batches = gluon_cnn.load_data_fashion_mnist(256, root=SAMPLE, train_size=512)[0]\n"
        "for i in range(150): list(batches); _runtime.set_threads(1 + i % 2)\n"
        "print(_runtime.threads())"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60) == "2\n"


def test_import_costs_little_more_than_mxnets():
    code = "import time; a = time.perf_counter(); import gluon_cnn; print(time.perf_counter() - a)"
    mxnet = f"from gluon_cnn import _runtime\n{code}".replace("import gluon_cnn;", "_runtime.import_mxnet();")
    # _runtime alone cannot be imported without its package, so its file is run.
    mxnet = code.replace("import gluon_cnn;", f"exec(open({_runtime.__file__!r}).read()); import_mxnet();")
    ours, theirs = (min(float(python(program)) for _ in range(3)) for program in (code, mxnet))
    assert ours - theirs < 0.2


@pytest.mark.parametrize("missing", ["mxnet", "numpy"])
def test_without_an_extra_the_import_says_what_to_install(missing):
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "try:\n    import gluon_cnn\nexcept ImportError as error:\n    print(error)"
    )
    assert "pip install gluon-cnn[cpu], or gluon-cnn[cu112]" in python(code)


def test_numpy_2_is_refused_in_a_sentence():
    code = (
        "import numpy; numpy.__version__ = '2.1.0'\n"
        "try:\n    import gluon_cnn\nexcept ImportError as error:\n    print(error)"
    )
    assert python(code).startswith("MXNet 1.9.1 does not work with NumPy 2.1.0: pip install")


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("libcuda.so.1: cannot open shared object file: No such file or directory", "no NVIDIA driver"),
        ("libcudnn.so.8: cannot open shared object file: No such file or directory", "libcudnn.so.8 is missing"),
        ("something else", "something else"),
    ],
)
def test_missing_libraries_are_explained(error, advice):
    assert advice in _runtime._explain_missing_library(error)


@pytest.mark.parametrize(
    ("line", "files", "expected"),
    [
        ("0::/job/step", {"job/cpu.max": "150000 100000", "job/step/cpu.max": "max 100000"}, 1.5),
        ("0::/", {"cpu.max": "max 100000"}, float("inf")),
        ("3:cpu,cpuacct:/a", {"cpu/a/cpu.cfs_quota_us": "50000", "cpu/a/cpu.cfs_period_us": "100000"}, 0.5),
        ("3:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, float("inf")),
        ("7:memory:/a", {}, float("inf")),
    ],
)
def test_quota_of_the_cgroup_and_those_above_it(tmp_path, line, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    proc_file = tmp_path / "self"
    proc_file.write_text(line + "\n")
    assert _runtime._cgroup_quota(proc_file, tmp_path) == expected


def test_hyper_threads_of_one_core_count_once(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(_runtime, "_siblings", lambda processor: f"{processor % 2},{processor % 2 + 2}")
    assert _runtime.usable_cores() <= 2


def test_cuda_libraries_are_loaded_in_order_for_the_gpu_wheel_only(tmp_path, monkeypatch):
    for package, library in _runtime._CUDA_LIBRARIES:
        path = tmp_path / "nvidia" / package / "lib" / library
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    loaded = []
    monkeypatch.setattr(_runtime.ctypes, "CDLL", lambda path, mode: loaded.append(Path(path).name))
    _runtime._load_cuda_libraries()
    assert loaded == []
    monkeypatch.setattr(_runtime, "_is_installed", lambda name: name == "mxnet-cu112")
    _runtime._load_cuda_libraries()
    assert loaded == [library for _, library in _runtime._CUDA_LIBRARIES]

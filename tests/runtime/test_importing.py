"""What happens before MXNet is imported, and what is said where it cannot be."""

import importlib
import json
import logging
import os
import sys

import numpy
import pytest

from gluon_cnn.errors import GluonCNNError, InstallationError
from gluon_cnn.runtime import INSTALL_HINT, import_mxnet, install_hint, prepare, repairs, usable_cores

#: Imports the package alone, and prints what that has set and whether it has imported MXNet.
IMPORT = """
import json, os, sys
if "CORE" in os.environ:
    os.sched_setaffinity(0, [int(os.environ["CORE"])])
import gluon_cnn
names = "OMP_NUM_THREADS", "MXNET_CPU_TEMP_COPY", "GOMP_SPINCOUNT", "MXNET_CPU_PARALLEL_SIZE"
print(json.dumps([os.environ.get(name) for name in names] + ["mxnet" in sys.modules]))
"""

#: Prints by how many MiB a process has grown after some steps of a convolution, whose gradient of 72 MiB is put into
#: another layout, which takes as much temporary memory. All else is freed by the engine, a moment after the last step.
TEMPORARY_MEMORY = """
import time
import gluon_cnn, mxnet as mx, psutil
def memory():
    mx.nd.zeros(1).wait_to_read()
    time.sleep(0.1)
    return psutil.Process().memory_info().rss
net = mx.gluon.nn.Conv2D(16, 5)
net.initialize()
net(mx.nd.ones((1, 1, 28, 28))).wait_to_read()
before = memory()
for _ in range(5):
    with mx.autograd.record():
        outputs = net(mx.nd.ones((2048, 1, 28, 28)))
    outputs.backward()
    mx.nd.waitall()
del outputs
print((min(memory() for _ in range(5)) - before) / 2**20)
"""

#: What a launcher tells every process of a job.
JOB = {"DMLC_PS_ROOT_URI": "127.0.0.1", "DMLC_PS_ROOT_PORT": "9", "DMLC_NUM_WORKER": "1", "DMLC_NUM_SERVER": "1"}


#: Imports MXNet first, twice the package, and prints the categories, places and texts of the warnings.
SECOND = """
import json, warnings
import numpy; numpy.bool = bool
import mxnet
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import gluon_cnn
    import gluon_cnn.d2l
print(json.dumps([[w.category.__name__, w.filename, str(w.message)] for w in caught if "gluon_cnn" in str(w.message)]))
"""


@pytest.fixture
def fake_mxnet(tmp_path, monkeypatch):
    """A function that puts a package ``mxnet`` with some code in the place of the real one, not imported yet."""

    def put(code):
        (tmp_path / "mxnet").mkdir()
        (tmp_path / "mxnet" / "__init__.py").write_text(code)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "mxnet")

    return put


def test_import_sets_variables_without_importing_mxnet(python):
    environments = {
        "nothing": {},
        "one core": {"CORE": str(min(os.sched_getaffinity(0)))},
        "the user's": {
            "OMP_NUM_THREADS": "3",
            "MXNET_CPU_TEMP_COPY": "4",
            "GOMP_SPINCOUNT": "5",
            "MXNET_CPU_PARALLEL_SIZE": "6",
        },
        "several operators at a time": {"MXNET_CPU_WORKER_NTHREADS": "2"},
    }
    found = dict(zip(environments, map(json.loads, python(IMPORT, *environments.values()))))
    cores, copies, spins, size, imported = found["nothing"]
    assert (cores, copies, spins, int(size) >= 1 << 30) == (str(usable_cores()), "1", "2000", True)
    assert not imported
    assert found["one core"][0] == "1"
    assert found["the user's"][:4] == ["3", "4", "5", "6"]
    assert found["several operators at a time"][1] is None


def test_import_after_mxnet_warns_once(python):
    """Where the import stands, of what can no longer be set and is not; and of nothing where it is."""
    variables = {"GOMP_SPINCOUNT": "5", "MXNET_CPU_PARALLEL_SIZE": "6"}
    nothing, some, all_set = map(json.loads, python(SECOND, {}, variables, {**variables, "MXNET_CPU_TEMP_COPY": "1"}))
    ((category, place, message),) = nothing
    assert (category, place) == ("RuntimeWarning", "<string>")
    assert "too late for GOMP_SPINCOUNT, MXNET_CPU_PARALLEL_SIZE, MXNET_CPU_TEMP_COPY: " in message
    assert message.endswith("Import gluon_cnn first.")
    assert "too late for MXNET_CPU_TEMP_COPY: " in some[0][2]
    assert all_set == []


def test_temporary_memory_is_kept_once(python):
    once, four_times = map(float, python(TEMPORARY_MEMORY, {}, {"MXNET_CPU_TEMP_COPY": "4"}))
    assert once < four_times - 36  # half of one piece


@pytest.mark.parametrize("role", ["server", "scheduler"])
def test_server_does_its_work_within_the_import(python, tmp_path, role):
    (tmp_path / "mxnet.py").write_text("import sys\nprint('the server works')\nsys.exit()\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**JOB, "DMLC_ROLE": role, "PYTHONPATH": path}
    assert python("import gluon_cnn; print('after')", environment) == ["the server works"]


def test_prepare_does_not_report_missing_mxnet(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(os, "environ", {**os.environ, **JOB, "DMLC_ROLE": "scheduler"})
    monkeypatch.setitem(sys.modules, "mxnet", None)
    prepare(lambda: None)
    with pytest.raises(InstallationError):
        import_mxnet()


def test_any_import_of_mxnet_is_repaired(fake_mxnet, monkeypatch):
    monkeypatch.delattr(numpy, "bool")
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    fake_mxnet("import logging, numpy\nlogging.info('begins')\nkind = numpy.bool")
    assert importlib.import_module("mxnet").kind is bool
    assert logging.getLogger().handlers == []


def test_looking_for_mxnet_repairs_nothing(fake_mxnet, monkeypatch):
    fake_mxnet("")
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert importlib.util.find_spec("mxnet").origin.endswith("__init__.py")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise OSError('libcuda.so.1: cannot open shared object file')", "NVIDIA driver (libcuda.so.1)"),
        (
            "raise OSError('libcudnn.so.8: cannot open it')",
            f"because libcudnn.so.8 is missing: {install_hint('cu112')}.",
        ),
        ("raise OSError('something else')", f"MXNet cannot be loaded (something else): {INSTALL_HINT}."),
        (
            "raise RuntimeError('Cannot find the MXNet library.\\nList: x')",
            f"MXNet cannot be imported (Cannot find the MXNet library.): uninstall it, then {INSTALL_HINT}.",
        ),
        ("import numpy; numpy.no_such_name", "has no attribute 'no_such_name'): uninstall it"),
        ("import no_such_package", "MXNet cannot be imported (No module named 'no_such_package'): uninstall it"),
    ],
)
def test_failing_import_says_what_to_do(fake_mxnet, code, message):
    fake_mxnet(code)
    with pytest.raises(InstallationError) as caught:
        importlib.import_module("mxnet")  # by whichever module
    assert message in str(caught.value)
    assert isinstance(caught.value, GluonCNNError)


@pytest.mark.parametrize(("missing", "name"), [("mxnet", "MXNet"), ("numpy", "NumPy")])
def test_missing_package_is_named_with_its_installation(fake_mxnet, monkeypatch, missing, name):
    fake_mxnet("")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError) as caught:
        import_mxnet()
    assert str(caught.value) == f"{name} is not installed: {INSTALL_HINT}."


def test_damaged_numpy_must_be_installed_again(fake_mxnet, tmp_path, monkeypatch):
    fake_mxnet("")
    (tmp_path / "numpy.py").write_text("raise ImportError('\\nits C code does not fit\\nmore')\n")
    monkeypatch.delitem(sys.modules, "numpy")
    with pytest.raises(InstallationError, match=r"^NumPy cannot be imported \(its C code does not fit\): uninstall it"):
        import_mxnet()


def test_numpy_2_is_refused_in_a_sentence(fake_mxnet, monkeypatch):
    fake_mxnet("")
    monkeypatch.setattr(numpy, "__version__", "2.1.0")
    with pytest.raises(InstallationError, match=r"^MXNet 1\.9\.1 does not work with NumPy 2\.1\.0: pip install"):
        import_mxnet()


def test_missing_distutils_asks_for_setuptools(monkeypatch):
    monkeypatch.setattr(repairs.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "setuptools", None)
    with pytest.raises(InstallationError, match=r"Python 3\.12 no longer has: pip install setuptools"):
        repairs.restore_distutils()

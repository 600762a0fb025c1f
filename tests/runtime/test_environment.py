"""Variables of the environment with which a library would end the process, wait forever or fail far from the cause."""

import os
import sys

import pytest

from gluon_cnn.errors import InstallationError
from gluon_cnn.runtime import ALWAYS_READ, check_variables
from gluon_cnn.runtime.environment import wrong_variables

#: Imports a library that the environment names, and prints what it raises.
IMPORT = """
import importlib, os
import gluon_cnn
try:
    importlib.import_module(os.environ["LIBRARY"])
except gluon_cnn.GluonCNNError as error:
    print(error)
"""
JOB = {"DMLC_PS_ROOT_URI": "127.0.0.1", "DMLC_PS_ROOT_PORT": "9", "DMLC_NUM_WORKER": "1", "DMLC_NUM_SERVER": "1"}

WRONG = [
    *[("OMP_NUM_THREADS", value) for value in ("²", "abc", "0", "-1", "1.5", "1" + 20 * "0", "100000", "2,", "2,x")],
    *[("OMP_STACKSIZE", value) for value in ("16k", "-1", "x", "1", "2G", "999999G", "8 Q")],
    ("GOMP_STACKSIZE", "16"),
    ("KMP_STACKSIZE", "64k"),
    *[("MXNET_CPU_WORKER_NTHREADS", value) for value in ("abc", "0", "-1", "100000", "²", "1_0", "0x1", "1.0")],
    *[("MXNET_ENGINE_TYPE", value) for value in ("x", "", "naiveengine")],
    ("MXNET_CPU_TEMP_COPY", "0"),
    ("MXNET_EXEC_BULK_EXEC_MAX_NODE_TRAIN", "-1"),
    ("MXNET_EXEC_BULK_EXEC_TRAIN", "yes"),
    ("MXNET_TUNING_WEIGHT_SCALE", "abc"),
    ("MXNET_ONEDNN_ENABLED", "x"),
    ("MXNET_ENABLE_CYTHON", ""),
    ("DMLC_ROLE", "foo"),
]
RIGHT = [
    *[("OMP_NUM_THREADS", value) for value in ("", "1", "1024", "2,1", " 3 ", "+2")],
    *[("OMP_STACKSIZE", value) for value in ("", "8192", "256k", "8 M", "1g", "1048576B")],
    *[("MXNET_CPU_WORKER_NTHREADS", value) for value in ("", "1", " 2", "+4")],
    ("MXNET_ENGINE_TYPE", "NaiveEngine"),
    ("MXNET_EXEC_BULK_EXEC_TRAIN", "True"),
    ("MXNET_TUNING_WEIGHT_SCALE", "-1.5e3"),
    ("MXNET_NO_SUCH_NAME", "abc"),
    ("DMLC_NUM_WORKER", "abc"),  # not in a job
]


@pytest.fixture
def no_variables(monkeypatch):
    for name in [name for name in os.environ if name.startswith((*ALWAYS_READ, "DMLC_", "PS_"))]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_wrong_value_is_named_with_its_kind(name, value, no_variables, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(InstallationError) as caught:
        check_variables()
    assert str(caught.value).startswith(f"{name} is {value!r}; it must be ")
    assert str(caught.value).endswith(": change or unset it.")


@pytest.mark.parametrize(("name", "value"), RIGHT)
def test_right_value_is_not_refused(name, value, no_variables, monkeypatch):
    monkeypatch.setenv(name, value)
    assert wrong_variables() == []


def test_long_value_is_cut(no_variables, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", 10_000 * "9")
    assert len(wrong_variables()[0]) < 200


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DMLC_NUM_WORKER", "abc", "DMLC_NUM_WORKER is 'abc'; it must be a whole number from 1 to 100000"),
        ("DMLC_PS_ROOT_PORT", "0", "DMLC_PS_ROOT_PORT is '0'; it must be a whole number from 1 to 65535"),
        ("PS_VERBOSE", "x", "PS_VERBOSE is 'x'; it must be a whole number"),
        (
            "DMLC_PS_ROOT_URI",
            "",
            "DMLC_ROLE is server, but DMLC_PS_ROOT_URI, which a process of a job needs, is not set",
        ),
    ],
)
def test_job_has_variables_of_its_own(name, value, message, no_variables, monkeypatch):
    for variable, right in {**JOB, "DMLC_ROLE": "server"}.items():
        monkeypatch.setenv(variable, right)
    assert wrong_variables() == []
    monkeypatch.setenv(name, value)
    assert wrong_variables() == [message]
    check_variables(*ALWAYS_READ)  # the launcher sets those of jobs itself


def test_python_without_docstrings_is_refused(no_variables, monkeypatch):
    monkeypatch.setattr(sys, "flags", type("Flags", (), {"optimize": 2}))
    with pytest.raises(InstallationError, match=r"^PYTHONOPTIMIZE is 2, .*: change or unset it\.$"):
        check_variables()


def test_import_names_the_variable_that_would_end_it(python):
    found = {
        "OMP_NUM_THREADS": ("100000", "mxnet"),
        "MXNET_CPU_PRIORITY_NTHREADS": ("abc", "mxnet"),
        "DMLC_ROLE": ("scheduler", "mxnet"),
        "MXNET_LIBRARY_PATH": (__file__, "mxnet"),
        "TQDM_MININTERVAL": ("abc", "tqdm"),
        "TQDM_BAR_FORMAT": ("{x}", "tqdm"),
        "MPLBACKEND": ("nonsense", "matplotlib"),
    }
    environments = [{name: value, "LIBRARY": library} for name, (value, library) in found.items()]
    for name, line in zip(found, python(IMPORT, *environments)):
        assert line.count("\n") == 0
        assert f"{name}=" in line or line.startswith(f"{name} is ")


def test_warnings_of_mxnet_are_no_errors(python):
    assert python(IMPORT, {"LIBRARY": "mxnet", "PYTHONWARNINGS": "error"}) == [""]

"""What the tests of the runtime share: new processes, and an ``nvidia-smi`` of their own."""

import os
import platform
import subprocess
import sys

import pytest

from gluon_cnn.runtime import nvidia

#: What this package and MXNet read when they are loaded, and what this process has set already.
VARIABLES = (
    "DMLC_ROLE",
    "GOMP_SPINCOUNT",
    "MXNET_CPU_PARALLEL_SIZE",
    "MXNET_CPU_TEMP_COPY",
    "MXNET_CPU_WORKER_NTHREADS",
    "OMP_NUM_THREADS",
)


@pytest.fixture(scope="session")
def python():
    """A function that runs code in new processes, one for each of some environments, all at the same time.

    It returns what each printed. The variables above are unset unless the environment has them.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}

    def run(code, *environments):
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", code],
                env={**inherited, **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for environment in environments
        ]
        outputs = [process.communicate() for process in processes]
        for process, (_, errors) in zip(processes, outputs):
            assert process.returncode == 0, errors
        return [output.strip() for output, _ in outputs]

    return run


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """A function that puts an ``nvidia-smi`` with a shell script's body first on the path."""

    def put(body):
        script = tmp_path / "bin" / "nvidia-smi"
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")

    return put


@pytest.fixture
def no_nvidia_smi(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def plain_machine(monkeypatch):
    """Let this be no container and no WSL, whatever it is."""
    monkeypatch.setattr(nvidia, "_CONTAINERS", {})
    monkeypatch.setattr(nvidia, "_LIBRARIES", ())
    monkeypatch.setattr(nvidia, "_PROGRAMS", ("/nowhere",))
    monkeypatch.setattr(platform, "release", lambda: "6.8.0-generic")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

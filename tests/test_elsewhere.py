"""The program where nothing of Linux is there, as on macOS, and no AVX."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from runs import CLI, SMALL_RUN

from gluon_cnn.training.history import read_history

#: Gives this process file systems of its own, takes Linux's away, and goes on with Python's code in its first argument.
#: Nothing can be written to /dev/shm, so there are no semaphores and no shared memory.
WITHOUT_PROC = """
for folder in /proc /sys /dev/shm; do mount -t tmpfs -o ro none $folder || exit 99; done
exec "$@"
"""
#: oneDNN and OpenBLAS then use nothing later than SSE 4; MXNet itself was compiled for less.
WITHOUT_AVX = {"DNNL_MAX_CPU_ISA": "SSE41", "OPENBLAS_CORETYPE": "Nehalem"}
#: Commands, one a line, in a process without GNU's OpenMP within reach and without a list of the processors it may use.
COMMANDS = """
import ctypes, multiprocessing, os, platform, shlex, sys
del os.sched_getaffinity, os.RTLD_NOLOAD
load = ctypes.CDLL.__init__
def without_openmp(library, name, *args, **options):
    if name is None or "gomp" in str(name):
        raise OSError(f"dlopen({name}): image not found")
    load(library, name, *args, **options)
ctypes.CDLL.__init__ = without_openmp
platform.machine, platform.processor = lambda: "arm64", lambda: ""
assert not os.listdir("/proc") + os.listdir("/sys") + os.listdir("/dev/shm")
try:
    multiprocessing.Lock()
except OSError:
    pass
else:
    sys.exit("there are semaphores")
from gluon_cnn.cli import main
for line in sys.stdin:
    if main(shlex.split(line)):
        sys.exit(line)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A directory in which the commands below were run in such a process, and what they printed."""
    folder = tmp_path_factory.mktemp("elsewhere")
    import matplotlib.image

    matplotlib.image.imsave(folder / "shoe.png", np.zeros((28, 28)))
    lines = [
        f"train lenet {' '.join(SMALL_RUN)} --out run",
        "train lenet --out run --resume --epochs 2 --threads auto",
        "predict run shoe.png",
        "export run --format safetensors",
        "compare run",
        "report .",
        "doctor --json",
    ]
    unshare = shutil.which("unshare") or pytest.skip("there is no unshare")
    done = subprocess.run(
        [
            unshare,
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            WITHOUT_PROC,
            "sh",
            sys.executable,
            "-c",
            COMMANDS,
        ],
        input="\n".join(lines),
        env={**os.environ, **WITHOUT_AVX},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip(f"file systems cannot be taken away here ({done.stderr.strip()})")
    assert done.returncode == 0, done.stderr
    return folder, done


def test_run_is_as_on_linux(run, tmp_path):
    folder, _ = run
    subprocess.run([*CLI, "train", "lenet", *SMALL_RUN, "--out", "run"], cwd=tmp_path, check=True, capture_output=True)
    there, here = (read_history(path / "run" / "history.csv")[0] for path in (folder, tmp_path))
    assert there.train_loss == pytest.approx(here.train_loss, rel=1e-4)
    assert there.test_acc == pytest.approx(here.test_acc, abs=0.02)
    assert {path.name for path in (folder / "run").iterdir()} >= {"config.json", "curves.png", "lenet.safetensors"}
    machine = json.loads((folder / "run" / "config.json").read_text())["machine"]
    assert machine["processor"] == "arm64"


def test_doctor_finds_nothing_wrong(run):
    findings = json.loads(run[1].stdout[run[1].stdout.rindex('{\n "ok"') :])
    assert findings["ok"]
    assert "Traceback" not in run[1].stderr


def test_make_says_that_apple_silicon_has_no_wheel(tmp_path):
    """By a Python that says it is there when it is asked."""
    shutil.copy(Path(__file__).parents[1] / "Makefile", tmp_path)
    python = tmp_path / "python"
    python.write_text(
        f"""#!/bin/sh
        is="import platform, sys; sys.platform = 'darwin'; platform.machine = lambda: 'arm64'; exec(sys.argv[2])"
        case "$2" in *platform*) exec {sys.executable} -c "$is" "$@";; *) exec {sys.executable} "$@";; esac
        """
    )
    python.chmod(0o755)
    done = subprocess.run(["make", ".venv", f"PYTHON={python}"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("MXNet 1.9.1 has no wheel for Apple silicon: docs/platforms.md")
    assert not (tmp_path / ".venv").exists()

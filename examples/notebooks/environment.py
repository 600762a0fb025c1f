"""Runs a notebook's cells in an environment that has this package, where the notebook's own Python cannot have it.

Colab's and Kaggle's Python have a NumPy that MXNet does not work with, and packages that need that NumPy. So ``uv``
makes another environment, a kernel starts in it, and each cell is sent there as it is, because IPython lets a notebook
change its cells before they are run. What a cell shows comes back.
"""

import json
import os
import queue
import shutil
import subprocess
import sys
from pathlib import Path

from IPython import get_ipython
from IPython.display import clear_output, publish_display_data
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpecManager

CHECKOUT = Path(__file__).resolve().parents[2]
ENVIRONMENT = CHECKOUT / ".venv-notebook"
PYTHON = ENVIRONMENT / "bin" / "python"
# What the notebook's own Python has set for itself, and must not be found in the other one.
OWN_VARIABLES = ("PYTHONHOME", "PYTHONPATH", "MPLBACKEND")


class CellError(Exception):
    """A cell that failed in the environment; the notebook shows the traceback that it had there."""

    def _render_traceback_(self):  # which IPython asks for
        return self.args[0]


def run_cells_there():
    """Make the environment if it is not there, start a kernel in it, and send it every cell from now on."""
    if not is_made():
        make()
    kernel = Kernel()
    shell = get_ipython()
    shell.user_ns["_run_there"] = kernel.run
    shell.input_transformers_cleanup.append(lambda lines: [f"_run_there({''.join(lines)!r})\n"])


def is_made():
    """Whether the environment has what the cells need."""
    command = [PYTHON, "-c", "import gluon_cnn, ipykernel, mxnet"]
    return PYTHON.exists() and subprocess.run(command, env=variables(), capture_output=True).returncode == 0


def make():
    """Make the environment, of a Python that MXNet works with; uv gets one where there is none."""
    uv = shutil.which("uv")
    if uv is None:
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "uv"], check=True)
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    for command in (
        ["venv", "--quiet", "--clear", "--python", ">=3.8,<3.13", str(ENVIRONMENT)],
        ["pip", "install", "--quiet", "--python", str(PYTHON), f"{CHECKOUT}[cpu]", "ipykernel"],
    ):
        subprocess.run([uv, *command], env=variables(), check=True)


def variables():
    """The environment's variables for a program of the other Python."""
    return {name: value for name, value in os.environ.items() if name not in OWN_VARIABLES}


class Kernel:
    """A kernel of the environment, which ends with this process."""

    def __init__(self):
        folder = ENVIRONMENT / "share" / "jupyter" / "kernels"
        (folder / "gluon-cnn").mkdir(parents=True, exist_ok=True)
        argv = [str(PYTHON), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {"argv": argv, "display_name": "gluon-cnn", "language": "python"}
        (folder / "gluon-cnn" / "kernel.json").write_text(json.dumps(spec))
        specs = KernelSpecManager(kernel_dirs=[str(folder)])
        self._manager = KernelManager(kernel_name="gluon-cnn", kernel_spec_manager=specs)
        self._manager.start_kernel(env=variables())
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=120)

    def run(self, cell):
        """Run a cell and show what it shows; CellError if it fails."""
        request = self._client.execute(cell, allow_stdin=False)
        error = None
        while True:
            try:
                message = self._client.get_iopub_msg(timeout=1)
            except queue.Empty:
                if not self._manager.is_alive():
                    raise CellError(["The environment's kernel has ended: restart the notebook's."]) from None
                continue
            except KeyboardInterrupt:  # the cell's error comes as a message
                self._manager.interrupt_kernel()
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            if kind == "error":
                error = CellError(content["traceback"])
            else:
                show(kind, content)
        if error:
            raise error


def show(kind, content):
    """Show what a cell has put out."""
    if kind == "stream":
        stream = getattr(sys, content["name"])
        stream.write(content["text"])
        stream.flush()
    elif kind in ("display_data", "execute_result", "update_display_data"):
        publish_display_data(
            data=content["data"],
            metadata=content["metadata"],
            transient=content.get("transient", {}),
            update=kind == "update_display_data",
        )
    elif kind == "clear_output":
        clear_output(content["wait"])

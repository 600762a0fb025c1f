"""Notebooks whose own Python cannot have MXNet, as Colab's: their cells run in another environment."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

import gluon_cnn

NOTEBOOKS = Path(__file__).parents[2] / "examples" / "notebooks"
FIRST = (NOTEBOOKS / "first_cell.py").read_text(encoding="utf-8").rstrip("\n")

#: The notebook's own Python has a new NumPy, has imported it, and has neither this package nor MXNet.
LIKE_COLAB = """
import importlib.util, numpy
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name in ("gluon_cnn", "mxnet") else find_spec(name, *more)
"""
TRAINS = """
import gluon_cnn as d2l
import mxnet as mx
import numpy
from gluon_cnn.data import SAMPLE
train_iter, test_iter = d2l.load_data_fashion_mnist(32, root=SAMPLE, train_size=320, test_size=64)
net = d2l.lenet(hybrid=True)
net.initialize()
history = d2l.train_ch6(net, train_iter, test_iter, 1, 0.1)
history
"""
CELLS = [
    FIRST,
    TRAINS,
    "print(numpy.__version__[0], history[-1].epoch)\nd2l.show_fashion_mnist(next(iter(test_iter))[0][:3], range(3))",
    "x = !echo $MPLBACKEND",
    FIRST,
    "print(x)",
]


@pytest.fixture
def colab(tmp_path):
    """A function that runs cells in a notebook like Colab's beside a clone of this tree, and returns their outputs."""
    clone = tmp_path / "gluon-cnn"
    (clone / "examples").mkdir(parents=True)
    shutil.copytree(NOTEBOOKS, clone / "examples" / "notebooks")
    own = tmp_path / "own"
    (own / "numpy").mkdir(parents=True)
    (own / "numpy" / "__init__.py").write_text("__version__ = '2.4.0'\n")
    (own / "sitecustomize.py").write_text(LIKE_COLAB)
    # The environment, as `make` would have left it: this one, and this tree's package.
    venv.create(clone / ".venv-notebook", symlinks=True)
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    there = clone / ".venv-notebook" / "lib" / python / "site-packages" / "this.pth"
    there.write_text(f"{Path(gluon_cnn.__file__).parents[1]}\n{sysconfig.get_path('purelib')}\n")
    variables = {**os.environ, "PYTHONPATH": str(own), "MPLBACKEND": "module://colab_backend"}

    def run(*cells, **options):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells])
        options = {"timeout": 250, "resources": {"metadata": {"path": str(tmp_path)}}, **options}
        client = NotebookClient(notebook, **options)
        return [cell.outputs for cell in client.execute(env=variables).cells]

    return run


def text(outputs):
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_cells_train_and_draw_in_the_environment(colab):
    first, trains, shows, _, again, magic = colab(*CELLS)
    assert first == again == []
    kinds = [min(output.data) for output in trains if "data" in output]
    assert sorted(kinds) == ["image/svg+xml", "text/html"]  # the last curves, and the table
    assert text(shows) == "1 1\n"
    *printed, picture = shows
    assert {output.output_type for output in printed} == {"stream"}  # in one piece or more, as the kernel has time
    assert picture.output_type == "display_data"
    assert "image/" in min(picture.data)
    assert "colab" not in text(magic)


def test_failing_cell_stops_the_notebook(colab):
    with pytest.raises(CellExecutionError, match="ZeroDivisionError") as caught:
        colab(FIRST, "def f():\n    return 1 / 0\nf()", "print('goes on')")
    plain = re.sub(r"\x1b\[[\d;]*m", "", str(caught.value))
    assert "return 1 / 0" in plain
    assert "environment.py" not in plain


def test_stopped_cell_leaves_the_environment_alive(colab):
    """As by the button that interrupts the notebook's kernel."""
    seconds = {"timeout": None, "timeout_func": lambda cell: 4 if "sleep" in cell.source else 250}
    stop = {"interrupt_on_timeout": True, "allow_errors": True, **seconds}
    *_, lives = colab(FIRST, "import time; x = 3", "time.sleep(600); x = 4", "print(x)", **stop)
    assert text(lives) == "3\n"


def test_kernel_that_ends_is_reported(colab):
    with pytest.raises(CellExecutionError, match="kernel has ended: restart the notebook's"):
        colab(FIRST, "import os; os._exit(3)")


@pytest.mark.parametrize(
    ("address", "folder", "said"),
    [
        ("https://github.com/OWNER/gluon-cnn", None, "Set ADDRESS to"),
        (
            "https://github.com/OWNER/gluon-cnn",
            "gluon-cnn/examples",
            "The folder gluon-cnn has no examples/notebooks: ",
        ),
        ("{here}/nowhere", "gluon-cnn/examples/notebooks", "The folder gluon-cnn has no examples/notebooks: remove"),
        ("{here}/nowhere", None, "{here}/nowhere cannot be cloned (Command"),
    ],
)
def test_clone_that_fails_is_said_in_words(tmp_path, address, folder, said):
    if folder:
        (tmp_path / folder).mkdir(parents=True)
    code = FIRST.replace("https://github.com/OWNER/gluon-cnn", address.format(here=tmp_path))
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert done.stderr.splitlines()[-1].startswith(said.format(here=tmp_path))


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_notebook_begins_with_the_same_cell(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert cells[0].source == FIRST, "copy first_cell.py into it"

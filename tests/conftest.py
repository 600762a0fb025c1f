"""What many tests share: real images, and a small run to look at."""

import gluon_cnn  # before mxnet, which it makes ready; see _runtime.py

# isort: split
import mxnet as mx
import pytest

from gluon_cnn.cli import main
from gluon_cnn.data import SAMPLE

#: A run of a few steps: 256 images in batches of 64, one epoch.
SMALL_RUN = ["--data", "sample", "--train-size", "256", "--test-size", "128", "--batch-size", "64", "--epochs", "1"]


#: A command in a process that ends itself, as by SIGKILL, before the n-th time that it makes something last on the
#: disk; it prints how many times there were.
KILLED_AT = """
import os, signal, sys, pathlib
count = 0
def killed_at(function):
    def wrapper(*args, **options):
        global count
        count += 1
        if count == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **options)
    return wrapper
os.fsync = killed_at(os.fsync)
os.unlink = killed_at(os.unlink)
pathlib.Path.rename = killed_at(pathlib.Path.rename)
pathlib.Path.replace = killed_at(pathlib.Path.replace)
from gluon_cnn.cli import main
status = main(sys.argv[2:])
print(count)
sys.exit(status)
"""


@pytest.fixture
def sample():
    """A function that loads the sample: ``sample(batch_size, resize)``."""
    return lambda *args, **options: gluon_cnn.load_data_fashion_mnist(*args, root=SAMPLE, **options)


@pytest.fixture
def images():
    """64 real images, float32 64×1×28×28."""
    X, _ = next(iter(gluon_cnn.load_data_fashion_mnist(64, root=SAMPLE)[1]))
    return X


@pytest.fixture(scope="session")
def lenet_run(tmp_path_factory):
    """The directory of a finished run of LeNet; not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "lenet"
    assert main(["train", "lenet", *SMALL_RUN, "--epochs", "2", "--out", str(out), "--quiet"]) == 0
    return out


@pytest.fixture
def fails(capsys):
    """A function that runs a command which must end with exit code 1 and one line; returns that line."""

    def run(*argv):
        capsys.readouterr()
        assert main([str(argument) for argument in argv]) == 1
        error = capsys.readouterr().err
        assert error.startswith("gluon-cnn: ")
        assert error.count("\n") == 1
        assert "Traceback" not in error
        return error

    return run


@pytest.fixture
def np_arrays():
    """MXNet in the mode of its NumPy arrays."""
    mx.npx.set_np()
    yield
    mx.npx.reset_np()

"""What many tests share: real images, and a small run to look at."""

import gluon_cnn  # before mxnet, which it makes ready; see runtime/README.md

# isort: split
import mxnet as mx
import pytest
from releases import as_published, first, home, second  # noqa: F401 (fixtures, found by name)
from runs import SMALL_RUN, command

from gluon_cnn import runtime
from gluon_cnn.cli import main
from gluon_cnn.data import SAMPLE


@pytest.fixture(autouse=True)
def threads_stay():
    """Give a test that changes the number of threads no effect on the bits of the next one."""
    before = runtime.threads()
    yield
    if runtime.threads() != before:
        runtime.set_threads(before)


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
    command("train", "lenet", *SMALL_RUN, "--epochs", 2, "--out", out, "--quiet")
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

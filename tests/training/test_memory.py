"""A device without memory left: advice in one line, and a run that can be gone on with."""

import subprocess
import sys

import mxnet as mx
import pytest

from gluon_cnn import GluonCNNError, get_recipe
from gluon_cnn.cli import main
from gluon_cnn.training import memory, read_history, saver
from gluon_cnn.training.memory import advice_on_memory, is_out_of_memory

train_module = sys.modules["gluon_cnn.training.train"]  # the package has a function of that name

#: As MXNet 1.9.1 says it of a GPU.
GPU_ERROR = """Traceback (most recent call last):
  File "../src/storage/./pooled_storage_manager.h", line 187
MXNetError: cudaMalloc retry failed: out of memory"""

LENET = ["train", "lenet", "--data", "sample", "--train-size", "600", "--test-size", "64"]


@pytest.fixture
def full_after(monkeypatch):
    """A function that lets the device run out of memory after so many steps of each epoch; None is never."""
    train_steps = train_module.train_steps

    def change(number):
        def steps(*args, **options):
            for step, sums in enumerate(train_steps(*args, **options)):
                if step == number:
                    raise mx.MXNetError(GPU_ERROR)
                yield sums

        monkeypatch.setattr(train_module, "train_steps", steps)

    return change


def test_one_line_and_the_run_goes_on(fails, full_after, tmp_path):
    run = tmp_path / "run"
    full_after(1)
    line = fails(*LENET, "--checkpoint-every", "1", "--ctx", "cpu", "--out", run)
    assert line == (
        "gluon-cnn: cpu(0) ran out of memory with batches of 256 images of 28×28: begin a run with --batch-size 128, "
        "which changes the result (it is not the book's recipe then, and is compared with nothing); or make room there "
        "and go on with --resume.\n"
    )
    assert [path.name for path in (run / "checkpoint").iterdir()] == ["epoch-000-step-00001"]
    full_after(None)
    assert main([*LENET, "--ctx", "cpu", "--out", str(run), "--resume", "--quiet"]) == 0
    assert main([*LENET, "--ctx", "cpu", "--out", str(tmp_path / "other"), "--quiet"]) == 0
    ours, others = (read_history(directory)[-1] for directory in (run, tmp_path / "other"))
    assert ours[:4] == others[:4]


def test_before_there_is_a_checkpoint(fails, full_after, tmp_path):
    full_after(0)
    command = [*LENET, "--ctx", "cpu", "--epochs", "1", "--batch-size", "100", "--out", tmp_path / "run"]
    line = fails(*command)
    assert "batches of 100 images of 28×28: begin a run with --batch-size 50, which changes the result; or" in line
    full_after(None)
    assert main([*map(str, command), "--resume", "--quiet"]) == 0


def advice(recipe, devices):
    with pytest.raises(GluonCNNError) as error, advice_on_memory(recipe, devices):
        raise mx.MXNetError(GPU_ERROR)
    return str(error.value)


def test_more_gpus_keep_the_recipe(monkeypatch):
    monkeypatch.setattr(memory, "number_of_gpus", lambda: 2)
    kept = "or split each batch over more GPUs, such as --ctx gpu:0,1, which keeps the recipe"
    assert advice(get_recipe("nin"), [mx.gpu(0)]).startswith(
        "gpu(0) ran out of memory with batches of 128 images of 224×224: begin a run with --batch-size 64, which"
    )
    assert kept in advice(get_recipe("nin"), [mx.gpu(0)])
    assert kept not in advice(get_recipe("nin"), [mx.gpu(0), mx.gpu(1)])
    assert kept not in advice(get_recipe("nin"), [mx.cpu()])


def test_one_image_that_is_too_large():
    recipe = get_recipe("nin", batch_size=1)
    assert "begin a run with a smaller --resize; or make room" in advice(recipe, [mx.cpu()])


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (GPU_ERROR, True),
        ("mxnet_generic_kernel ErrStr:out of memory", True),
        ("Check failed: e == CUDNN_STATUS_SUCCESS (2 vs. 0) : cuDNN: CUDNN_STATUS_ALLOC_FAILED", True),
        ("MXNetError: Failed to allocate CPU Memory", True),
        ("MXNetError: std::bad_alloc", True),
        ("MXNetError: Shape inconsistent", False),
    ],
)
def test_what_is_an_error_of_memory(message, expected):
    assert is_out_of_memory(mx.MXNetError(message)) is expected
    with pytest.raises(GluonCNNError if expected else mx.MXNetError), advice_on_memory(get_recipe("nin"), [mx.gpu()]):
        raise mx.MXNetError(message)


def test_the_thread_that_saves_does_not_blame_the_disk(monkeypatch, tmp_path):
    def write_checkpoint(directory, snapshot):
        raise mx.MXNetError(GPU_ERROR)

    monkeypatch.setattr(saver, "write_checkpoint", write_checkpoint)
    monkeypatch.setattr(saver, "take_snapshot", lambda *training: None)
    with pytest.raises(mx.MXNetError, match="out of memory"), saver.Saver(tmp_path) as writes:
        writes.save(None, None, {})


#: The command line with room for only so many more bytes from the first step on.
LITTLE_ROOM = """
import resource, sys
import gluon_cnn
from gluon_cnn.cli import main
import gluon_cnn.training.train
train = sys.modules["gluon_cnn.training.train"]
begin = train.train_steps
def train_steps(*args, **options):
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]),) * 2)
    return begin(*args, **options)
train.train_steps = train_steps
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it limits the process as Linux does")
def test_mxnet_that_really_has_no_memory(tmp_path):
    """MXNet finds that out on its own threads and says so later."""
    train = ["train", "alexnet", "--data", "sample", "--train-size", "512", "--batch-size", "256", "--test-size", "8"]
    command = [sys.executable, "-c", LITTLE_ROOM, str(300 << 20), *train, "--ctx", "cpu", "--out", tmp_path / "run"]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith(
        "gluon-cnn: cpu(0) ran out of memory with batches of 256 images of 224×224: begin a run with --batch-size 128"
    )
    assert result.stderr.count("\n") == 1

"""A device without memory left: advice in one line, and a run that can be resumed."""

import itertools
import sys

import mxnet as mx
import pytest
from runs import SMALL, history_of, measures_of, resume, run_process, train

from gluon_cnn import GluonCNNError, get_recipe
from gluon_cnn.errors import DeviceError
from gluon_cnn.training import epochs, memory, saver
from gluon_cnn.training.memory import advice_on_memory, is_out_of_memory

#: As MXNet 1.9.1 says it of a GPU.
GPU_ERROR = """Traceback (most recent call last):
  File "../src/storage/./pooled_storage_manager.h", line 187
MXNetError: cudaMalloc retry failed: out of memory"""

LENET = {"data": "sample", "train_size": 600, "test_size": 64, "epochs": 2}


@pytest.fixture
def full_after(monkeypatch):
    """A function that lets the device run out of memory after so many steps of each epoch; None is never."""
    train_epoch = epochs.train_epoch

    def change(number):
        def until_it_is_full(net, batches, *args, **options):
            def limited():
                yield from itertools.islice(batches, number)
                raise mx.MXNetError(GPU_ERROR)

            train_epoch(net, batches if number is None else limited(), *args, **options)

        monkeypatch.setattr(epochs, "train_epoch", until_it_is_full)

    return change


def test_one_line_and_the_run_is_resumed(full_after, tmp_path):
    run = tmp_path / "run"
    full_after(2)  # the third batch is made before the second step's checkpoint is asked for
    with pytest.raises(DeviceError) as error:
        train(run, "lenet", {"checkpoint_every": 1, "ctx": "cpu"}, **LENET)
    assert str(error.value) == (
        "cpu(0) ran out of memory with batches of 256 images of 28×28: make room there and resume the run; or begin a "
        "run with batches of 128, which changes the result (it is not the book's recipe then, and is not compared)."
    )
    assert error.value.settings == ("resume", "batch_size")
    assert [path.name for path in (run / "checkpoint").iterdir()] == ["epoch-000-step-00001"]
    full_after(None)
    resume(run)
    train(tmp_path / "other", **LENET)
    ours, others = (history_of(directory)[-1] for directory in (run, tmp_path / "other"))
    assert measures_of(ours) == measures_of(others)


def test_before_there_is_a_checkpoint(full_after, tmp_path):
    full_after(0)
    with pytest.raises(
        DeviceError, match=r"batches of 64 images of 28×28: .* batches of 32, which changes the result\.$"
    ):
        train(tmp_path / "run", **SMALL)
    full_after(None)
    assert len(resume(tmp_path / "run")) == 1


def advice(recipe, devices):
    with pytest.raises(GluonCNNError) as error, advice_on_memory(recipe, devices):
        raise mx.MXNetError(GPU_ERROR)
    return str(error.value)


def test_more_gpus_keep_the_recipe(monkeypatch):
    monkeypatch.setattr(memory, "number_of_gpus", lambda: 2)
    kept = "or split each batch over more GPUs, such as gpu:0,1, which keeps the recipe"
    assert advice(get_recipe("nin"), [mx.gpu(0)]).startswith(
        "gpu(0) ran out of memory with batches of 128 images of 224×224: make room there and resume the run; or begin "
        "a run with batches of 64, which"
    )
    assert kept in advice(get_recipe("nin"), [mx.gpu(0)])
    assert kept not in advice(get_recipe("nin"), [mx.gpu(0), mx.gpu(1)])
    assert kept not in advice(get_recipe("nin"), [mx.cpu()])


def test_one_image_that_is_too_large():
    assert "or begin a run with smaller images." in advice(get_recipe("nin", batch_size=1), [mx.cpu()])


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


def test_thread_that_saves_does_not_blame_the_disk(monkeypatch, tmp_path):
    def write_checkpoint(directory, snapshot):
        raise mx.MXNetError(GPU_ERROR)

    monkeypatch.setattr(saver, "write_checkpoint", write_checkpoint)
    monkeypatch.setattr(saver, "take_snapshot", lambda *training: None)
    with pytest.raises(mx.MXNetError, match="out of memory"), saver.Saver(tmp_path) as writes:
        writes.save(None, None, None)


#: The command line with room for only so many more bytes from the first step on.
LITTLE_ROOM = """
import resource, sys
from gluon_cnn.cli import main
from gluon_cnn.training import epochs
begin = epochs.train_epoch
def train_epoch(*args, **options):
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]),) * 2)
    begin(*args, **options)
epochs.train_epoch = train_epoch
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it limits the process as Linux does")
def test_mxnet_that_really_has_no_memory(tmp_path):
    """MXNet finds that out on its own threads and says so later."""
    words = ["train", "alexnet", "--data", "sample", "--set", "train_size=512", "--set", "test_size=8"]
    words += ["--batch-size", "256", "--ctx", "cpu", "--out", tmp_path / "run"]
    result = run_process(LITTLE_ROOM, 300 << 20, *words)
    assert result.code == 1
    assert result.error.startswith(
        "gluon-cnn: cpu(0) ran out of memory with batches of 256 images of 224×224: make room there and resume the run"
    )
    assert result.error.count("\n") == 1

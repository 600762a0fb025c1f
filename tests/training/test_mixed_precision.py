"""Mixed precision, as far as it goes without a GPU: MXNet's machinery for it runs in bfloat16 on the CPU, in processes
of their own, since it cannot be switched off again."""

import json
import math

import mxnet as mx
import numpy as np
import pytest
from runs import SMALL_RUN, run_process, small

from gluon_cnn import GluonCNNError, get_recipe
from gluon_cnn.errors import SettingError
from gluon_cnn.training import mixed_precision
from gluon_cnn.training.recipes import book_recipe
from gluon_cnn.training.setup import load_data, set_up

#: The command line, where --amp computes in bfloat16 on the CPU. The first argument is the largest gradient that
#: does not overflow, because bfloat16 has the range of float32.
ON_CPU = """
import functools, sys
import gluon_cnn, mxnet as mx
from mxnet.contrib import amp
from gluon_cnn.cli import main
from gluon_cnn.training import mixed_precision
begin = mixed_precision.begin
mixed_precision.begin = lambda wanted, devices, synchronous: begin(wanted, [mx.gpu()], synchronous)
amp.init = functools.partial(amp.init, "bfloat16")
def all_finite(*gradients, num_arrays, init_output, out):
    out[:] = float(max(abs(gradient).max().asscalar() for gradient in gradients) <= float(sys.argv[1]))
amp.loss_scaler.multi_all_finite = all_finite
sys.exit(main(sys.argv[2:]))
"""


def train(*arguments, sizes=SMALL_RUN, largest=65504.0):
    result = run_process(ON_CPU, largest, "train", "lenet", *sizes, "--amp", *arguments)
    assert (result.code, result.error) == (0, "")
    return result.out.splitlines()


def last(run):
    """The bytes of the last checkpoint's parameters, and its state."""
    checkpoint = max((run / "checkpoint").iterdir())
    return (checkpoint / "net.params").read_bytes(), json.loads((checkpoint / "manifest.json").read_text())["state"]


def test_run_is_resumed_to_the_same_bits(tmp_path):
    lines = train("--out", tmp_path / "whole", "--epochs", "3")
    assert ", amp on; in " in lines[0]
    assert len(lines) == len(set(lines))  # MXNet's own lines about the scale are not shown, nor ours twice
    assert "amp" in lines[-2]  # not compared, also because of it
    train("--out", tmp_path / "parts", "--epochs", "1")
    first = last(tmp_path / "parts")[1]["loss_scaler"]
    train("--out", tmp_path / "parts", "--epochs", "3", "--resume")
    (whole, state), (parts, parts_state) = last(tmp_path / "whole"), last(tmp_path / "parts")
    assert whole == parts
    assert state["loss_scaler"] == parts_state["loss_scaler"] != first
    # Some of the first steps overflowed, were left out and halved the scale, and the rest did not.
    assert state["loss_scaler"]["loss_scale"] < 2.0**16
    assert 0 < state["loss_scaler"]["unskipped"] < 12
    assert [row["epoch"] for row in state["history"]] == [1, 2, 3]


def test_half_precision_is_near_single_precision(tmp_path, lenet_run):
    """And not the same."""
    train("--out", tmp_path / "run", "--epochs", "2", largest=math.inf)
    path = "checkpoint/epoch-002/net.params"
    half, single = mx.nd.load(str(tmp_path / "run" / path)), mx.nd.load(str(lenet_run / path))
    assert {array.dtype for array in half.values()} == {np.float32}
    for name in single:
        assert not np.array_equal(half[name].asnumpy(), single[name].asnumpy())
        np.testing.assert_allclose(half[name].asnumpy(), single[name].asnumpy(), atol=0.05)
    assert last(tmp_path / "run")[1]["loss_scaler"] == {
        "loss_scale": 2.0**16,
        "next_loss_scale": 2.0**16,
        "unskipped": 8,  # all
    }


def test_short_batch_leaves_a_device_without_images(tmp_path):
    train("--out", tmp_path / "run", "--ctx", "cpu:0,1", sizes=small(65, 32, 64), largest=math.inf)
    assert last(tmp_path / "run")[1]["loss_scaler"]["unskipped"] == 2


def test_refused_on_the_cpu(fails, tmp_path):
    line = fails("train", "lenet", *SMALL_RUN, "--amp", "--ctx", "cpu", "--out", tmp_path / "run")
    assert line == (
        "gluon-cnn: amp is for GPUs, and this run would be on cpu(0): leave it out, or name a GPU (--amp, --ctx).\n"
    )
    assert not (tmp_path / "run").exists()


def test_where_else_it_is_refused(monkeypatch):
    with pytest.raises(SettingError, match="use dist_sync") as error:
        mixed_precision.begin(True, [mx.gpu()], synchronous=False)
    assert error.value.settings == ("amp", "kvstore")
    monkeypatch.setattr("mxnet.contrib.amp.amp._amp_initialized", True)
    with pytest.raises(GluonCNNError, match="which MXNet cannot end"):
        mixed_precision.begin(False, [mx.gpu()])


def test_it_is_part_of_the_recipe():
    assert book_recipe(get_recipe("nin", amp=True)).differences == {"amp": [True, False]}


@pytest.mark.parametrize("amp", [True, False])
def test_trainer_updates_where_steps_are_left_out(monkeypatch, amp):
    monkeypatch.setattr(mixed_precision, "begin", lambda *_: None)
    recipe = get_recipe("lenet", data="sample", amp=amp)
    devices = [mx.cpu(0), mx.cpu(1)]
    trainer = set_up(recipe, devices, load_data(recipe, None, devices[0])).trainer
    trainer._init_kvstore()
    assert trainer._update_on_kvstore is not amp

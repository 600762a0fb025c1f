"""Mixed precision, as far as it goes without a GPU: MXNet's machinery for it runs in bfloat16 on the CPU, in processes
of their own, since it cannot be switched off again."""

import json
import math
import subprocess
import sys

import mxnet as mx
import numpy as np
import pytest
from conftest import SMALL_RUN

from gluon_cnn import GluonCNNError, get_recipe
from gluon_cnn.arguments import make_parser, train_command
from gluon_cnn.book.compare import differences
from gluon_cnn.training import Run, mixed_precision

#: The command line, where --amp computes in bfloat16 on the CPU. The first argument is the largest gradient that
#: does not overflow, for bfloat16 has the range of float32.
ON_CPU = """
import functools, sys
import gluon_cnn, mxnet as mx
from mxnet.contrib import amp
from gluon_cnn.cli import main
from gluon_cnn.training import mixed_precision
begin = mixed_precision.begin
mixed_precision.begin = lambda wanted, devices, kvstore: begin(wanted, [mx.gpu()], kvstore)
amp.init = functools.partial(amp.init, "bfloat16")
def all_finite(*gradients, num_arrays, init_output, out):
    out[:] = float(max(abs(gradient).max().asscalar() for gradient in gradients) <= float(sys.argv[1]))
amp.loss_scaler.multi_all_finite = all_finite
sys.exit(main(sys.argv[2:]))
"""


def train(*arguments, largest=65504.0):
    command = [sys.executable, "-c", ON_CPU, str(largest), "train", "lenet", *SMALL_RUN, "--amp", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stderr == ""
    assert result.returncode == 0
    return result.stdout.splitlines()


def last(run):
    """The bytes of the last checkpoint's parameters, and its state."""
    checkpoint = max((run / "checkpoint").iterdir())
    return (checkpoint / "net.params").read_bytes(), json.loads((checkpoint / "manifest.json").read_text())["state"]


def test_a_run_in_mixed_precision_goes_on_to_the_same_bits(tmp_path):
    lines = train("--out", tmp_path / "whole", "--epochs", "3")
    assert "mixed precision" in lines[0]
    assert len(lines) == len(set(lines))  # MXNet's own lines about the scale are not shown, nor ours twice
    assert lines[-2].endswith("; test_size 128, not None; amp True, not False")
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


def test_half_precision_is_near_single_precision_and_not_it(tmp_path, lenet_run):
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


def test_a_short_batch_that_leaves_a_device_without_images(tmp_path):
    train("--out", tmp_path / "run", "--ctx", "cpu:0,1", "--train-size", "65", largest=math.inf)
    assert last(tmp_path / "run")[1]["loss_scaler"]["unskipped"] == 2


def test_on_the_cpu_it_is_refused(fails, tmp_path):
    line = fails("train", "lenet", *SMALL_RUN, "--amp", "--ctx", "cpu", "--out", tmp_path / "run")
    assert line == (
        "gluon-cnn: amp is for GPUs, and this run would be on cpu(0): leave --amp out, or name a GPU, such as "
        "--ctx gpu.\n"
    )
    assert not (tmp_path / "run").exists()


def test_where_else_it_is_refused(monkeypatch):
    with pytest.raises(GluonCNNError, match="use dist_sync"):
        mixed_precision.begin(True, [mx.gpu()], "dist_async")
    monkeypatch.setattr("mxnet.contrib.amp.amp._amp_initialized", True)
    with pytest.raises(GluonCNNError, match="which MXNet cannot end"):
        mixed_precision.begin(False, [mx.gpu()], "device")


def test_it_is_part_of_the_recipe(tmp_path):
    recipe = get_recipe("nin", amp=True)
    assert differences(recipe) == ["amp True, not False"]
    command = train_command(Run(tmp_path, recipe, {}))
    assert make_parser().parse_args(command.split()[1:]).amp is True


@pytest.mark.parametrize("amp", [True, False])
def test_the_trainer_updates_where_steps_can_be_left_out(amp):
    recipe = get_recipe("lenet", amp=amp)
    net = recipe.network()
    net.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    trainer = recipe.trainer(list(net.collect_params().values()))
    for device in (mx.cpu(0), mx.cpu(1)):
        net(mx.nd.zeros((1, 1, 28, 28), ctx=device))
    trainer._init_kvstore()
    assert trainer._update_on_kvstore is not amp

"""What other builds of MXNet do differently, with stand-ins for it: nothing of ours may depend on it."""

import runpy
from pathlib import Path

import mxnet as mx
import pytest
import setuptools

import gluon_cnn
from gluon_cnn import get_model, load_data_fashion_mnist, load_parameters, save_parameters, summary
from gluon_cnn.cli import main
from gluon_cnn.data import SAMPLE

SETUP = Path(__file__).parents[2] / "setup.py"
SMALL = ["--data", "sample", "--set", "train_size=320", "--set", "test_size=64", "--quiet"]

#: A network with a layer that counts, in a parameter, how often it was called in train mode: such as a batch
#: normalisation whose statistics change in the forward pass.
COUNTING = """
from mxnet import autograd, gluon
from mxnet.gluon import nn

class Count(nn.Block):
    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.calls = self.params.get("calls", shape=(1,), init="zeros", grad_req="null")

    def forward(self, X):
        if autograd.is_training():
            self.calls.set_data(self.calls.data(X.context) + 1)
        return X

def net(hybrid=False):
    block = nn.Sequential()
    block.add(Count(), nn.Flatten(), nn.Dense(10))
    return block
"""


@pytest.fixture
def unhashable(monkeypatch):
    """Let no array be hashed, as in MXNet 2 of 2026."""

    def refuse(array):
        raise NotImplementedError("an array is hashed")

    for kind in (mx.nd.NDArray, mx.np.ndarray):
        monkeypatch.setattr(kind, "__hash__", refuse)


def test_command_line_hashes_no_array(unhashable, tmp_path):
    run = tmp_path / "run"
    assert main(["train", "lenet", *SMALL, "--epochs", "1", "--out", str(run)]) == 0
    assert main(["train", "lenet", *SMALL, "--epochs", "2", "--out", str(run), "--resume", "--ctx", "cpu:0,1"]) == 0
    assert main(["evaluate", str(run)]) == 0
    for form in ("symbol", "safetensors"):
        assert main(["export", str(run), "--format", form]) == 0


@pytest.mark.parametrize("mode", ["nd", "np"])
def test_functions_hash_no_array(unhashable, tmp_path, mode, request):
    if mode == "np":
        request.getfixturevalue("np_arrays")
    net = get_model("lenet")
    net.initialize(mx.init.Xavier())
    train, test = load_data_fashion_mnist(64, root=SAMPLE, train_size=128, test_size=64)
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    gluon_cnn.train_ch5(net, train, test, 64, trainer, mx.cpu(), 1)
    assert "total" in str(summary(net, (1, 1, 28, 28)))
    save_parameters(net, tmp_path / "lenet.params")
    load_parameters(net, tmp_path / "lenet.params")


def test_each_step_is_one_forward_pass(tmp_path):
    (tmp_path / "counting.py").write_text(COUNTING)
    out = ["--set", "batch_size=32", "--threads", "auto", "--out", str(tmp_path / "run")]
    network = f"{tmp_path / 'counting.py'}:net"
    assert main(["train", network, *SMALL, "--epochs", "1", *out]) == 0
    assert main(["train", network, *SMALL, "--epochs", "2", *out, "--resume"]) == 0
    run = gluon_cnn.load_run(tmp_path / "run")
    run.evaluate("cpu")
    assert run.network("cpu")[0].calls.data().asscalar() == 20  # 2 epochs of 10 steps, and nothing else in train mode


def test_extra_without_mxnet_brings_all_else(monkeypatch):
    given = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    runpy.run_path(str(SETUP))
    extras = given["extras_require"]

    def names(extra):
        return {requirement.split(">")[0].split("=")[0].split(";")[0] for requirement in extras[extra]}

    assert names("cpu") - names("own-mxnet") == {"mxnet", "gluoncv"}
    assert names("own-mxnet") == names("mxnet2") - {"mxnet"}

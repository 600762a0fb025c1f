"""symbol.json and parameters: loaded back without the network's code, the same to the bit."""

import json

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

import gluon_cnn
from gluon_cnn.cli import main
from gluon_cnn.data import CLASSES, SAMPLE, read_fashion_mnist, to_batch
from gluon_cnn.interop import check
from gluon_cnn.interop.symbol import export
from gluon_cnn.training import Run

IMAGES = read_fashion_mnist(SAMPLE)[1].images[:64]
BYTES = mx.nd.array(IMAGES[..., None], dtype="uint8")  # as Gluon's transforms take them

pytestmark = pytest.mark.filterwarnings("ignore:Cannot decide type:UserWarning")  # MXNet's, of any SymbolBlock


def imported(prefix):
    return gluon.SymbolBlock.imports(f"{prefix}-symbol.json", ["data"], f"{prefix}-0000.params")


def test_a_run_comes_back_to_the_bit(lenet_run, tmp_path):
    run = Run.open(lenet_run)
    net = run.network([mx.cpu()])[0]
    for flags, batch in (([], to_batch(IMAGES)), (["--preprocess"], BYTES)):
        assert main(["export", str(lenet_run), "--format", "symbol", *flags, "--out", str(tmp_path / "net")]) == 0
        block = imported(tmp_path / "net")
        for size in (64, 5):
            assert np.array_equal(block(batch[:size]).asnumpy(), net(to_batch(IMAGES[:size])).asnumpy())
    about = json.loads((tmp_path / "net-metadata.json").read_text(encoding="utf-8"))
    assert tuple(json.loads(about["classes"])) == CLASSES
    assert about["input"] == "uint8 N×28×28×1"
    assert about["largest_difference"] == "0"


@pytest.mark.parametrize(
    ("name", "side", "preprocess"), [("nin", 67, True), ("vgg11", 32, False), ("alexnet", 67, True)]
)
def test_every_network_comes_back_to_the_bit(name, side, preprocess, tmp_path):
    net = gluon_cnn.get_model(name, hybrid=True)
    net.initialize(mx.init.Xavier())
    assert export(net, tmp_path / "net", IMAGES, side, preprocess=preprocess).largest == 0
    batch = BYTES if preprocess else to_batch(IMAGES, side)
    assert np.array_equal(imported(tmp_path / "net")(batch).asnumpy(), net(to_batch(IMAGES, side)).asnumpy())


def test_logits_that_differ_leave_no_file(lenet_run, tmp_path, monkeypatch, fails):
    monkeypatch.setattr(check, "TOLERANCE", -1)
    assert "is not written" in fails("export", lenet_run, "--format", "symbol", "--out", tmp_path / "net")
    assert list(tmp_path.iterdir()) == []

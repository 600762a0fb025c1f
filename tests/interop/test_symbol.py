"""symbol.json and parameters: loaded without the network's code, they give the same bits."""

import json

import gluon_cnn  # before mxnet, which it makes ready

# isort: split
import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

from gluon_cnn.data import FASHION_MNIST, SAMPLE, read_fashion_mnist
from gluon_cnn.data.inputs import Inputs
from gluon_cnn.errors import InteropError
from gluon_cnn.interop import difference
from gluon_cnn.interop.export import export_run
from gluon_cnn.interop.symbol import write
from gluon_cnn.training.run import load_run

IMAGES = read_fashion_mnist(SAMPLE).test.images[:64]
BYTES = mx.nd.array(IMAGES[..., None], dtype="uint8")  # as Gluon's transforms take them

pytestmark = pytest.mark.filterwarnings("ignore:Cannot decide type:UserWarning")  # MXNet says it of every SymbolBlock


def imported(prefix):
    return gluon.SymbolBlock.imports(f"{prefix}-symbol.json", ["data"], f"{prefix}-0000.params")


def test_run_comes_back_to_the_bit(lenet_run, tmp_path):
    run = load_run(lenet_run)
    net, floats = run.network(mx.cpu()), Inputs(FASHION_MNIST, 28).batch(IMAGES)
    for preprocess, batch in ((False, floats), (True, BYTES)):
        export_run(run, "symbol", tmp_path / "net", preprocess=preprocess)
        block = imported(tmp_path / "net")
        for size in (64, 5):
            assert np.array_equal(block(batch[:size]).asnumpy(), net(floats[:size]).asnumpy())
    about = json.loads((tmp_path / "net-metadata.json").read_text(encoding="utf-8"))
    assert tuple(json.loads(about["classes"])) == FASHION_MNIST.classes
    assert about["input"] == "uint8 N×28×28×1"
    assert about["largest_difference"] == "0"


@pytest.mark.parametrize(
    ("name", "options", "side", "preprocess"),
    [("nin", {}, 67, True), ("vgg11", {"ratio": 16}, 32, False), ("alexnet", {}, 67, True)],
)
def test_every_network_comes_back_to_the_bit(name, options, side, preprocess, tmp_path):
    net, inputs = gluon_cnn.get_model(name, hybrid=True, **options), Inputs(FASHION_MNIST, side)
    net.initialize(mx.init.Xavier())
    assert write(net, tmp_path / "net", inputs, IMAGES, preprocess=preprocess).largest == 0
    batch = BYTES if preprocess else inputs.batch(IMAGES)
    assert np.array_equal(imported(tmp_path / "net")(batch).asnumpy(), net(inputs.batch(IMAGES)).asnumpy())


def test_differing_logits_leave_no_file(lenet_run, tmp_path, monkeypatch):
    monkeypatch.setattr(difference, "TOLERANCE", -1)
    with pytest.raises(InteropError, match="is not written"):
        export_run(load_run(lenet_run), "symbol", tmp_path / "net")
    assert list(tmp_path.iterdir()) == []

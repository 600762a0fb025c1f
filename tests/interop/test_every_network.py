"""A run of each network with branches, normalisations, groups or cut windows, to every other software and back."""

import json

import gluon_cnn  # before mxnet, which it makes ready

# isort: split
import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from runs import command

from gluon_cnn.data import SAMPLE, read_fashion_mnist
from gluon_cnn.data.scaled import to_batch
from gluon_cnn.interop.difference import TOLERANCE
from gluon_cnn.interop.export import export_run
from gluon_cnn.interop.onnx_network import OnnxNetwork
from gluon_cnn.interop.safetensors import load_safetensors
from gluon_cnn.interop.torch import from_torch, torch_network
from gluon_cnn.training.run import Run, load_run
from gluon_cnn.training.train_run import train_run

SIDES = {"lenet_bn": 28, "googlenet": 32, "resnet18": 32, "densenet": 32, "alexnet2012": 67, "nin2013": 32}
IMAGES = read_fashion_mnist(SAMPLE).test.images[:9]


@pytest.fixture(scope="module", params=SIDES)
def run(request, tmp_path_factory):
    """Of one epoch, after which the running statistics are no longer what they were; not to be changed."""
    sizes = {"train_size": 64, "test_size": 64, "batch_size": 32, "epochs": 1, "side": SIDES[request.param]}
    recipe = gluon_cnn.get_recipe(request.param, data="sample", init="own", **sizes)
    run = Run(tmp_path_factory.mktemp("runs") / request.param, recipe)
    train_run(run, command="a test", quiet=True)
    return load_run(run.directory)


def untrained(run):
    return gluon_cnn.get_model(run.recipe.model, num_classes=10, hybrid=True)


def batch(run):
    return to_batch(IMAGES, run.recipe.side)


def logits(run):
    return run.network(mx.cpu())(batch(run)).asnumpy()


def assert_close(found, expected):
    assert np.abs(found - expected).max() <= TOLERANCE * max(1, np.abs(expected).max())


@pytest.mark.parametrize("preprocess", [False, True], ids=["floats", "bytes"])
def test_onnx_file_is_evaluated_as_the_run(run, preprocess, tmp_path, capsys):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    path = tmp_path / "net.onnx"
    export_run(run, out=path, preprocess=preprocess)
    for network in (run.directory, path):
        command("evaluate", network)
    ours, theirs = capsys.readouterr().out.splitlines()[-2:]
    assert ours == theirs
    network, expected = OnnxNetwork(path), logits(run)
    for size in (1, 9):
        assert_close(network.logits(IMAGES[:size]), expected[:size])


@pytest.mark.filterwarnings("ignore:Cannot decide type:UserWarning")  # MXNet says it of every SymbolBlock
def test_symbol_comes_back_to_the_bit(run, tmp_path):
    export_run(run, "symbol", tmp_path / "net")
    block = gluon.SymbolBlock.imports(f"{tmp_path / 'net'}-symbol.json", ["data"], f"{tmp_path / 'net'}-0000.params")
    assert np.array_equal(block(batch(run)).asnumpy(), logits(run))
    about = json.loads((tmp_path / "net-metadata.json").read_text(encoding="utf-8"))
    assert json.loads(about["recipe"])["model"] == run.recipe.model


def test_safetensors_come_back(run, tmp_path):
    pytest.importorskip("safetensors")
    export_run(run, "safetensors", tmp_path / "net.safetensors")
    net = untrained(run)
    load_safetensors(net, tmp_path / "net.safetensors")
    assert_close(net(batch(run)).asnumpy(), logits(run))


def test_pytorch_predicts_the_same_and_gives_it_back(run):
    torch = pytest.importorskip("torch")
    translated, expected = torch_network(run.network(mx.cpu())).eval(), logits(run)
    with torch.no_grad():
        found = translated(torch.from_numpy(batch(run).asnumpy())).numpy()
    assert_close(found, expected)
    again = from_torch(untrained(run), translated.state_dict())
    again.hybridize(static_alloc=True, static_shape=True)
    assert np.array_equal(again(batch(run)).asnumpy(), expected)

"""ONNX files: that they answer as MXNet does, whatever the batch, and that nothing else is ever written."""

import json
import re
import signal
import subprocess
import sys

import gluon_cnn  # before mxnet, which it makes ready

# isort: split
import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd
from mxnet.gluon import nn

from gluon_cnn.data import FASHION_MNIST, SAMPLE, read_fashion_mnist
from gluon_cnn.data.inputs import Inputs
from gluon_cnn.data.scaled import to_batch
from gluon_cnn.errors import InteropError, ModelError
from gluon_cnn.interop import difference
from gluon_cnn.interop.export import export_run
from gluon_cnn.interop.onnx import write
from gluon_cnn.interop.onnx_network import OnnxNetwork
from gluon_cnn.interop.onnx_preprocessing import preprocessing
from gluon_cnn.runtime import install_hint
from gluon_cnn.training.run import Run, load_run
from gluon_cnn.training.train_run import train_run

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

IMAGES = read_fashion_mnist(SAMPLE).test.images[:256]
#: A command in a process that ends itself, as by SIGKILL, when a file that is complete is to get its name.
KILLED = """
import os, pathlib, signal, sys
pathlib.Path.replace = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
from gluon_cnn.cli import main
main(sys.argv[1:])
"""


def inputs(side=28):
    return Inputs(FASHION_MNIST, side)


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def answers(path, batch):
    return session(path).run(["logits"], {"images": batch})[0]


@pytest.fixture(scope="module")
def nin_run(tmp_path_factory):
    """A run of NiN at the smallest size that it takes; not to be changed."""
    sizes = {"train_size": 256, "test_size": 128, "batch_size": 64, "epochs": 1, "side": 67}
    run = Run(tmp_path_factory.mktemp("runs") / "nin", gluon_cnn.get_recipe("nin", data="sample", **sizes))
    train_run(run, command="a test", quiet=True)
    return run.directory


@pytest.mark.parametrize("preprocess", [False, True], ids=["floats", "bytes"])
@pytest.mark.parametrize("model", ["lenet", "nin"])
def test_run_answers_as_mxnet_for_any_batch(model, preprocess, request, tmp_path):
    run, path = load_run(request.getfixturevalue(f"{model}_run")), tmp_path / "net.onnx"
    exported = export_run(run, out=path, preprocess=preprocess)
    assert exported.paths == [path] == list(tmp_path.iterdir())
    assert exported.difference.images == 256
    onnx.checker.check_model(str(path), full_check=True)
    floats = inputs(run.recipe.side).batch(IMAGES)
    expected = run.network(mx.cpu())(floats).asnumpy()
    batch = IMAGES if preprocess else floats.asnumpy()
    for size in (1, 7, 256):
        assert np.abs(answers(path, batch[:size]) - expected[:size]).max() <= 1e-5
    about = session(path).get_modelmeta().custom_metadata_map
    assert tuple(json.loads(about["classes"])) == FASHION_MNIST.classes
    assert json.loads(about["recipe"])["model"] == model
    assert float(about["test_accuracy"]) == run.state().history[-1].test_acc
    assert about["input_size"] == str(run.recipe.side)
    assert about["input"].startswith("uint8 N×28×28" if preprocess else "float32 N×1×")
    assert about["epoch"] == str(run.recipe.epochs)
    assert float(about["largest_difference"]) <= 1e-5


@pytest.mark.parametrize(("model", "side", "preprocess"), [("vgg11", 32, False), ("alexnet", 67, True)])
def test_large_networks_answer_as_mxnet(model, side, preprocess, tmp_path):
    net = gluon_cnn.get_model(model, hybrid=True)
    net.initialize(mx.init.Xavier())
    assert 0 < write(net, tmp_path / "net.onnx", inputs(side), IMAGES[:64], preprocess=preprocess).largest <= 1e-5
    batch = IMAGES if preprocess else inputs(side).batch(IMAGES).asnumpy()
    assert answers(tmp_path / "net.onnx", batch[:3]).shape == (3, 10)


def test_batch_normalisation_keeps_its_running_statistics(images, tmp_path):
    net = gluon_cnn.resnet18(10, hybrid=True)
    net.initialize(mx.init.Xavier())
    with autograd.record():
        logits = net(images[:8])
    logits.backward()  # which moves the running statistics
    assert net[1].running_mean.data().abs().max() > 0
    path = tmp_path / "resnet.onnx"
    assert write(net, path, inputs(), IMAGES[:8]).largest <= 1e-5
    assert np.abs(answers(path, images[:3].asnumpy()) - net(images[:3]).asnumpy()).max() <= 1e-5


@pytest.mark.parametrize("side", [14, 20, 27, 28, 32, 56, 67, 96, 100, 224, 225, 299])
def test_preprocessing_gives_mxnets_bits(side, tmp_path):
    nodes, constants = preprocessing("images", "batch", inputs(side))
    info = onnx.helper.make_tensor_value_info
    ends = (
        info("images", onnx.TensorProto.UINT8, ("n", 28, 28)),
        info("batch", onnx.TensorProto.FLOAT, ("n", 1, None, None)),
    )
    graph = onnx.helper.make_graph(nodes, "preprocessing", ends[:1], ends[1:], constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    batch = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"images": IMAGES[:64]})[0]
    assert np.array_equal(batch, to_batch(IMAGES[:64], side).asnumpy())


def test_same_run_gives_same_bytes_and_replaces_file(lenet_run, tmp_path):
    for name in ("a.onnx", "b.onnx", "b.onnx"):
        export_run(load_run(lenet_run), out=tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_killed_export_leaves_the_file_before(lenet_run, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"before")
    export = [sys.executable, "-c", KILLED, "export", str(lenet_run), "--out", str(path)]
    assert subprocess.run(export, capture_output=True, check=False).returncode == -signal.SIGKILL
    assert path.read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 2
    export_run(load_run(lenet_run), out=path)
    assert OnnxNetwork(path).state.epoch == 2
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]


def test_differing_logits_are_not_written(lenet_run, tmp_path, monkeypatch):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"before")
    monkeypatch.setattr(difference, "TOLERANCE", 0)
    with pytest.raises(InteropError, match="is not written, because its logits would differ") as caught:
        export_run(load_run(lenet_run), out=path)
    assert caught.value.settings == ("format",)
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]


def test_networks_that_cannot_be_exported(tmp_path):
    plain = gluon_cnn.lenet()
    plain.initialize()
    with pytest.raises(ModelError, match="hybrid=True"):
        write(plain, tmp_path / "net.onnx", inputs(), IMAGES)
    net = nn.HybridSequential()
    net.add(nn.Dense(10), nn.HybridLambda("gammaln"))
    net.initialize()
    with pytest.raises(InteropError, match="gammaln"):
        write(net, tmp_path / "net.onnx", inputs(), IMAGES)
    always = nn.HybridSequential()
    always.add(nn.HybridLambda(lambda F, x: F.Dropout(x, mode="always")), nn.Dense(10))
    always.initialize()
    with pytest.raises(InteropError, match=r"cannot be written as an ONNX file \(Dropout .*mode"):
        write(always, tmp_path / "net.onnx", inputs(), IMAGES)
    assert list(tmp_path.iterdir()) == []


def test_network_with_more_outputs_than_classes(tmp_path):
    net, path = gluon_cnn.get_model("lenet", num_classes=20, hybrid=True), tmp_path / "NET.ONNX"
    net.initialize(mx.init.Xavier())
    assert write(net, path, inputs(), IMAGES[:8]).largest <= 1e-5
    assert OnnxNetwork(path).logits(IMAGES[:3]).shape == (3, 20)
    assert FASHION_MNIST.names_of([9, 19]) == ["ankle boot", "class 19"]


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_missing_package_is_named_with_its_command(package, lenet_run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('it is not there')")
    if package == "onnxruntime":  # which another process imports
        monkeypatch.syspath_prepend(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(InteropError, match=rf"{package} cannot be imported .*{re.escape(install_hint('onnx'))}"):
        export_run(load_run(lenet_run), out=out / "net.onnx")
    assert list(out.iterdir()) == []

"""ONNX files: that they answer as MXNet does, whatever the batch, and that nothing else is ever written."""

import json
import subprocess
import sys

import mxnet as mx
import numpy as np
import pytest
from conftest import KILLED_AT, SMALL_RUN
from mxnet import autograd
from mxnet.gluon import nn

import gluon_cnn
from gluon_cnn.cli import main
from gluon_cnn.data import CLASSES, SAMPLE, read_fashion_mnist, to_batch
from gluon_cnn.errors import InteropError, ModelError
from gluon_cnn.interop import check
from gluon_cnn.interop.onnx import export
from gluon_cnn.interop.onnx_network import OnnxNetwork
from gluon_cnn.interop.resize import preprocessing
from gluon_cnn.training import Run

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

IMAGES = read_fashion_mnist(SAMPLE)[1].images[:256]
# With the smallest images that each takes, for the parameters of a dense layer grow with them.
RUNS = [
    ("lenet", None, []),
    ("lenet", None, ["--preprocess"]),
    ("nin", 67, []),
    ("nin", 67, ["--preprocess"]),
    ("vgg11", 32, []),
    ("alexnet", 67, ["--preprocess"]),
]


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def answers(path, batch):
    return session(path).run(["logits"], {"images": batch})[0]


@pytest.mark.parametrize(("model", "side", "flags"), RUNS)
def test_a_run_answers_as_mxnet_does_on_256_test_images(model, side, flags, tmp_path, capsys):
    size = ["--resize", str(side)] if side else []
    assert main(["train", model, *SMALL_RUN, *size, "--quiet", "--out", str(tmp_path / "run")]) == 0
    run, path = Run.open(tmp_path / "run"), tmp_path / "net.onnx"
    assert main(["export", str(run.directory), *flags, "--out", str(path)]) == 0
    assert "logits differ from MXNet's by at most" in capsys.readouterr().out
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.onnx", "run"]
    onnx.checker.check_model(str(path), full_check=True)
    net, state = run.network([mx.cpu()])
    floats = to_batch(IMAGES, side)
    expected = net(floats).asnumpy()
    batch = IMAGES if flags else floats.asnumpy()
    for size in (1, 7, 256):
        assert np.abs(answers(path, batch[:size]) - expected[:size]).max() <= 1e-5
    about = session(path).get_modelmeta().custom_metadata_map
    assert tuple(json.loads(about["classes"])) == CLASSES
    assert json.loads(about["recipe"])["model"] == model
    assert float(about["test_accuracy"]) == state["history"][-1]["test_acc"]
    assert about["input_size"] == str(side or 28)
    assert about["epoch"] == "1"
    assert float(about["largest_difference"]) <= 1e-5


def test_alexnet_at_its_own_size(tmp_path):
    net = gluon_cnn.alexnet(hybrid=True)
    net.initialize(mx.init.Xavier())
    difference = export(net, tmp_path / "alexnet.onnx", IMAGES[:8], 224, preprocess=True)
    assert 0 < difference.largest <= 1e-5
    assert answers(tmp_path / "alexnet.onnx", IMAGES[:3]).shape == (3, 10)


def test_batch_normalisation_keeps_its_running_statistics(images, tmp_path):
    net = gluon_cnn.resnet18(10, hybrid=True)
    net.initialize(mx.init.Xavier())
    with autograd.record():
        net(images[:16])
    path = tmp_path / "resnet.onnx"
    assert export(net, path, IMAGES[:64]).largest <= 1e-5
    assert np.abs(answers(path, images[:9].asnumpy()) - net(images[:9]).asnumpy()).max() <= 1e-5


@pytest.mark.parametrize("side", [None, 14, 20, 27, 28, 32, 56, 67, 96, 100, 224, 225, 299])
def test_preprocessing_is_mxnets_to_the_bit(side, tmp_path):
    nodes, constants = preprocessing("images", "batch", side)
    info = onnx.helper.make_tensor_value_info
    ends = (
        info("images", onnx.TensorProto.UINT8, ("n", 28, 28)),
        info("batch", onnx.TensorProto.FLOAT, ("n", 1, None, None)),
    )
    graph = onnx.helper.make_graph(nodes, "preprocessing", ends[:1], ends[1:], constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    batch = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"images": IMAGES[:64]})[0]
    assert np.array_equal(batch, to_batch(IMAGES[:64], side).asnumpy())


def test_the_same_run_gives_the_same_bytes_and_replaces_the_file(lenet_run, tmp_path):
    for name in ("a.onnx", "b.onnx", "b.onnx"):
        assert main(["export", str(lenet_run), "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_killed_before_its_name_leaves_the_file_that_was_there(lenet_run, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"before")
    export_run = [sys.executable, "-c", KILLED_AT, "1000", "export", str(lenet_run), "--out", str(path)]
    # The last three things that last: the file to the disk, its name, the directory to the disk.
    last = int(subprocess.run(export_run, capture_output=True, text=True, check=True).stdout.split()[-1])
    path.write_bytes(b"before")
    export_run[3] = str(last - 2)
    subprocess.run(export_run, capture_output=True, check=False)
    assert path.read_bytes() == b"before"
    assert main(["export", str(lenet_run), "--out", str(path)]) == 0
    assert OnnxNetwork(path).state == {"epoch": 2, "step": 0}
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]


def test_logits_that_differ_are_not_written(lenet_run, tmp_path, monkeypatch, fails):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"before")
    monkeypatch.setattr(check, "TOLERANCE", 0)
    assert "is not written, for its logits would differ" in fails("export", lenet_run, "--out", path)
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]


def test_networks_that_cannot_be_exported(tmp_path):
    plain = gluon_cnn.lenet()
    plain.initialize()
    with pytest.raises(ModelError, match="hybrid=True"):
        export(plain, tmp_path / "net.onnx", IMAGES)
    net = nn.HybridSequential()
    net.add(nn.Dense(10), nn.HybridLambda("gammaln"))
    net.initialize()
    with pytest.raises(InteropError, match="gammaln"):
        export(net, tmp_path / "net.onnx", IMAGES)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_with_its_command(package, lenet_run, tmp_path, monkeypatch, fails):
    monkeypatch.setitem(sys.modules, package, None)
    line = fails("export", lenet_run, "--out", tmp_path / "net.onnx")
    assert f"{package} cannot be imported" in line
    assert "pip install 'gluon-cnn[onnx]'" in line
    assert list(tmp_path.iterdir()) == []

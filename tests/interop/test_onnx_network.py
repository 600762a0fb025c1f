"""evaluate and predict of ONNX files: our own, somebody else's, and what is none."""

import mxnet as mx
import numpy as np
import pytest
from PIL import Image

from gluon_cnn.cli import main
from gluon_cnn.data import CLASSES, SAMPLE, read_fashion_mnist, to_batch
from gluon_cnn.interop.onnx_network import OnnxNetwork

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

TEST = read_fashion_mnist(SAMPLE)[1]
WEIGHT = np.random.default_rng(0).normal(size=(28 * 28, 10)).astype(np.float32)


@pytest.fixture(params=[[], ["--preprocess"]], ids=["floats", "bytes"])
def exported(request, lenet_run, tmp_path):
    path = tmp_path / "lenet.onnx"
    assert main(["export", str(lenet_run), *request.param, "--out", str(path)]) == 0
    return path


def foreign(path, taken=("n", 1, 28, 28), given=("n", 10), weight=WEIGHT, inputs=1):
    """Write somebody's network of one dense layer."""
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["y"])]
    ends = [helper.make_tensor_value_info("x", floats, taken), helper.make_tensor_value_info("y", floats, given)]
    more = [helper.make_tensor_value_info(f"more{i}", floats, (1,)) for i in range(1, inputs)]
    constants = [onnx.numpy_helper.from_array(weight, "w")]
    graph = helper.make_graph(nodes, "foreign", [ends[0], *more], [ends[1]], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


def test_evaluate_and_predict_say_what_they_say_of_the_run(exported, lenet_run, tmp_path, capsys):
    picture = tmp_path / "shoe.png"
    Image.fromarray(TEST.images[9]).save(picture)
    for command in (["evaluate"], ["predict", str(picture)]):
        capsys.readouterr()
        for network in (lenet_run, exported):
            assert main([command[0], str(network), *command[1:]]) == 0
        ours, theirs = np.array_split(capsys.readouterr().out.splitlines(), 2)
        assert list(ours) == list(theirs)
    assert "after epoch 2" in ours[0] or len(ours) == 11


@pytest.mark.parametrize("batch", ["n", None, 1, 64])
def test_somebody_elses_network_of_any_batch(batch, tmp_path, capsys):
    path = foreign(tmp_path / "net.onnx", taken=(batch, 1, 28, 28), given=(batch, 10))
    logits = TEST.images.reshape(500, -1).astype(np.float32) / np.float32(255) @ WEIGHT
    accuracy = (logits.argmax(axis=1) == TEST.labels).mean()
    assert main(["evaluate", str(path), "--data-dir", str(SAMPLE)]) == 0
    assert capsys.readouterr().out == f"test accuracy {accuracy:.4f} on 500 test images\n"
    assert np.allclose(OnnxNetwork(path)(to_batch(TEST.images[:70])).asnumpy(), logits[:70], rtol=1e-4, atol=1e-4)


def test_somebody_elses_network_of_another_size(tmp_path):
    weight = np.tile(WEIGHT, (4, 1))
    network = OnnxNetwork(foreign(tmp_path / "net.onnx", taken=("n", 1, 56, 56), weight=weight))
    assert network.resize == 56
    expected = to_batch(TEST.images[:2], 56).asnumpy().reshape(2, -1) @ weight
    assert np.allclose(network.logits(TEST.images[:2]), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            {"taken": ("n", 3, 28, 28), "weight": np.tile(WEIGHT, (3, 1))},
            "it takes float32 n×3×28×28, not float32 N×1×H×H or uint8 N×28×28",
        ),
        ({"taken": ("n", 1, 28, 56), "weight": np.tile(WEIGHT, (2, 1))}, "it takes float32 n×1×28×56"),
        ({"taken": ("n", 1, "h", "w")}, "it takes float32 n×1×h×w"),
        ({"taken": ("n", 784)}, "it takes float32 n×784"),
        ({"given": ("n", 7), "weight": WEIGHT[:, :7]}, "it gives float32 n×7, not float32 N×10"),
        ({"inputs": 2}, "it has 2 inputs and 1 outputs"),
    ],
)
def test_file_of_another_network(shapes, message, tmp_path, fails):
    path = foreign(tmp_path / "net.onnx", **shapes)
    assert message in fails("evaluate", path, "--data-dir", SAMPLE)


def test_file_that_is_none(exported, tmp_path, fails):
    whole = exported.read_bytes()
    broken = tmp_path / "broken.onnx"
    for content in (b"", b"no network", whole[: len(whole) // 2], whole[:-3], bytes(1000)):
        broken.write_bytes(content)
        assert f"{broken} is " in fails("evaluate", broken)
    assert "There is no file" in fails("evaluate", tmp_path / "none.onnx")
    assert "There is no file" in fails("predict", tmp_path / "none.onnx", tmp_path / "none.png")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("classes", '["cat", "dog"]', "its classes are not Fashion-MNIST's"),
        ("classes", "[", "has metadata that cannot be read"),
        ("recipe", '{"data": "imagenet"}', "data is 'imagenet'"),
        ("recipe", "[]", "has metadata that cannot be read"),
        ("recipe", '{"test_size": 0}', "test_size is 0"),
        ("epoch", "many", "has metadata that cannot be read"),
    ],
)
def test_metadata_that_somebody_changed(name, value, message, exported, fails):
    model = onnx.load(str(exported))
    about = {prop.key: prop.value for prop in model.metadata_props}
    onnx.helper.set_model_props(model, {**about, name: value})
    onnx.save(model, str(exported))
    assert message in fails("evaluate", exported)


def test_flags_that_a_file_has_not(exported, fails):
    assert "an ONNX file is run on the CPU" in fails("evaluate", exported, "--ctx", "gpu")
    assert "leave --checkpoint out" in fails("evaluate", exported, "--checkpoint", "best")


def test_called_as_a_gluon_network(exported):
    logits = OnnxNetwork(exported)(to_batch(TEST.images[:3]))
    assert isinstance(logits, mx.nd.NDArray)
    assert logits.shape == (3, len(CLASSES))

"""ONNX files in the place of a run's network: our own, those of others, and files that are neither."""

import dataclasses
import shutil

import mxnet as mx
import numpy as np
import pytest
from PIL import Image
from runs import command

from gluon_cnn.data import FASHION_MNIST, SAMPLE, read_fashion_mnist
from gluon_cnn.data.scaled import to_batch
from gluon_cnn.errors import InteropError
from gluon_cnn.interop.export import export_run
from gluon_cnn.interop.onnx_network import OnnxNetwork
from gluon_cnn.training.run import load_run

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

TEST = read_fashion_mnist(SAMPLE).test
WEIGHT = np.random.default_rng(0).normal(size=(28 * 28, 10)).astype(np.float32)


@pytest.fixture(scope="module", params=[False, True], ids=["floats", "bytes"])
def exported(request, lenet_run, tmp_path_factory):
    """LeNet as an ONNX file; not to be changed."""
    path = tmp_path_factory.mktemp("onnx") / "lenet.onnx"
    export_run(load_run(lenet_run), out=path, preprocess=request.param)
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


def test_commands_say_the_same_of_run_and_file(exported, lenet_run, tmp_path, capsys):
    picture = tmp_path / "shoe.png"
    Image.fromarray(TEST.images[9]).save(picture)
    for name, *arguments in (["evaluate"], ["predict", picture]):
        capsys.readouterr()
        for network in (lenet_run, exported):
            command(name, network, *arguments)
        ours, theirs = np.array_split(capsys.readouterr().out.splitlines(), 2)
        assert list(ours) == list(theirs)
    assert len(ours) == 6  # the picture, what was done with it, four classes


def test_flags_that_do_not_fit_a_file(exported, fails):
    assert "--ctx" in fails("evaluate", exported, "--ctx", "gpu")
    assert "--checkpoint" in fails("evaluate", exported, "--checkpoint", "best")


def test_called_as_a_gluon_network(exported):
    logits = OnnxNetwork(exported)(to_batch(TEST.images[:3]))
    assert isinstance(logits, mx.nd.NDArray)
    assert logits.shape == (3, len(FASHION_MNIST.classes))


def test_our_file_knows_what_it_was_tested_on(exported):
    network = OnnxNetwork(exported)
    assert (network.data, network.state.epoch, network.state.step) == ("sample", 2, 0)
    assert network.inputs.dataset.is_like(FASHION_MNIST)
    assert network.inputs.side == 28
    assert len(network.test_images().labels) == 128


@pytest.mark.parametrize("batch", ["n", None, 1, 64])
def test_somebody_elses_network_of_any_batch(batch, tmp_path, capsys):
    path = foreign(tmp_path / "net.onnx", taken=(batch, 1, 28, 28), given=(batch, 10))
    logits = TEST.images.reshape(500, -1).astype(np.float32) / np.float32(255) @ WEIGHT
    accuracy = (logits.argmax(axis=1) == TEST.labels).mean()
    command("evaluate", path, "--data-dir", SAMPLE)
    assert capsys.readouterr().out == f"test accuracy {accuracy:.4f} on 500 test images\n"
    network = OnnxNetwork(path)
    assert network.state is None
    assert np.allclose(network(to_batch(TEST.images[:70])).asnumpy(), logits[:70], rtol=1e-4, atol=1e-4)


def test_somebody_elses_network_of_another_size(tmp_path):
    weight = np.tile(WEIGHT, (4, 1))
    network = OnnxNetwork(foreign(tmp_path / "net.onnx", taken=("n", 1, 56, 56), weight=weight))
    assert network.inputs.side == 56
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
        ({"inputs": 2}, "it has 2 inputs, not one"),
    ],
)
def test_file_of_another_network_is_refused(shapes, message, tmp_path):
    path = foreign(tmp_path / "net.onnx", **shapes)
    with pytest.raises(InteropError, match=f"is not a network for Fashion-MNIST: {message}"):
        OnnxNetwork(path)


def test_network_of_another_data_set(tmp_path):
    dogs = dataclasses.replace(FASHION_MNIST, name="dogs", classes=("terrier", "poodle"), channels=3, side=14)
    weight = np.tile(WEIGHT, (3, 1))[:588, :2]
    path = foreign(tmp_path / "net.onnx", taken=("n", 3, 14, 14), given=("n", 2), weight=weight)
    assert OnnxNetwork(path, dogs).inputs == (dogs, 14)


def test_damaged_and_missing_files_are_refused(exported, tmp_path):
    whole = exported.read_bytes()
    broken = tmp_path / "broken.onnx"
    for content in (b"", b"no network", whole[: len(whole) // 2], whole[:-3], bytes(1000)):
        broken.write_bytes(content)
        with pytest.raises(InteropError, match=f"{broken} is not a "):
            OnnxNetwork(broken)
    with pytest.raises(InteropError, match="There is no file"):
        OnnxNetwork(tmp_path / "none.onnx")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("classes", '["cat", "dog"]', "is not a network for the sample of Fashion-MNIST: it has other classes"),
        ("classes", "[", "has metadata that cannot be read"),
        ("recipe", '{"data": "imagenet"}', "data is 'imagenet'"),
        ("recipe", "[]", "has metadata that cannot be read"),
        ("recipe", '{"test_size": 0}', r"Expected `int` >= 1 - at `\$\.recipe\.test_size`"),
        ("epoch", "many", "has metadata that cannot be read"),
    ],
)
def test_changed_metadata_is_refused(name, value, message, exported, tmp_path):
    path = shutil.copyfile(exported, tmp_path / "net.onnx")
    model = onnx.load(str(path))
    about = {prop.key: prop.value for prop in model.metadata_props}
    onnx.helper.set_model_props(model, {**about, name: value})
    onnx.save(model, str(path))
    with pytest.raises(InteropError, match=message):
        OnnxNetwork(path)

"""A network of images in colour, cut out and normalised: every way out of its run gives what it gave."""

import dataclasses
import json

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from pictures import COLOURS, make_folder, noise
from runs import command

import gluon_cnn
from gluon_cnn.data import DATA_SETS, FASHION_MNIST, DatasetInfo
from gluon_cnn.data.inputs import Inputs
from gluon_cnn.errors import InteropError
from gluon_cnn.interop.export import export_run
from gluon_cnn.interop.onnx_network import OnnxNetwork
from gluon_cnn.interop.onnx_preprocessing import preprocessing
from gluon_cnn.interop.safetensors import read_arrays
from gluon_cnn.training.run import Run, load_run
from gluon_cnn.training.settings import Settings
from gluon_cnn.training.setup import load_data
from gluon_cnn.training.train_run import train_run

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.filterwarnings("ignore:Cannot decide type:UserWarning")  # MXNet says it of every SymbolBlock

PARTS = ("train", "test")
RECIPE = {
    "data": "folder",
    "side": 28,
    "short_side": 32,
    "batch_size": 8,
    "epochs": 6,
    "optimizer": "adam",
    "lr": 0.01,
    "augment": "crop,mirror,pca",
    "normalize": "measured",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("pictures") / "colours", 8, PARTS)


@pytest.fixture(scope="module")
def directory(folder, tmp_path_factory):
    """Of a run, not to be changed."""
    recipe = gluon_cnn.get_recipe("lenet", data_dir=folder, **RECIPE)
    run = Run(tmp_path_factory.mktemp("runs") / "lenet", recipe, Settings(data_dir=str(folder)))
    train_run(run, command="a test", quiet=True)
    return run.directory


@pytest.fixture
def run(directory):
    return load_run(directory)


@pytest.fixture
def images(run, folder):
    return DATA_SETS["folder"].read(folder, run.recipe).test.images[:]


def answers(path, batch):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"images": batch})[0]


def test_run_keeps_what_was_measured(run, folder):
    pixels = DATA_SETS["folder"].read(folder, run.recipe).train.images[:].reshape(-1, 3) / 255
    assert run.dataset.classes == tuple(sorted(COLOURS))
    assert (run.dataset.side, run.dataset.channels, run.dataset.cropped) == (32, 3, True)
    assert np.allclose(run.dataset.mean, pixels.mean(axis=0), rtol=1e-12)
    assert np.allclose(run.dataset.deviation, pixels.std(axis=0), rtol=1e-12)
    assert run.history[-1].test_acc > 0.6


def test_evaluation_normalises_as_the_training_did(run, images, tmp_path):
    """Also where the folder that it is given has other training pictures."""
    other = make_folder(tmp_path / "colours", 4, PARTS)
    data = load_data(run.recipe, other, mx.cpu(), trained_on=run.dataset)
    assert data.info.mean == run.dataset.mean != load_data(run.recipe, other, mx.cpu()).info.mean
    assert run.evaluate(data_dir=other).images == 12
    (X, _), *_ = load_data(dataclasses.replace(run.recipe, batch_size=24), run.settings.data_dir, mx.cpu()).test
    assert (X.asnumpy() == Inputs(run.dataset, 28).batch(images).asnumpy()).all()


@pytest.mark.parametrize("preprocess", [False, True], ids=["floats", "bytes"])
def test_onnx_file_answers_as_mxnet(run, images, preprocess, tmp_path):
    path = tmp_path / "net.onnx"
    assert export_run(run, out=path, preprocess=preprocess).difference.largest <= 1e-5
    floats = Inputs(run.dataset, 28).batch(images)
    expected = run.network(mx.cpu())(floats).asnumpy()
    assert np.abs(answers(path, images if preprocess else floats.asnumpy()) - expected).max() <= 1e-5
    network = OnnxNetwork(path)
    assert network.inputs.dataset.is_like(run.dataset)
    assert (network.inputs == Inputs(run.dataset, 28)) == (not preprocess)
    assert np.abs(network.logits(images) - expected).max() <= 1e-5
    X = network.inputs.batch(images)
    assert np.abs(network(X).asnumpy() - expected).max() <= 1e-5
    about = network.metadata
    assert json.loads(about["dataset"])["mean"] == list(run.dataset.mean)
    assert about["input"].startswith("uint8 N×32×32×3" if preprocess else "float32 N×3×28×28, numbers in [0, 1] minus ")


def test_export_keeps_to_the_runs_memory(run, tmp_path, monkeypatch):
    source, asked = DATA_SETS["folder"], []

    def read(directory, recipe, memory=None, check=None):
        asked.append(memory)
        return source.read(directory, recipe, memory, check)

    monkeypatch.setitem(DATA_SETS, "folder", source._replace(read=read))
    run.settings.data_memory = 0.001
    export_run(run, "safetensors", tmp_path / "net.safetensors")
    assert asked == [1_000_000]


def test_mean_is_subtracted_from_grey_levels(folder, tmp_path):
    """As in the paper of AlexNet; also in the ONNX file that takes bytes."""
    values = {**RECIPE, "epochs": 1, "augment": False, "normalize": "mean", "lr": 0.001}
    run = Run(
        tmp_path / "run", gluon_cnn.get_recipe("lenet", data_dir=folder, **values), Settings(data_dir=str(folder))
    )
    train_run(run, command="a test", quiet=True)
    run = load_run(run.directory)
    parts = DATA_SETS["folder"].read(folder, run.recipe)
    levels = parts.train.images[:].reshape(-1, 3).astype(float)
    images = parts.test.images[:]
    inputs = Inputs(run.dataset, 28)
    floats = inputs.batch(images).asnumpy()
    expected = images[:, 2:-2, 2:-2].transpose(0, 3, 1, 2) - levels.mean(axis=0).reshape(-1, 1, 1)
    assert np.abs(floats - expected).max() <= 1e-4
    assert (inputs.bytes_of(floats) == images[:, 2:-2, 2:-2]).all()
    path = tmp_path / "net.onnx"
    assert export_run(run, out=path, preprocess=True).difference.largest <= 1e-5
    found = answers(path, images)
    assert np.abs(found - run.network(mx.cpu())(inputs.batch(images)).asnumpy()).max() <= 1e-5
    assert run.inputs == inputs


@pytest.mark.parametrize("options", [[], ["--ten-crop"]])
def test_onnx_file_is_evaluated_as_its_run(run, folder, options, tmp_path, capsys):
    export_run(run, out=tmp_path / "net.onnx")
    lines = []
    for what in (run.directory, tmp_path / "net.onnx"):
        capsys.readouterr()
        command("evaluate", what, "--data-dir", folder, *options)
        lines.append(capsys.readouterr().out.splitlines()[-1])
    assert lines[0] == lines[1]
    assert "on 24 test images" in lines[0]
    assert ("over ten views of each" in lines[0]) == bool(options)


def test_bytes_have_no_ten_views(run, folder, tmp_path, fails):
    export_run(run, out=tmp_path / "net.onnx", preprocess=True)
    assert "are not cut out of larger ones" in fails(
        "evaluate", tmp_path / "net.onnx", "--data-dir", folder, "--ten-crop"
    )


def test_onnx_file_refuses_other_classes(run, folder, tmp_path):
    export_run(run, out=tmp_path / "net.onnx")
    other = make_folder(tmp_path / "colours", 2, PARTS, {"a": (0, 0, 0), "b": (255, 0, 0), "c": (0, 0, 255)})
    with pytest.raises(InteropError, match="other images or classes"):
        OnnxNetwork(tmp_path / "net.onnx").test_images(other)


@pytest.mark.parametrize("preprocess", [False, True], ids=["floats", "bytes"])
def test_symbol_answers_to_the_bit(run, images, preprocess, tmp_path):
    assert export_run(run, "symbol", tmp_path / "net", preprocess=preprocess).difference.largest == 0
    block = gluon.SymbolBlock.imports(f"{tmp_path}/net-symbol.json", ["data"], f"{tmp_path}/net-0000.params")
    floats = Inputs(run.dataset, 28).batch(images)
    batch = mx.nd.array(images, dtype="uint8") if preprocess else floats
    assert (block(batch).asnumpy() == run.network(mx.cpu())(floats).asnumpy()).all()


def test_safetensors_file_says_what_its_network_takes(run, tmp_path):
    safetensors = pytest.importorskip("safetensors")
    (path,) = export_run(run, "safetensors", tmp_path / "net.safetensors").paths
    with safetensors.safe_open(str(path), "numpy") as file:
        about = json.loads(file.metadata()["dataset"])
    assert about == json.loads(json.dumps(dataclasses.asdict(run.dataset)))
    assert read_arrays(path)["0.weight"].shape[1] == 3


COLOUR = DatasetInfo("pictures", ("a", "b"), channels=3, side=28)
NORMALISED = {"mean": (0.485, 0.456, 0.406), "deviation": (0.229, 0.224, 0.225)}


@pytest.mark.parametrize(
    ("dataset", "side"),
    [
        (COLOUR, 28),
        (COLOUR, 67),
        (dataclasses.replace(COLOUR, cropped=True), 24),
        (dataclasses.replace(COLOUR, cropped=True, **NORMALISED), 23),
        (dataclasses.replace(COLOUR, **NORMALISED), 20),
        (dataclasses.replace(FASHION_MNIST, mean=(0.286,), deviation=(0.353,)), 96),
        (dataclasses.replace(FASHION_MNIST, mean=(0.286,), deviation=(0.353,)), 28),
        (dataclasses.replace(FASHION_MNIST, cropped=True), 24),
    ],
)
def test_preprocessing_gives_our_bits(dataset, side):
    inputs, images = Inputs(dataset, side), noise(40, 28)
    images = images if dataset.channels == 3 else images[..., 0]
    nodes, constants = preprocessing("images", "batch", inputs)
    info = onnx.helper.make_tensor_value_info
    ends = (
        info("images", onnx.TensorProto.UINT8, ("n", *inputs.stored)),
        info("batch", onnx.TensorProto.FLOAT, ("n", *inputs.shape)),
    )
    graph = onnx.helper.make_graph(nodes, "preprocessing", ends[:1], ends[1:], constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    batch = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"images": images})[0]
    assert np.array_equal(batch, inputs.batch(images).asnumpy())

"""The example that trains the book's networks in PyTorch: it computes what this package computes."""

import gzip
import json
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from our_runs import published_history, write_run
from runs import command

from gluon_cnn import get_model, load_run
from gluon_cnn.data import SAMPLE, read_fashion_mnist
from gluon_cnn.data.batches import Batches
from gluon_cnn.data.scaled import to_batch
from gluon_cnn.errors import RunError
from gluon_cnn.models import find_network
from gluon_cnn.published_weights import EDITIONS, MODELS
from gluon_cnn.recipe import EDITIONS as RECORDS
from gluon_cnn.training.initial_weights import initialize_as_published
from gluon_cnn.training.recipes import get_recipe

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def example():
    sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
    import published_start_torch

    sys.path.pop(0)
    return published_start_torch


@pytest.fixture
def data_dir(tmp_path):
    """A Fashion-MNIST of few images."""
    directory = tmp_path / "data"
    directory.mkdir()
    for part, (images, labels) in zip(("train", "t10k"), read_fashion_mnist(SAMPLE)[1:]):
        for kind, array in (("images-idx3", images[:40]), ("labels-idx1", labels[:40].astype(np.uint8))):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (directory / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))
    return directory


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("model", MODELS)
def test_networks_and_recipes_are_the_same(example, model, edition):
    build, recipe = find_network(model).build, get_recipe(model, edition)
    assert example.RECIPES[model] == (recipe.batch_size, recipe.side, recipe.lr)
    assert (example.EPOCHS[edition], edition == "zh-v1") == (recipe.epochs, RECORDS[edition].nominal_step)
    if model in ("alexnet", "vgg11") and edition == "en":
        return  # the same network with other weights, more than 40 million of them
    net = get_model(model, **({"edition": edition} if "edition" in build.__kwdefaults__ else {}))
    initialize_as_published(net, edition)
    X = np.random.RandomState(0).rand(2, 1, recipe.side, recipe.side).astype(np.float32)
    with torch.no_grad():
        found = example.build(model, edition).eval()(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(found, net(mx.nd.array(X)).asnumpy(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("model", ["nin", "googlenet", "resnet18", "densenet"])
def test_networks_train(example, model, data_dir):
    train, test, *_ = example.read_data(data_dir, 6, 3, "cpu")
    net = example.build(model, "zh-v1")
    (row,) = example.train(net, train, test, 0, (3, 96, 0.01), 1, True)
    assert row[0] == 1
    assert np.isfinite(row).all()


@pytest.mark.parametrize("side", [28, 67, 96, 224])
def test_images_are_resized_to_the_same_bytes(example, side):
    images = np.random.RandomState(0).randint(0, 256, (9, 28, 28)).astype(np.uint8)
    ours = to_batch(images, side if side != 28 else None, mx.cpu())
    ((X, _),) = example.batches((torch.from_numpy(images), torch.zeros(9)), np.arange(9), 9, side)
    assert X.numpy().tobytes() == ours.asnumpy().tobytes()


def test_images_come_in_the_same_order(example):
    batches = Batches(np.zeros((50, 28, 28), np.uint8), np.arange(50, dtype=np.int32), 50, shuffle=True, seed=3)
    for epoch in range(2):
        ((_, labels),) = batches.epoch(epoch)
        assert list(example.order_of(50, 3, epoch)) == list(labels.asnumpy())


def test_running_statistics_are_gluons(example):
    X = np.random.RandomState(0).rand(2, 3, 2, 2).astype(np.float32)
    gluon, own = mx.gluon.nn.BatchNorm(in_channels=3), example.BatchNorm(3)
    gluon.initialize()
    with mx.autograd.record():
        Y = gluon(mx.nd.array(X))
    Y.backward()  # in which MXNet updates them
    own.train()(torch.from_numpy(X))
    for name in ("running_mean", "running_var"):
        expected = getattr(gluon, name).data().asnumpy()
        np.testing.assert_allclose(getattr(own, name).numpy(), expected, rtol=1e-6)


def test_runs_are_compared_as_pytorchs(example, data_dir, tmp_path, monkeypatch, capsys):
    out = tmp_path / "runs"
    arguments = ["--models", "lenet", "--seeds", "0-1", "--data-dir", data_dir, "--out", out]
    monkeypatch.setattr(sys, "argv", ["examples/published_start_torch.py", *map(str, arguments)])
    example.main()
    assert capsys.readouterr().out.count("lenet-zh-v1-seed1: epoch ") == 5
    example.main()  # all are finished
    assert capsys.readouterr().out == ""
    runs = sorted(out.iterdir())
    assert [sorted(path.name for path in run.iterdir()) for run in runs] == [["config.json", "history.csv"]] * 2
    config = json.loads((runs[0] / "config.json").read_text())
    assert config["framework"] == "PyTorch"
    assert config["book"] == {"published_as": "lenet", "differences": {}}
    command("compare", runs[0])
    assert "lenet, zh-v1, seed 0, by PyTorch, from published initial weights, beside 15" in capsys.readouterr().out
    assert json.loads((runs[0] / "comparison.json").read_text())["framework"] == "PyTorch"
    command("compare", *runs)
    assert "2 runs by PyTorch, from published initial weights (seeds 0, 1)" in capsys.readouterr().out
    command("report", out)
    report = (out / "report.md").read_text()
    assert "**By PyTorch, from published initial weights**, 2 runs: " in report
    assert "| lenet-zh-v1-seed0, by PyTorch |" in report


def test_runs_of_another_framework_are_not_loaded(tmp_path, fails):
    directory = write_run(tmp_path / "lenet-zh-v1-seed0", published_history()).directory
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, "framework": "JAX"}))
    before = {path: path.read_bytes() for path in directory.iterdir()}
    message = f"{directory} was trained by JAX, so it cannot be resumed or loaded: name another directory"
    assert message in fails("evaluate", directory)
    assert message in fails("train", "lenet", "--out", directory, "--resume")
    assert message in fails("reproduce", "--models", "lenet", "--seeds", "0", "--out", tmp_path)
    with pytest.raises(RunError, match="trained by JAX"):
        load_run(directory).resume(quiet=True)
    assert {path: path.read_bytes() for path in directory.iterdir()} == before


def test_changed_recipe_is_not_compared(example, data_dir, tmp_path, monkeypatch, capsys):
    arguments = ["--epochs", "1", "--train-size", "8", "--data-dir", data_dir, "--out", tmp_path / "runs"]
    monkeypatch.setattr(sys, "argv", ["published_start_torch.py", *map(str, arguments)])
    example.main()
    command("compare", tmp_path / "runs" / "lenet-zh-v1-seed0")
    assert "not compared: 1 epoch instead of 5; 8 training images" in capsys.readouterr().out


@pytest.mark.parametrize("framework", ["", "a b", "<b>", 3, None, "x" * 40])
def test_frameworks_that_are_no_names(framework, tmp_path, fails):
    path = write_run(tmp_path / "run", published_history()).directory / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "framework": framework}))
    assert "cannot be read as a run's settings" in fails("compare", path.parent)


def test_diverged_run_says_so(example, data_dir, tmp_path, monkeypatch, capsys):
    arguments = ["--data-dir", data_dir, "--out", tmp_path / "runs"]
    monkeypatch.setattr(sys, "argv", ["published_start_torch.py", *map(str, arguments)])
    epochs = [(number, loss, 0.1, 0.1, 1.0, 10.0) for number, loss in enumerate((2.3, float("nan"), 2.3), 1)]
    monkeypatch.setattr(example, "train", lambda *_: iter(epochs))
    example.main()
    assert capsys.readouterr().out.count("\n") == 2
    run = load_run(tmp_path / "runs" / "lenet-zh-v1-seed0")
    assert (run.config.diverged, len(run.history)) == ("The loss is no longer finite in epoch 2", 1)


@pytest.fixture
def refuses(example, data_dir, tmp_path, monkeypatch, capsys):
    """A function that calls the example with arguments, and returns why it refuses them, before it trains."""
    monkeypatch.setattr(example, "train", lambda *_: pytest.fail("it trains"))

    def call(*arguments, out=tmp_path / "runs"):
        arguments = ["published_start_torch.py", "--data-dir", data_dir, "--out", out, *arguments]
        monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
        with pytest.raises(SystemExit) as ended:
            example.main()
        if ended.value.code == 2:
            return capsys.readouterr().err.splitlines()[-1]
        assert "\n" not in ended.value.code
        return ended.value.code

    return call


@pytest.mark.parametrize("flag", ["--epochs", "--train-size", "--test-size"])
@pytest.mark.parametrize("number", ["0", "-1", "1.5", "x", "", "1000001", "9" * 5000, "1e3", "٣"])
def test_numbers_that_are_no_counts(refuses, tmp_path, flag, number):
    assert "is not a whole number from 1 to 1000000" in refuses(f"{flag}={number}")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("text", ["99999999999999999999", str(2**63), "5-3", "1-2-3", "-1", "", "0,", "0-", "9" * 5000])
def test_seeds_that_are_none(refuses, text):
    assert "is not such as 0-14 or 0,3, with seeds below 2^63" in refuses(f"--seeds={text}")


def test_seeds_are_not_written_out(example):
    assert example.seeds(f"0-2,7,3-{2**63 - 1}") == [range(3), range(7, 8), range(3, 2**63)]


@pytest.mark.parametrize("device", ["meta", "mkldnn", "xla", "lazy", "hpu", "privateuseone", "cpu:-1", "", "a\nb"])
def test_devices_that_compute_nothing(refuses, device):
    assert refuses("--device", device).startswith(f"There is no device {device.split()[0] if device else ''}")


def test_places_that_cannot_be_written(refuses, tmp_path):
    file = tmp_path / "file"
    file.touch()
    for out in (file, file / "below", tmp_path / ("n" * 300)):
        assert "cannot be written (" in refuses(out=out)
    (tmp_path / "lenet-zh-v1-seed0").touch()
    assert "cannot be written (" in refuses(out=tmp_path)


def test_other_runs_are_left_alone(refuses, tmp_path):
    begun = write_run(tmp_path / "lenet-zh-v1-seed0", []).directory
    (begun / "run.lock").touch()
    before = (begun / "config.json").read_bytes()
    assert "holds something else than a run of PyTorch's" in refuses(out=tmp_path)
    (begun / "history.csv").touch()
    assert "holds a run of other epochs or images" in refuses("--epochs", "1", out=tmp_path)
    assert (begun / "config.json").read_bytes() == before
    (begun / "config.json").write_text("[]")
    assert "has no config.json that can be read" in refuses(out=tmp_path)


@pytest.mark.parametrize("content", [b"", b"x" * 8, b"x" * 48, bytes(8) + b"\x0a" * 40])
def test_data_that_is_not_fashion_mnist(refuses, data_dir, content):
    (data_dir / "t10k-labels-idx1-ubyte").write_bytes(content)
    assert refuses().endswith("has files t10k-* that are not Fashion-MNIST's: download them again.")


def test_run_that_cannot_be_written_is_not_finished(example, data_dir, tmp_path, monkeypatch):
    arguments = ["--train-size", "8", "--epochs", "1", "--data-dir", data_dir, "--out", tmp_path / "runs"]
    monkeypatch.setattr(sys, "argv", ["published_start_torch.py", *map(str, arguments)])
    run = tmp_path / "runs" / "lenet-zh-v1-seed0"
    (run / ".history.csv.tmp").mkdir(parents=True)  # in whose place no file can be written
    with pytest.raises(SystemExit, match=r"history\.csv cannot be written \(.*\): make room, or name another"):
        example.main()
    assert not (run / "history.csv").exists()
    (run / ".history.csv.tmp").rmdir()
    example.main()
    assert (run / "history.csv").read_text().count("\n") == 2


def test_bad_models_and_seeds(example, monkeypatch, capsys, tmp_path):
    for arguments in (["--models", "vgg"], ["--seeds", "x"], ["--seeds", "1-2-3"], []):
        monkeypatch.setattr(sys, "argv", ["published_start_torch.py", *arguments])
        with pytest.raises(SystemExit) as ended:
            example.main()
        assert ended.value.code == 2
    monkeypatch.setattr(sys, "argv", ["published_start_torch.py", "--data-dir", str(tmp_path), "--device", "tpu"])
    with pytest.raises(SystemExit, match=r"^There is no device tpu \("):
        example.main()
    monkeypatch.setattr(sys, "argv", ["published_start_torch.py", "--data-dir", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"has no train-images-idx3-ubyte\.gz: name the directory with"):
        example.main()

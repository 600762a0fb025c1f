"""``mx.nd``, ``mx.np`` and MXNet 2 side by side: ``mx.nd`` in this process, the others in one each.

MXNet 2 takes part where GLUON_CNN_MXNET2 names the Python of an environment that has it, as in CI.
"""

import json
import os
import subprocess
import sys

import array_mode_process
import mxnet as mx
import numpy as np
import pytest
from PIL import Image

import gluon_cnn
from gluon_cnn import get_model, lenet, list_models, load_parameters, save_parameters
from gluon_cnn.cli import main
from gluon_cnn.data import SAMPLE, read_fashion_mnist
from gluon_cnn.errors import ModelError

PYTHON_2 = os.environ.get("GLUON_CNN_MXNET2")
needs_mxnet2 = pytest.mark.skipif(not PYTHON_2, reason="GLUON_CNN_MXNET2 names no Python with MXNet 2")
MODES = ["nd", "np", pytest.param("mxnet2", marks=needs_mxnet2)]


def process(python, *arguments):
    command = [python, array_mode_process.__file__, "np", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A function that gives what was found in a mode, and the directory with its files."""
    done = {}

    def of(mode):
        if mode not in done:
            directory = tmp_path_factory.mktemp(mode)
            if mode == "nd":
                found = array_mode_process.work(directory)
            else:
                found = process(PYTHON_2 if mode == "mxnet2" else sys.executable, "work", directory)
            done[mode] = found, directory
        return done[mode]

    return of


@pytest.mark.parametrize("mode", MODES)
def test_networks_compute_the_same_in_every_mode(work, mode):
    reference, found = work("nd")[0]["logits"], work(mode)[0]["logits"]
    assert len(found) == 2 * len(list_models())
    for name, logits in found.items():
        assert np.isfinite(logits).all(), name
        np.testing.assert_allclose(logits, reference[name.split()[0] + " False"], atol=1e-6, err_msg=name)


@pytest.mark.parametrize("mode", MODES)
def test_published_weights_equal_in_every_mode(work, mode):
    np.testing.assert_allclose(work(mode)[0]["published"], work("nd")[0]["published"], atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_batches_have_the_arrays_of_the_mode(work, mode):
    kind, *values = work(mode)[0]["batch"]
    assert kind == ("mxnet.ndarray.ndarray" if mode == "nd" else "mxnet.numpy")
    assert values == work("nd")[0]["batch"][1:]
    assert values[:2] == ["float32", "int32"]


@pytest.mark.parametrize("mode", MODES)
def test_both_loops_train_the_same_in_every_mode(work, mode):
    reference, found = work("nd")[0], work(mode)[0]
    np.testing.assert_allclose(found["train_ch5"], reference["train_ch5"], atol=1e-5)
    assert np.isfinite(found["train_ch6"]).all()
    if mode == "mxnet2":  # Xavier's own draws differ between nd and np
        np.testing.assert_allclose(found["train_ch6"], work("np")[0]["train_ch6"], atol=1e-5)


@pytest.fixture
def read(request):
    """A function that reads parameter files in a mode."""

    def in_mode(mode, files):
        if mode == "mxnet2":
            return process(PYTHON_2, "read", *files)
        if mode == "np":
            request.getfixturevalue("np_arrays")
        return array_mode_process.read(*map(str, files))

    return in_mode


@pytest.mark.parametrize("mode", MODES)
def test_parameters_of_every_mode_are_read_in_all(work, read, mode):
    written = [work(other) for other in ("nd", "np", *(["mxnet2"] if PYTHON_2 else []))]
    files = [directory / name for _, directory in written for name in ("ours.params", "gluons.params")]
    expected = [done["published"] for done, _ in written for _ in range(2)]
    np.testing.assert_allclose(read(mode, files), expected, atol=1e-6)


@needs_mxnet2
def test_parameter_file_has_the_same_bits_everywhere(work):
    # From the same draws, one file for all modes: MXNet 1's own for mx.nd.
    contents = {(work(mode)[1] / "ours.params").read_bytes() for mode in ("nd", "np", "mxnet2")}
    assert contents == {(work("nd")[1] / "gluons.params").read_bytes()}


@needs_mxnet2
def test_mxnet_2_resumes_to_the_same_bits(tmp_path):
    def train(out, epochs, *more):
        command = [PYTHON_2, "-m", "gluon_cnn.cli", "train", "lenet", "--data", "sample", "--set", "momentum=0.5"]
        done = subprocess.run(
            [*command, "--lr", "0.1", "--epochs", str(epochs), "--out", out, *more], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    train(tmp_path / "whole", 3)
    train(tmp_path / "parts", 1)
    train(tmp_path / "parts", 3, "--resume")
    whole, parts = (tmp_path / name / "checkpoint" / "epoch-003" / "net.params" for name in ("whole", "parts"))
    assert whole.read_bytes() == parts.read_bytes()
    whole, parts = (gluon_cnn.load_run(tmp_path / name).history for name in ("whole", "parts"))
    assert [result.train_loss for result in whole] == [result.train_loss for result in parts]


def command_2(*arguments):
    done = subprocess.run([PYTHON_2, "-m", "gluon_cnn.cli", *map(str, arguments)], capture_output=True, text=True)
    # Without what MXNet 2 says of its memory.
    return done.returncode, done.stdout, [line for line in done.stderr.splitlines() if not line.startswith("[")]


@needs_mxnet2
def test_older_runs_work_in_mxnet_2(lenet_run, tmp_path, capsys):
    Image.fromarray(read_fashion_mnist(SAMPLE).test.images[0]).save(tmp_path / "garment.png")
    for words in (["evaluate", lenet_run], ["predict", lenet_run, tmp_path / "garment.png"]):
        assert main(list(map(str, words))) == 0
        assert command_2(*words) == (0, capsys.readouterr().out, [])


@needs_mxnet2
def test_mxnet_2_says_what_it_lacks():
    for words in (["summary", "nin"], ["summary", "gluoncv:cifar_resnet20_v1"]):
        code, _, errors = command_2(*words)
        assert (code, len(errors)) == (1, 1)
        assert errors[0].startswith("gluon-cnn: ")
    findings = {finding["name"]: finding for finding in json.loads(command_2("doctor", "--json")[1])["findings"]}
    assert findings["MXNet"]["state"] == "ok"
    assert "ONEDNN" in findings["features"]["value"]


def test_network_without_values_is_not_saved(tmp_path):
    for net in (lenet(), gluon_cnn.nin()):
        with pytest.raises(ModelError, match="has no values yet"):
            save_parameters(net, tmp_path / "net.params")
        net.initialize()  # the first layer learns its shape later
    assert not list(tmp_path.iterdir())
    net = lenet()
    net.initialize()
    net(mx.nd.zeros((1, 1, 28, 28)))
    with pytest.raises(ModelError, match="in a directory that does not exist"):
        save_parameters(net, tmp_path / "none" / "net.params")


def test_parameters_of_another_network_are_refused(tmp_path):
    net = lenet()
    net.initialize()
    net(mx.nd.zeros((1, 1, 28, 28)))
    save_parameters(net, tmp_path / "lenet.params")
    with pytest.raises(ModelError, match=r"of another network: 0.0.weight should be of shape"):
        load_parameters(get_model("nin"), tmp_path / "lenet.params")
    (tmp_path / "damaged.params").write_bytes((tmp_path / "lenet.params").read_bytes()[:1000])
    (tmp_path / "empty.params").write_bytes(b"")
    (tmp_path / "page.params").write_text("<html></html>")
    np.savez(tmp_path / "words.npz", a=np.array(["a", "b"]))
    for name in ("damaged.params", "empty.params", "page.params", "words.npz"):
        with pytest.raises(ModelError, match=f"{name} holds no parameters"):
            load_parameters(lenet(), tmp_path / name)
    with pytest.raises(ModelError, match=r"There is no file .*none\.params"):
        load_parameters(lenet(), tmp_path / "none.params")

"""Runs on pictures in colour that begin from weights for grey ones, and the other way round."""

import mxnet as mx
import numpy as np
import pytest
from pictures import make_folder
from runs import fine_tune

from gluon_cnn import get_model, load_run, save_parameters
from gluon_cnn.errors import SettingError

#: No number changes by so little, so that a run ends with the weights that it began with.
STILL = {"data": "folder", "train_size": None, "test_size": None, "batch_size": 4, "side": 28, "lr": 1e-20}
TORCH = "net.pt"


def source(path, channels, kind):
    """LeNet for so many channels, with random weights, and its file."""
    net = get_model("lenet", num_classes=3)
    net.initialize(mx.init.Xavier())
    net(mx.nd.zeros((1, channels, 28, 28)))
    if kind == TORCH:
        torch = pytest.importorskip("torch")
        from gluon_cnn.interop.torch import to_torch

        torch.save(to_torch(net), path / kind)
    else:
        save_parameters(net, path / kind)
    return net, path / kind


def fine_tuned(path, where, mode, **changes):
    settings = {"data_dir": str(make_folder(path / "pictures", mode=mode))}
    return fine_tune(path / "run", where, settings=settings, **{**STILL, **changes})


@pytest.mark.parametrize("kind", ["net.params", TORCH])
def test_grey_weights_are_spread_over_three_channels(tmp_path, caplog, kind):
    net, where = source(tmp_path, 1, kind)
    run = fine_tuned(tmp_path, where, "RGB", freeze="0")
    grey = mx.nd.random.uniform(shape=(5, 1, 28, 28))
    found = load_run(run.directory).network("cpu")(mx.nd.repeat(grey, 3, axis=1))
    np.testing.assert_allclose(found.asnumpy(), net(grey).asnumpy(), rtol=1e-4, atol=1e-5)
    said = f"all 10 parameters are taken from {where}; 0.weight is for grey pictures there, and spread over three"
    assert said in caplog.text


def test_colour_weights_are_summed_for_grey_pictures(tmp_path, caplog):
    net, where = source(tmp_path, 3, "net.params")
    run = fine_tuned(tmp_path, where, "L")
    grey = mx.nd.random.uniform(shape=(5, 1, 28, 28))
    found = load_run(run.directory).network("cpu")(grey)
    np.testing.assert_allclose(found.asnumpy(), net(mx.nd.repeat(grey, 3, axis=1)).asnumpy(), rtol=1e-4, atol=1e-5)
    assert "0.weight is for pictures in colour there, and summed over their channels" in caplog.text


@pytest.mark.parametrize(("freeze", "drawn"), [("4", "4.weight"), ("0,4.weight", "4.weight")])
def test_drawn_parameters_cannot_be_frozen(tmp_path, freeze, drawn):
    """A layer of random numbers would stay random, and nobody would hear of it."""
    _, where = source(tmp_path, 1, "net.params")
    with pytest.raises(SettingError, match=f"has no {drawn} of this shape, so that it would stay .* leave it out of"):
        fine_tuned(tmp_path, where, "L", side=32, freeze=freeze)
    assert not (tmp_path / "run").exists()


def test_layer_taken_in_part_says_so(tmp_path, caplog):
    _, where = source(tmp_path, 1, "net.params")
    fine_tuned(tmp_path, where, "L", side=32, freeze="4.bias")
    assert "in 0, 2, 4.bias, 5, 6; drawn from the seed: 4.weight" in caplog.text

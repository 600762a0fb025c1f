"""The network for inference: the same logits by the same parameters, for as long as these do not change."""

import contextlib
import dataclasses

import mxnet as mx
import numpy as np
import pytest
from runs import history_of, measures_of, run_process, train

from gluon_cnn import get_recipe, list_models, load_run
from gluon_cnn.data import SAMPLE, read_fashion_mnist
from gluon_cnn.data.scaled import to_batch
from gluon_cnn.models import find_network
from gluon_cnn.training import epochs, loop, onednn
from gluon_cnn.training import run as run_module
from gluon_cnn.training.onednn import for_inference
from gluon_cnn.training.setup import load_data, set_up

CPU = [mx.cpu()]
OPTIMIZED = ("alexnet", "densenet", "nin", "resnet18", "vgg11")
MANY = 60_000  # images, of any size


def set_up_own(model, **changes):
    """A setup with logits of the size of a trained network's, and its recipe."""
    recipe = get_recipe(model, data="sample", init="own", **changes)
    setup = set_up(recipe, CPU, load_data(recipe, None, CPU[0]))
    if model != "lenet":
        for name, parameter in setup.net.collect_params().items():
            if name.endswith("weight"):
                parameter.set_data(parameter.data() * 2)
    return setup, recipe


def compiled(model, **changes):
    """The network of such a setup, and its recipe."""
    setup, recipe = set_up_own(model, **changes)
    return setup.net, recipe


def batch(number, recipe, first=0):
    return to_batch(read_fashion_mnist(SAMPLE).test.images[first : first + number], recipe.side)


def assert_same(net, optimized, X):
    """To 1e-5 of the largest logit; and what is 0, as of a dead class, is 0."""
    expected, logits = net(X).asnumpy(), optimized(X).asnumpy()
    assert np.abs(logits - expected).max() <= 1e-5 * np.abs(expected).max()
    np.testing.assert_array_equal(logits == 0, expected == 0)
    assert len(X) == 1 or np.ptp(expected, axis=0).max() > 1e-3 * np.abs(expected).max()  # these are different images


def test_networks_that_are_optimized():
    assert tuple(name for name in list_models() if find_network(name).optimized) == OPTIMIZED


@pytest.mark.parametrize("model", list_models())
def test_same_logits_of_the_books_images(model):
    net, recipe = compiled(model)
    with for_inference(net, recipe, CPU, MANY) as optimized:
        assert (optimized is not net) == (model in OPTIMIZED)
        assert list(optimized.collect_params().values()) == list(net.collect_params().values())
        for first, number in ((0, 8), (8, 8), (16, 3)):  # the last one shorter
            assert_same(net, optimized, batch(number, recipe, first))


@pytest.mark.parametrize(("model", "changes"), [("nin", {"final_relu": False, "num_mlp_layers": 1}), ("vgg11", {})])
def test_same_logits_of_other_images_and_variants(model, changes):
    net, recipe = compiled(model, side=96, **changes)
    with for_inference(net, recipe, CPU, MANY) as optimized:
        assert_same(net, optimized, batch(64, recipe))


@pytest.mark.parametrize("model", OPTIMIZED)
def test_made_anew_it_has_the_new_weights(model):
    setup, recipe = set_up_own(model, side=96)
    net, X, y = setup.net, batch(8, recipe), mx.nd.arange(8)
    loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    with for_inference(net, recipe, CPU, MANY) as optimized:
        before = optimized(X).asnumpy()
    for _ in range(2):
        with mx.autograd.record():
            mean = loss(net(X), y)
        mean.backward()
        setup.trainer.step(len(y))
        with for_inference(net, recipe, CPU, MANY) as optimized:
            assert_same(net, optimized, X)
    assert np.abs(net(X).asnumpy() - before).max() > 1e-3 * np.abs(before).max()


#: Makes the network of a recipe, ready to be trained, and what gives the resident MiB of the process.
SET_UP = """
import gc
import gluon_cnn, mxnet as mx, psutil
from gluon_cnn import get_recipe
from gluon_cnn.data.scaled import to_batch
from gluon_cnn.training import setup
from gluon_cnn.training.onednn import for_inference, for_training
def resident():
    return psutil.Process().memory_info().rss / 2**20
def network(model):
    recipe = get_recipe(model, data="sample", init="own")
    data = setup.load_data(recipe, None, mx.cpu())
    return setup.set_up(recipe, [mx.cpu()], data).net, recipe, lambda number: to_batch(data.test.images[:number], 224)
"""

#: Prints it with AlexNet for inference, and after that.
INFERENCE = """
net, recipe, batch = network("alexnet")
gc.disable()
with for_inference(net, recipe, [mx.cpu()], 60_000) as optimized:
    assert optimized is not net
    optimized(batch(2)).wait_to_read()
    print(resident())
print(resident())
"""

#: Prints it after the forward pass of a training step of VGG, and with VGG for inference besides.
TRAINING = """
net, recipe, batch = network("vgg11")
trained = for_training(net, recipe, [mx.cpu()])
with mx.autograd.record():
    trained(batch(64)).wait_to_read()
print(resident())
with for_inference(net, recipe, [mx.cpu()], 60_000, trained) as optimized:
    assert optimized not in (net, trained)
    print(resident())
with for_inference(net, recipe, [mx.cpu()], 1, trained) as same:
    assert same is trained
"""


# What an operating system gets back depends on all that a process has done before, so each has a process of its own.
@pytest.mark.parametrize(
    ("code", "freed"),
    [
        (INFERENCE, 100),  # MiB of about 178, of weights in an order of their own
        (TRAINING, 400),  # of about 550, of the outputs of its layers
    ],
    ids=["inference", "training"],
)
def test_memory_is_given_back(code, freed):
    done = run_process(SET_UP + code)
    assert done.code == 0, done.error
    before, after = map(float, done.out.split())
    assert after < before - freed


def test_names_of_later_networks_stay_the_same():
    net, recipe = compiled("nin", side=96)
    first = mx.gluon.nn.HybridSequential().name
    with for_inference(net, recipe, CPU, MANY):
        second = mx.gluon.nn.HybridSequential().name
    assert int(second[len("hybridsequential") :]) == int(first[len("hybridsequential") :]) + 1


@pytest.mark.parametrize("devices", [[mx.cpu(0), mx.cpu(1)], [mx.gpu()]])
def test_network_itself_on_other_devices(devices):
    net, recipe = compiled("nin", side=96)
    with for_inference(net, recipe, devices, MANY) as same:
        assert same is net


def test_network_itself_where_nothing_would_be_gained():
    """For a few images, if it is not compiled, for NumPy's arrays, and if it is one of one's own."""
    net, recipe = compiled("nin", side=96)
    own = dataclasses.replace(recipe, source="0" * 64)  # its file may have changed, and is not looked at
    plain, active = find_network("nin").build(), find_network("nin").build(hybrid=True)
    for block, of, images in ((net, recipe, 9_756), (plain, recipe, MANY), (active, recipe, MANY), (net, own, MANY)):
        with for_inference(block, of, CPU, images) as same:
            assert same is block
    with for_inference(net, recipe, CPU, 9_757) as optimized:  # as many pixels as 1,792 of 224×224
        assert optimized is not net
    with mx.util.np_array(True), for_inference(net, recipe, CPU, MANY) as same:
        assert same is net


def test_run_and_evaluation_measure_the_trained_network(tmp_path, monkeypatch, sample):
    recipe = {"data": "sample", "train_size": 96, "test_size": 130, "batch_size": 8, "side": 67, "epochs": 2}
    recipe.update(optimizer="adam", lr=0.001, init="own")
    made = []

    @contextlib.contextmanager
    def noting(net, *args):
        with for_inference(net, *args) as optimized:
            assert optimized is not net
            made.append(optimized)
            yield optimized

    monkeypatch.setattr(onednn, "_WORTH_IT", 1)
    monkeypatch.setattr(epochs, "for_inference", noting)
    monkeypatch.setattr(run_module, "for_inference", noting)
    ours, plain = tmp_path / "ours", tmp_path / "plain"
    train(ours, "nin", **recipe)
    evaluated = load_run(ours).evaluate("cpu")
    assert len(made) == 3
    tested = loop.count_correct(load_run(ours).network("cpu"), sample(8, 67, test_size=130)[1], CPU)
    assert evaluated == (tested.accuracy, 130)

    monkeypatch.setattr(epochs, "for_inference", lambda net, *_: contextlib.nullcontext(net))
    train(plain, "nin", **recipe)
    histories = [[(*measures_of(r), r.dead_classes) for r in history_of(run)] for run in (ours, plain)]
    assert histories[0] == histories[1]
    assert all(dead < 10 for *_, dead in histories[0])
    last = [(run / "checkpoint" / "epoch-002" / "net.params").read_bytes() for run in (ours, plain)]
    assert last[0] == last[1]

"""The network for inference: the same logits by the same parameters, for as long as these do not change."""

import contextlib
import gc
import sys

import mxnet as mx
import numpy as np
import psutil
import pytest

from gluon_cnn import cli, evaluate_accuracy, get_recipe, list_models
from gluon_cnn.cli import main
from gluon_cnn.data import SAMPLE, read_fashion_mnist, to_batch
from gluon_cnn.training import Run, inference, initialize_from_seed, read_history
from gluon_cnn.training.inference import for_inference
from gluon_cnn.training.rearranged import for_training

train_module = sys.modules["gluon_cnn.training.train"]  # the package has a function of that name
CPU = [mx.cpu()]
OPTIMIZED = ("alexnet", "nin", "vgg11")
MANY = 60_000  # images, of any size


def compiled(model, **changes):
    """A network whose logits are of the size of a trained one's, and its recipe."""
    recipe = get_recipe(model, init="seed", **changes)
    side = recipe.resize or 28
    net = recipe.network(hybrid=True)
    initialize_from_seed(net, 0, (1, 1, side, side))
    if model != "lenet":
        for name, parameter in net.collect_params().items():
            if name.endswith("weight"):
                parameter.set_data(parameter.data() * 2)
    net.hybridize(static_alloc=True, static_shape=True)
    return net, recipe


def batch(number, recipe, first=0):
    return to_batch(read_fashion_mnist(SAMPLE)[1].images[first : first + number], recipe.resize)


def assert_same(net, optimized, X):
    """To 1e-5 of the largest logit; and what is 0, as of a dead class, is 0."""
    expected, logits = net(X).asnumpy(), optimized(X).asnumpy()
    assert np.abs(logits - expected).max() <= 1e-5 * np.abs(expected).max()
    np.testing.assert_array_equal(logits == 0, expected == 0)
    assert len(X) == 1 or np.ptp(expected, axis=0).max() > 1e-3 * np.abs(expected).max()  # these are different images


@pytest.mark.parametrize("model", list_models())
def test_the_same_logits_of_the_books_images(model):
    net, recipe = compiled(model)
    with for_inference(net, recipe, CPU, MANY) as optimized:
        assert (optimized is not net) == (model in OPTIMIZED)
        assert list(optimized.collect_params().values()) == list(net.collect_params().values())
        for first, number in ((0, 8), (8, 8), (16, 3)):  # the last one shorter
            assert_same(net, optimized, batch(number, recipe, first))


@pytest.mark.parametrize(("model", "changes"), [("nin", {"final_relu": False, "num_mlp_layers": 1}), ("vgg11", {})])
def test_the_same_logits_of_other_images_and_variants(model, changes):
    net, recipe = compiled(model, resize=96, **changes)
    with for_inference(net, recipe, CPU, MANY) as optimized:
        assert_same(net, optimized, batch(64, recipe))


@pytest.mark.parametrize("model", OPTIMIZED)
def test_made_anew_it_has_the_new_weights(model):
    net, recipe = compiled(model, resize=96)
    X, y = batch(8, recipe), mx.nd.arange(8)
    trainer, loss = recipe.trainer(list(net.collect_params().values())), mx.gluon.loss.SoftmaxCrossEntropyLoss()
    with for_inference(net, recipe, CPU, MANY) as optimized:
        before = optimized(X).asnumpy()
    for _ in range(2):
        with mx.autograd.record():
            mean = loss(net(X), y)
        mean.backward()
        trainer.step(len(y))
        with for_inference(net, recipe, CPU, MANY) as optimized:
            assert_same(net, optimized, X)
    assert np.abs(net(X).asnumpy() - before).max() > 1e-3 * np.abs(before).max()


def test_it_gives_its_memory_back():
    """Of AlexNet, in MiB: it has a copy of 178 of weights in an order of its own."""
    net, recipe = compiled("alexnet")
    process = psutil.Process()
    gc.disable()
    try:
        with for_inference(net, recipe, CPU, MANY) as optimized:
            optimized(batch(2, recipe)).wait_to_read()
            during = process.memory_info().rss / 2**20
        assert process.memory_info().rss / 2**20 < during - 100
    finally:
        gc.enable()


def test_the_network_that_was_trained_gives_its_memory_back_meanwhile():
    """Of VGG, in MiB: the outputs of its layers take about 550."""
    net, recipe = compiled("vgg11")
    trained = for_training(net, recipe, CPU)
    process = psutil.Process()
    with mx.autograd.record():
        trained(batch(64, recipe)).wait_to_read()
    before = process.memory_info().rss / 2**20
    with for_inference(net, recipe, CPU, MANY, trained) as optimized:
        assert optimized not in (net, trained)
        assert process.memory_info().rss / 2**20 < before - 400
    with for_inference(net, recipe, CPU, 1, trained) as same:
        assert same is trained


def test_it_takes_no_number_from_the_names_of_networks_made_later():
    net, recipe = compiled("nin", resize=96)
    first = mx.gluon.nn.HybridSequential().name
    with for_inference(net, recipe, CPU, MANY):
        second = mx.gluon.nn.HybridSequential().name
    assert int(second[len("hybridsequential") :]) == int(first[len("hybridsequential") :]) + 1


@pytest.mark.parametrize("devices", [[mx.cpu(0), mx.cpu(1)], [mx.gpu()]])
def test_the_network_itself_on_other_devices(devices):
    net, recipe = compiled("nin", resize=96)
    with for_inference(net, recipe, devices, MANY) as same:
        assert same is net


def test_the_network_itself_for_a_few_images_if_it_is_not_compiled_and_for_numpys_arrays():
    net, recipe = compiled("nin", resize=96)
    for own, images in ((net, 11_150), (recipe.network(), MANY), (recipe.network(hybrid=True), MANY)):
        with for_inference(own, recipe, CPU, images) as same:
            assert same is own
    with for_inference(net, recipe, CPU, 11_151) as optimized:  # as many pixels as 2,048 of 224×224
        assert optimized is not net
    with mx.util.np_array(True), for_inference(net, recipe, CPU, MANY) as same:
        assert same is net


def test_a_run_and_its_evaluation_measure_what_the_network_as_trained_does(tmp_path, monkeypatch, capsys, sample):
    sizes = [
        "--train-size",
        "256",
        "--test-size",
        "130",
        "--batch-size",
        "8",
        "--resize",
        "67",
        "--optimizer",
        "adam",
        "--lr",
        "0.001",
    ]
    command = ["train", "nin", "--data", "sample", "--init", "seed", "--epochs", "2", *sizes, "--quiet", "--out"]
    made = []

    @contextlib.contextmanager
    def noting(net, *args):
        with for_inference(net, *args) as optimized:
            assert optimized is not net
            made.append(optimized)
            yield optimized

    monkeypatch.setattr(inference, "_WORTH_IT", 1)
    monkeypatch.setattr(train_module, "for_inference", noting)
    monkeypatch.setattr(cli, "for_inference", noting)
    ours, plain = tmp_path / "ours", tmp_path / "plain"
    assert main([*command, str(ours)]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(ours)]) == 0
    assert len(made) == 3
    net, _ = Run.open(ours).network(CPU)
    accuracy = evaluate_accuracy(sample(8, 67, test_size=130)[1], net)
    assert f"test accuracy {accuracy:.4f} on 130 test images" in capsys.readouterr().out

    monkeypatch.setattr(train_module, "for_inference", lambda net, *_: contextlib.nullcontext(net))
    assert main([*command, str(plain)]) == 0
    histories = [[r._replace(seconds=0, examples_per_sec=0) for r in read_history(run)] for run in (ours, plain)]
    assert histories[0] == histories[1]
    assert all(r.dead_classes < 10 for r in histories[0])
    last = [(run / "checkpoint" / "epoch-002" / "net.params").read_bytes() for run in (ours, plain)]
    assert last[0] == last[1]

"""The same training in MXNet and in PyTorch, step by step.

GLUON_CNN_TEST_ALL=1 trains every network by both optimisers.
"""

import os

import numpy as np
import pytest
from mxnet import autograd, gluon
from torch_networks import NETWORKS, normalises, pair, parameters, real_batches, side_of, torch

from gluon_cnn import get_recipe

# Adam's update does not depend on the network, AlexNet's padding only on what the first test compares, and ResNet-18's
# steps take as long as all others.
TRAINED = [
    *((name, "sgd") for name in NETWORKS if name not in ("alexnet", "resnet18", "densenet en")),
    *((name, "adam") for name in ("lenet en", "nin")),
]
if os.environ.get("GLUON_CNN_TEST_ALL"):
    TRAINED = [(name, kind) for name in NETWORKS for kind in ("sgd", "adam")]


#: How many layers have a batch normalisation after them, which takes away their bias.
BIASES = {"lenet_bn": 4, "resnet18": 17, "densenet zh-v1": 20, "densenet en": 20}


def relative(ours, theirs):
    """The largest difference between two tensors, relative to the largest number in the second."""
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def moving(changes):
    """The numbers of the tensors that change: a bias before a batch normalisation has no gradient but rounding."""
    sizes = [np.abs(change).max() for change in changes]
    return [number for number, size in enumerate(sizes) if size > 1e-6 * max(sizes)]


@pytest.mark.parametrize("name", NETWORKS)
def test_same_weights_give_same_logits_and_gradients(name):
    dtype, side = "float64" if normalises(name) else "float32", side_of(name, 224)
    net, other = pair(name, side, dtype)
    X, y, X_torch, y_torch = next(real_batches(1, 4, side, dtype))
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    with autograd.record():
        logits = net(X)
        value = loss(logits, y).mean()
    value.backward()
    logits_torch = other(X_torch)
    torch.nn.functional.cross_entropy(logits_torch, y_torch).backward()

    difference = np.abs(logits.asnumpy() - logits_torch.detach().numpy()).max()
    gradients = [(p.grad().asnumpy(), q.grad.numpy()) for p, q in zip(parameters(net), other.parameters())]
    gradients = [relative(*gradients[number]) for number in moving([theirs for _, theirs in gradients])]
    print(f"{name} at {side}: logits {difference:.1e}, gradients {max(gradients):.1e}")
    assert difference < 1e-5
    assert max(gradients) < 1e-4


def optimizers(kind, lr):
    """One recipe for both: MXNet's options, a function that makes PyTorch's optimizer, one to call before step t.

    MXNet keeps the learning rate and Adam's constants in float32, even where it computes in float64, so PyTorch gets
    the same values. MXNet adds epsilon to the root of the second moment before it corrects the bias. PyTorch adds it
    afterwards, where it has to be larger.
    """
    lr = float(np.float32(lr))
    if kind == "sgd":
        return (
            {"learning_rate": lr},
            lambda weights: torch.optim.SGD(weights, lr, fused=True),
            lambda optimizer, t: None,
        )
    beta1, beta2, epsilon = (float(np.float32(value)) for value in (0.9, 0.999, 1e-8))

    def before_step(optimizer, t):
        optimizer.param_groups[0]["eps"] = epsilon / (1 - beta2**t) ** 0.5

    options = {"learning_rate": lr, "beta1": beta1, "beta2": beta2, "epsilon": epsilon}
    return options, lambda weights: torch.optim.Adam(weights, lr, betas=(beta1, beta2), fused=True), before_step


@pytest.mark.parametrize(("name", "kind"), TRAINED)
def test_ten_steps_end_in_the_same_weights(name, kind):
    # In float64, except for LeNet: with ReLUs and biases of 0, as the recipe begins, float32's rounding decides whether
    # the black background of an image passes a ReLU. Then even PyTorch with one thread differs from itself with two.
    dtype, side = "float32" if name in ("lenet zh-v1", "lenet en", "googlenet") else "float64", side_of(name)
    net, other = pair(name, side, dtype)
    recipe = get_recipe(name.split()[0], "adam" if kind == "adam" else "zh-v1")
    options, make_optimizer, before_step = optimizers(kind, recipe.lr)
    trainer, optimizer = gluon.Trainer(parameters(net), kind, options), make_optimizer(other.parameters())
    before = [p.data().asnumpy() for p in parameters(net)]
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    size = 8 if normalises(name) else 2
    for t, (X, y, X_torch, y_torch) in enumerate(real_batches(10, size, side, dtype), 1):
        with autograd.record():
            value = loss(net(X), y)
        value.backward()
        trainer.step(len(y))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(other(X_torch), y_torch).backward()
        before_step(optimizer, t)
        optimizer.step()

    weights = [(p.data().asnumpy(), q.detach().numpy()) for p, q in zip(parameters(net), other.parameters())]
    changes = [ours - old for (ours, _), old in zip(weights, before)]
    moved = moving(changes)
    still = set(range(len(weights))) - set(moved)
    assert {parameters(net)[number].name.rpartition("_")[2] for number in still} <= {"bias"}
    assert len(still) == (0 if kind == "adam" else BIASES.get(name, 0))
    weights = [weights[number] for number in moved]
    largest = max(np.abs(ours - theirs).max() for ours, theirs in weights)
    share = max(relative(ours, theirs) for ours, theirs in weights)
    moved = min(np.abs(changes[number]).max() for number in moved)
    print(f"{name} at {side}, {kind}, {dtype}: weights {largest:.1e}, relative {share:.1e}; moved {moved:.1e} or more")
    assert t == 10
    assert share < 1e-4
    assert largest < 1e-2 * moved

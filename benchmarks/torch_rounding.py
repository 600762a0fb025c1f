"""How far float32 carries two trainings apart that differ in rounding alone: ten steps, at 96 pixels, without dropout.

    python benchmarks/torch_rounding.py --models nin alexnet vgg11

Prints the largest difference of a weight between this package and PyTorch, and between PyTorch with one thread and with
two, which add up in another order. In float64 both agree; see tests/interop/test_torch_parity.py.
"""

import copy

import arguments
import torch
from torch.nn.functional import cross_entropy

import gluon_cnn  # before mxnet, which it makes ready

# isort: split
import mxnet as mx
from mxnet.gluon import nn

from gluon_cnn.data import FASHION_MNIST, SAMPLE
from gluon_cnn.interop.torch import to_torch, torch_network
from gluon_cnn.models.sequential import layers_of
from gluon_cnn.training.initial_weights import initialize_from_seed
from gluon_cnn.training.loop import train_epoch
from gluon_cnn.training.metrics import Sums
from gluon_cnn.training.setup import build_network, make_trainer

SIDE, BATCH, STEPS = 96, 4, 10


def main():
    parser = arguments.parser(__doc__)
    parser.add_argument("--models", nargs="+", default=["nin", "alexnet", "vgg11"])
    args = parser.parse_args()
    print("| network | optimizer | this package and PyTorch | PyTorch with 1 thread and 2 |\n| --- | --- | --- | --- |")
    for model in args.models:
        for edition in ("zh-v1", "adam"):
            recipe = gluon_cnn.get_recipe(model, edition, init="own")
            ours, *theirs = trained(recipe)
            row = [f"{difference(ours, theirs[1]):.0e}", f"{difference(*theirs):.0e}"]
            print(f"| {model} | {recipe.optimizer} at {recipe.lr:g} | {' | '.join(row)} |", flush=True)


def trained(recipe):
    """The weights after the steps: ours, and PyTorch's with one thread and with two."""
    net = build_network(recipe, FASHION_MNIST, hybrid=True)
    for layer in layers_of(net):
        if isinstance(layer, nn.Dropout):
            layer._rate = 0.0
    initialize_from_seed(net, 0, (1, 1, SIDE, SIDE))
    start = torch_network(net)
    options = {"root": SAMPLE, "train_size": STEPS * BATCH, "seed": 0}
    batches = list(gluon_cnn.load_data_fashion_mnist(BATCH, SIDE, **options)[0])
    train_epoch(net, batches, make_trainer(net, recipe), [mx.cpu()], Sums(), after_step=bool)
    return [to_torch(net), *(trained_in_torch(copy.deepcopy(start), recipe, batches, threads) for threads in (1, 2))]


def trained_in_torch(net, recipe, batches, threads):
    torch.set_num_threads(threads)
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[recipe.optimizer]
    optimizer = kind(net.parameters(), lr=recipe.lr)
    for t, (X, y) in enumerate(batches, 1):
        if recipe.optimizer == "adam":  # MXNet adds its epsilon, 1e-8, before a bias is corrected
            optimizer.param_groups[0]["eps"] = 1e-8 / (1 - 0.999**t) ** 0.5
        optimizer.zero_grad()
        cross_entropy(net(torch.from_numpy(X.asnumpy())), torch.from_numpy(y.asnumpy()).long()).backward()
        optimizer.step()
    return net.state_dict()


def difference(ours, theirs):
    return max((ours[name] - theirs[name]).abs().max().item() for name in theirs)


if __name__ == "__main__":
    main()

"""Endless training steps of a network by its recipe, as the command line takes them, to measure within a process."""

import functools
import itertools
from typing import Any, Callable, Iterator, NamedTuple

from gluon_cnn import _runtime, get_recipe
from gluon_cnn.device import parse_context
from gluon_cnn.models.sequential import layers_of
from gluon_cnn.seeding import seed_mxnet
from gluon_cnn.training.initial_weights import initialize_from_seed
from gluon_cnn.training.loop import train_steps
from gluon_cnn.training.metrics import Sums
from gluon_cnn.training.rearranged import for_training
from gluon_cnn.training.train import load_data

# isort: split
from mxnet.gluon import nn


class Training(NamedTuple):
    """What takes part, and ``take(number)``, which takes so many steps and waits for them."""

    recipe: Any
    net: Any
    trainer: Any
    batches: Iterator
    take: Callable


def training(model, **changes):
    devices = parse_context("auto")
    recipe = get_recipe(model, init="seed", **changes)
    side = recipe.resize or 28
    net = recipe.network(hybrid=True)
    initialize_from_seed(net, 0, (1, 1, side, side), ctx=devices)
    _runtime.set_threads(_runtime.threads())
    net.hybridize(static_alloc=True, static_shape=True)
    trainer = recipe.trainer(list(net.collect_params().values()))
    train_iter, _ = load_data(recipe, None, devices[0])
    forever = itertools.chain.from_iterable(train_iter for _ in itertools.count())
    batches = (batch for batch in forever if len(batch[1]) == recipe.batch_size)
    net = for_training(net, recipe, devices)
    draws = any(isinstance(layer, nn.Dropout) for layer in layers_of(net))
    sums = Sums()
    before_step = functools.partial(seed_mxnet, recipe.seed, 0) if draws else None
    steps = train_steps(net, batches, trainer, devices, sums, before_step=before_step)

    def take(number):
        for _ in range(number):
            next(steps)
        sums.read()

    return Training(recipe, net, trainer, batches, take)

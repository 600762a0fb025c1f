"""From a recipe to everything that its training needs: data, network, initial weights, trainer."""

import contextlib
import dataclasses
import io
import logging
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

from mxnet import gluon
from mxnet.gluon import nn

from gluon_cnn.data import DATA_SETS, DatasetInfo
from gluon_cnn.data.batches import Batches, first_of, make_batches
from gluon_cnn.data.held_images import spendable
from gluon_cnn.data.inputs import Inputs
from gluon_cnn.data.moments import Moments, mean_and_deviation
from gluon_cnn.errors import GluonCNNError, ModelError, SettingError
from gluon_cnn.models import find_network
from gluon_cnn.models.sequential import layers_of
from gluon_cnn.models.summary import summary
from gluon_cnn.training import mixed_precision
from gluon_cnn.training.freezing import freeze_layers
from gluon_cnn.training.initial_weights import forward_zeros, initialize_as_published, initialize_from_seed
from gluon_cnn.training.onednn import for_training
from gluon_cnn.training.recipes import check_recipe, network_options
from gluon_cnn.training.schedule import learning_rates

__all__ = ["Data", "Setup", "build_network", "initialize", "load_data", "make_trainer", "set_up"]


class Data(NamedTuple):
    """What a run is trained and tested on: batches, and what they are made of, see
    :class:`gluon_cnn.data.Dataset`."""

    info: DatasetInfo
    train: Batches
    test: Batches
    notes: Tuple[str, ...] = ()
    left_out: str = ""
    files: Optional[Dict[str, str]] = None
    stored: Tuple[str, ...] = ()


class Setup(NamedTuple):
    """What takes part in a training.

    Attributes
    ----------
    data : Data
    net : Block
        Has its initial weights. This one is saved.
    training_net : Block
        The one to train: ``net``, or a network of the same parameters that oneDNN trains faster.
    trainer : gluon.Trainer
    rates : callable or None
        Gives the learning rate of a step by its number in the run, from 1, and the history before its epoch; None if it
        does not change.
    draws : bool
        Whether a training step draws random numbers on the device.
    """

    data: Data
    net: Any
    training_net: Any
    trainer: gluon.Trainer
    rates: Optional[Callable]
    draws: bool


def load_data(recipe, data_dir, device, job=None, *, trained_on=None, memory=None, check=None):
    """The :class:`Data` of a recipe, on a device; in a job of several workers, this worker's part.

    Where a network is only tested, ``trained_on`` is the DatasetInfo of its run, whose mean and deviation are used.
    ``memory`` is what pictures from files may take, see :func:`gluon_cnn.data.held_images.hold`, and ``check`` is as
    for :class:`gluon_cnn.data.dataset.DataSource`.

    Raises
    ------
    DataError, SettingError
        If the data cannot be read, or are not what the recipe needs.
    """
    if memory is None and recipe.workers > 1:  # which may all be on this machine
        memory = spendable() // recipe.workers
    dataset = DATA_SETS[recipe.data].read(data_dir, recipe, memory, check)
    sizes = {"train_size": recipe.train_size, "test_size": recipe.test_size}
    train = first_of(dataset.train, "train_size", recipe.train_size)
    moments = Moments(train.images, len(train.labels))
    dataset = dataset._replace(info=_as_taken(dataset.info, recipe, moments, trained_on))
    inputs = Inputs(dataset.info, recipe.side)

    def batches(part):
        options = {"augment": recipe.augment, "seed": recipe.seed, "ctx": device, "part": part, "moments": moments}
        return make_batches(dataset, recipe.batch_size, inputs.resize, crop=inputs.crop, **sizes, **options)

    train, test = batches((job.rank, job.workers) if job else (0, 1))
    if job and not job.synchronous:  # its workers do not hear of each other's answers
        test = batches((0, 1))[1]
    return Data(dataset.info, train, test, dataset.notes, dataset.left_out, dataset.files, dataset.stored)


def _as_taken(info, recipe, moments, trained_on):
    """A DatasetInfo with what its images become before a network takes them."""
    if recipe.short_side not in (None, info.side):
        raise SettingError(
            f"short_side is {recipe.short_side}, but the images of {info.name} are {info.side}×{info.side}: leave it "
            "out.",
            "short_side",
        )
    if trained_on is not None:
        mean, deviation = trained_on.mean, trained_on.deviation
    else:
        mean, deviation = mean_and_deviation(recipe.normalize, info, moments)
    return dataclasses.replace(info, mean=mean, deviation=deviation, cropped=recipe.short_side is not None)


def build_network(recipe, dataset, hybrid=False):
    """The recipe's network for the classes of a DatasetInfo, not initialised."""
    network, options = find_network(recipe.model), network_options(recipe)
    classes = len(dataset.classes)
    if options.get("num_classes", classes) < classes:
        raise SettingError(
            f"num_classes is {options['num_classes']}, but {dataset.name} has {classes} classes: leave it out.",
            "num_classes",
        )
    if "num_classes" in network.defaults:
        options = {"num_classes": classes, **options}
    if "image_channels" in (network.build.__kwdefaults__ or {}):
        options["image_channels"] = dataset.channels
    return network.build(hybrid=hybrid, **options)


def set_up(recipe, devices, data, *, hybrid=True, kvstore="device"):
    """Make everything that a training of a recipe needs.

    Parameters
    ----------
    recipe : Recipe
    devices : list of mx.Context
    data : Data
    hybrid : bool
        Whether the network is compiled.
    kvstore : str or mx.kv.KVStore

    Returns
    -------
    Setup

    Raises
    ------
    SettingError, ModelError
        If the recipe cannot be trained with these.
    """
    check_recipe(recipe)
    synchronous = getattr(kvstore, "type", kvstore) != "dist_async"
    mixed_precision.begin(recipe.amp, devices, synchronous)
    rates = learning_rates(recipe, len(data.train))
    if rates and not synchronous:
        raise SettingError(
            "lr_schedule and warmup_epochs change the learning rate from step to step, but the servers of dist_async "
            "are told it only once: leave them out, or use dist_sync.",
            "lr_schedule",
            "kvstore",
        )
    if recipe.taken_lr != 1 and not synchronous:
        raise SettingError(
            f"taken_lr is {recipe.taken_lr:g}, but the servers of dist_async have one learning rate: leave it out, or "
            "use dist_sync.",
            "taken_lr",
            "kvstore",
        )
    net = build_network(recipe, data.info, hybrid)
    initialize(net, recipe, data.info, devices)
    if recipe.freeze:
        freeze_layers(net, recipe.freeze.split(","), recipe.name)
    trainer = make_trainer(net, recipe, kvstore)
    if hybrid and isinstance(net, gluon.HybridBlock):
        net.hybridize(static_alloc=True, static_shape=True)
    draws = recipe.optimizer == "sgld" or any(isinstance(layer, nn.Dropout) for layer in layers_of(net))
    draws = draws or recipe.source is not None  # nobody knows what a network of your own draws
    return Setup(data, net, for_training(net, recipe, devices), trainer, rates, draws)


def initialize(net, recipe, dataset, devices):
    """Give a network the weights that its recipe begins from."""
    if recipe.init == "published":
        initialize_as_published(net, recipe.edition, ctx=devices)
        return
    shape = (1, dataset.channels, recipe.side, recipe.side)
    if ":" in recipe.model and not recipe.source:
        summary(net, shape)  # says whether a zoo's network takes images of this size; ours say it themselves
    if not recipe.source:
        initialize_from_seed(net, recipe.seed, shape, ctx=devices)
        return
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):  # MXNet prints the shapes that do not fit
            initialize_from_seed(net, recipe.seed, shape, ctx=devices)
            output = forward_zeros(net, shape, devices)
            given = output.shape  # which also waits for what the output is made of
            output.wait_to_read()
        print(printed.getvalue(), end="")  # by the network itself
    except GluonCNNError:
        raise
    except Exception as error:  # whatever somebody's network can raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1].strip().rstrip(".")
        size = "×".join(map(str, shape))
        raise ModelError(f"{recipe.name} fails for a batch of {size} ({reason}): correct it.", "side") from error
    _refuse_unfit(net, recipe, given, dataset)


def _refuse_unfit(net, recipe, given, dataset):
    """ModelError if a network of your own gives something else than logits, or has nothing to train."""
    classes = len(dataset.classes)
    if len(given) != 2 or given[1] < classes:
        found = "×".join(map(str, given))
        raise ModelError(
            f"{recipe.name} gives {found} numbers for one image, and {dataset.name} has {classes} classes: let it give "
            f"1×{classes}.",
            "model",
        )
    if all(parameter.grad_req == "null" for parameter in net.collect_params().values()):
        raise ModelError(f"{recipe.name} has no parameter to train: give it a layer that has.", "model")


def make_trainer(net, recipe, kvstore="device"):
    """The recipe's ``gluon.Trainer`` of a network, on a kvstore or the name of one."""
    options = {"learning_rate": recipe.lr}
    if recipe.momentum:
        options["momentum"] = recipe.momentum
    if recipe.clip_gradient is not None:
        options["clip_gradient"] = recipe.clip_gradient
    if recipe.weight_decay:
        options["wd"] = recipe.weight_decay
    # As a list, in the order of the layers: a dictionary would be sorted by names that count all layers of the process
    # (conv9, conv10), and a checkpoint's states would fit the wrong parameters.
    parameters = list(net.collect_params().values())
    # Where servers only add up, every worker has an optimizer of its own, whose state can be saved. And in mixed
    # precision it is the trainer that leaves out a step whose gradients overflow.
    update_on_kvstore = False if recipe.amp or getattr(kvstore, "type", kvstore) == "dist_sync" else None
    # lbsgd logs that it begins. Where the root logger has no handler, Python would then give it one, which prints the
    # whole run a second time.
    root, nowhere = logging.getLogger(), logging.NullHandler()
    root.addHandler(nowhere)
    try:
        return gluon.Trainer(
            parameters, recipe.optimizer, options, kvstore=kvstore, update_on_kvstore=update_on_kvstore
        )
    finally:
        root.removeHandler(nowhere)

"""Everything that decides a run's result, and the book's recipes as a table."""

import dataclasses
import inspect
from typing import Optional

import mxnet as mx
from mxnet import gluon

from gluon_cnn.checks import choice, positive, whole_number
from gluon_cnn.data.fashion_mnist import SIDE
from gluon_cnn.errors import SettingError
from gluon_cnn.models import canonical_name, get_model
from gluon_cnn.models.zoo import side_of
from gluon_cnn.training.schedule import SCHEDULES, learning_rates

__all__ = ["EDITIONS", "PUBLISHED_EDITIONS", "QUICK_SIZE", "RECIPES", "Recipe", "get_recipe", "quick_changes"]

#: Editions whose notebooks began from weights that can be drawn again.
PUBLISHED_EDITIONS = ("zh-v1", "en")
#: Height and width at which ``--quick`` trains the networks that the book trains at 224.
QUICK_SIZE = 96


#: Every optimiser that MXNet knows, but its test's and the one for sparse gradients only.
OPTIMIZERS = sorted(set(mx.optimizer.Optimizer.opt_registry) - {"test", "groupadagrad"})


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a run computes; two runs of the same recipe on one device, or on two workers with one each, end in the same
    bits. Of three workers or more the servers add the gradients in the order in which they come.

    Attributes
    ----------
    model : str
        A name that :func:`gluon_cnn.get_model` knows.
    edition : {"zh-v1", "en", "adam", None}
        The book's first Chinese edition, its English one, or the recipe of its PyTorch notes; None for the networks
        of a model zoo, which are not the book's.
    epochs, batch_size : int
    lr : float
        Learning rate.
    resize : int or None
        Height and width of the images in pixels; None for the 28 that they have.
    optimizer : str
        A name that MXNet knows, with its defaults.
    init : {"book", "seed"}
        Initial weights: those of the published runs, or drawn from ``seed``.
    seed : int
        Decides the order of the data, dropout, augmentation, and the weights of ``init="seed"``.
    data : {"full", "sample"}
    train_size, test_size : int or None
        Only the first images of each part.
    augment : bool
    momentum : float
        Of an optimiser that has one, from 0 to below 1.
    clip_gradient : float or None
        Bring every number of the gradient, after its division by the batch's size, into ±clip_gradient.
    final_relu : bool
        False leaves out NiN's last ReLU, so that no class can die; see :func:`gluon_cnn.nin`.
    num_mlp_layers : int
        1×1 convolutions in each block of NiN; the book's exercise asks what happens with one.
    lr_schedule : {"step", "cosine", "poly", None}
    warmup_epochs : int
        How the learning rate changes from step to step, see :func:`gluon_cnn.training.schedule.learning_rates`.
    workers : int
        Processes that train together, each with batches of ``batch_size``; see :class:`gluon_cnn.training.job.Job`.
    amp : bool
        Mixed precision, on GPUs only; see :mod:`gluon_cnn.training.mixed_precision`.

    Raises
    ------
    SettingError, ModelError
        If a value is not one the setting can have.
    """

    model: str
    edition: Optional[str]
    epochs: int
    batch_size: int
    lr: float
    resize: Optional[int]
    optimizer: str = "sgd"
    init: str = "book"
    seed: int = 0
    data: str = "full"
    train_size: Optional[int] = None
    test_size: Optional[int] = None
    augment: bool = False
    momentum: float = 0.0
    clip_gradient: Optional[float] = None
    final_relu: bool = True
    num_mlp_layers: int = 2
    workers: int = 1
    lr_schedule: Optional[str] = None
    warmup_epochs: int = 0
    amp: bool = False

    def __post_init__(self):
        object.__setattr__(self, "model", canonical_name(self.model))  # the dataclass is frozen
        if ":" not in self.model:
            choice("edition", self.edition, EDITIONS)
        elif self.edition is not None:
            raise SettingError(f"edition is {self.edition!r}, but {self.model} is not of the book: leave it out.")
        for name in ("epochs", "batch_size"):
            whole_number(name, getattr(self, name))
        for name in ("resize", "train_size", "test_size"):
            if getattr(self, name) is not None:
                whole_number(name, getattr(self, name))
        whole_number("seed", self.seed, smallest=0)
        whole_number("num_mlp_layers", self.num_mlp_layers)
        if whole_number("workers", self.workers) > 1 and self.optimizer == "sgld":
            raise SettingError("sgld adds noise to the parameters, which several workers would each draw: use one.")
        positive("lr", self.lr)
        if self.clip_gradient is not None:
            positive("clip_gradient", self.clip_gradient)
        if self.momentum != 0 and not positive("momentum", self.momentum) < 1:
            raise SettingError(f"momentum is {self.momentum}; it must be below 1.")
        if self.momentum and "momentum" not in _options_of(self.optimizer):
            raise SettingError(f"momentum is {self.momentum}, but {self.optimizer} has none: leave it out.")
        choice("optimizer", self.optimizer, OPTIMIZERS)
        choice("data", self.data, ("full", "sample"))
        choice("init", self.init, ("book", "seed"))
        if self.init == "book" and self.edition not in PUBLISHED_EDITIONS:
            whose = f"edition {self.edition}" if self.edition else self.model
            raise SettingError(f"init is 'book', but no run of {whose} was published: use 'seed'.")
        if self.init == "book" and self.resize != _NETWORKS[self.model].resize:
            raise SettingError(
                f"init is 'book', but the published {self.model} was trained at {_NETWORKS[self.model].resize or 28} "
                f"pixels, not at {self.resize or 28}: use 'seed'."
            )
        if self.lr_schedule is not None:
            choice("lr_schedule", self.lr_schedule, SCHEDULES)
        if whole_number("warmup_epochs", self.warmup_epochs, smallest=0) >= self.epochs:
            raise SettingError(
                f"warmup_epochs is {self.warmup_epochs}; it must be less than the {self.epochs} epochs of the run."
            )
        for name in ("final_relu", "num_mlp_layers"):
            if self.model != "nin" and getattr(self, name) != getattr(type(self), name):
                raise SettingError(f"{name} is a setting of nin, and {self.model} has none: leave it out.")
        if self.init == "book" and self.num_mlp_layers != type(self).num_mlp_layers:
            raise SettingError(
                f"init is 'book', but no NiN with num_mlp_layers {self.num_mlp_layers} was published: use 'seed'."
            )

    @property
    def nominal_step(self):
        """Whether the last, shorter batch is stepped by the nominal batch size, as in zh-v1."""
        return self.edition == "zh-v1"

    def network(self, hybrid=False):
        """The recipe's network, not initialised."""
        options = dict(_NETWORKS[self.model].options) if self.model in _NETWORKS else {}
        if self.model == "lenet":
            options["edition"] = "zh-v1" if self.edition == "zh-v1" else "en"
        if self.model == "nin":
            options.update(final_relu=self.final_relu, num_mlp_layers=self.num_mlp_layers)
        return get_model(self.model, hybrid=hybrid, **options)

    def learning_rates(self, steps_per_epoch):
        """What gives the learning rate of a step, by its number in the run from 1; None if it is ``lr`` always."""
        if self.lr_schedule is None and not self.warmup_epochs:
            return None
        return learning_rates(self.lr_schedule, self.lr, self.epochs, self.warmup_epochs, steps_per_epoch)

    def trainer(self, parameters, kvstore="device"):
        """The recipe's ``gluon.Trainer`` of a list of parameters, on a kvstore or the name of one."""
        options = {"learning_rate": self.lr}
        if self.momentum:
            options["momentum"] = self.momentum
        if self.clip_gradient is not None:
            options["clip_gradient"] = self.clip_gradient
        # Servers that only add up leave every worker with an optimizer of its own, whose state can be saved. And it is
        # the trainer that leaves out a step whose gradients overflow in mixed precision.
        update_on_kvstore = False if self.amp or getattr(kvstore, "type", kvstore) == "dist_sync" else None
        return gluon.Trainer(parameters, self.optimizer, options, kvstore=kvstore, update_on_kvstore=update_on_kvstore)


@dataclasses.dataclass(frozen=True)
class _Network:
    batch_size: int
    resize: Optional[int]
    lr: float
    options: tuple = ()


# The same in every edition; the sources are those of the published runs.
_NETWORKS = {
    "lenet": _Network(256, None, 0.9),
    "alexnet": _Network(128, 224, 0.01),
    "vgg11": _Network(128, 224, 0.05, options=(("ratio", 4),)),
    "nin": _Network(128, 224, 0.1),
}
# edition: what it changes
EDITIONS = {
    "zh-v1": {"epochs": 5},
    "en": {"epochs": 10},
    "adam": {"epochs": 5, "optimizer": "adam", "lr": 0.001, "batch_size": 128, "init": "seed"},
}

#: (edition, model): Recipe
RECIPES = {
    (edition, model): Recipe(
        model,
        edition,
        **{"batch_size": network.batch_size, "resize": network.resize, "lr": network.lr, **changes},
    )
    for edition, changes in EDITIONS.items()
    for model, network in _NETWORKS.items()
}


def _options_of(optimizer):
    return inspect.signature(mx.optimizer.Optimizer.opt_registry[optimizer].__init__).parameters


def get_recipe(model, edition=None, **changes):
    """The book's recipe for a network, with changes; that of ``zh-v1``, unless an edition is named.

    For a network of a model zoo, such as ``gluoncv:cifar_resnet20_v1``: five epochs of SGD at a learning rate of 0.1 in
    batches of 128, at 32 pixels if its name begins with ``cifar_``, at 299 if it is Inception, else at 224.

    Without a word on ``init``, a recipe begins from the published weights wherever the edition was
    published and the images and the network have the size it was published at.

    Raises
    ------
    SettingError, ModelError
        For an unknown model or edition, or a change to a value the setting cannot have.
    """
    name = canonical_name(model)
    if name in _NETWORKS:
        recipe = RECIPES[choice("edition", "zh-v1" if edition is None else edition, EDITIONS), name]
    else:
        recipe = Recipe(name, edition, epochs=5, batch_size=128, lr=0.1, resize=side_of(name), init="seed")
    if recipe.resize is None and changes.get("resize") == SIDE:
        del changes["resize"]  # the size that the images have
    if any(changes.get(name, getattr(recipe, name)) != getattr(recipe, name) for name in ("resize", "num_mlp_layers")):
        changes.setdefault("init", "seed")
    return dataclasses.replace(recipe, **changes)


def quick_changes(model):
    """What makes a recipe one for a machine without a GPU: one epoch, and for the book's networks at most 96×96 pixels;
    some of a model zoo's take their own size only."""
    name = canonical_name(model)
    resized = name in _NETWORKS and _NETWORKS[name].resize is not None
    return {"epochs": 1, **({"resize": QUICK_SIZE} if resized else {})}

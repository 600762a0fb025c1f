"""What a run computes, as values: the recipe, and what the editions of the book change in it.

Nothing here builds anything. :func:`gluon_cnn.get_recipe` gives the book's recipe of a network.
"""

import dataclasses
import typing
from pathlib import Path
from typing import Optional, Union

from gluon_cnn.checks import brief, choice, number, plain, whole_number
from gluon_cnn.errors import SettingError
from gluon_cnn.image_settings import AUGMENTATIONS, check_augment, check_normalize

__all__ = [
    "CHANGEABLE",
    "EDITIONS",
    "INITS",
    "PATIENCE",
    "PUBLISHED_EDITIONS",
    "SCHEDULES",
    "Edition",
    "Recipe",
    "as_options",
    "as_paths",
    "difference_in_words",
    "in_words",
    "shown",
]

#: Where the initial weights come from: those of the published runs, or own ones drawn from the seed.
INITS = ("published", "own")
SCHEDULES = ("step", "cosine", "poly", "plateau")
#: Epochs without a better test accuracy after which ``plateau`` takes a tenth of the learning rate.
PATIENCE = 5


@dataclasses.dataclass(frozen=True)
class Edition:
    """What an edition of the book decides for all of its networks.

    Attributes
    ----------
    epochs : int
    lenet_padding, lenet_pooling : int, {"max", "avg"}
        Pixels around LeNet's first convolution, and how LeNet pools.
    revised : bool
        Whether its GoogLeNet and DenseNet are those of the notebooks since April 2019: with ReLUs after GoogLeNet's
        second and third convolution, and a DenseNet that counts only the channels that a transition leaves.
    published : bool
        Whether its notebooks' results were published, so that runs can be compared with them, from the same weights.
    numpy_arrays : bool
        Whether its notebooks call ``npx.set_np()``, with which MXNet draws random numbers by other operators.
    nominal_step : bool
        Whether the last, shorter batch of an epoch is stepped by the nominal batch size.
    publishes_seconds : bool
        Whether its notebooks print the seconds of an epoch; otherwise they print images a second.
    optimizer : str
    batch_size, lr : int, float, optional
        In place of those of the network.
    """

    epochs: int
    lenet_padding: int
    lenet_pooling: str
    revised: bool = True
    published: bool = True
    numpy_arrays: bool = False
    nominal_step: bool = False
    publishes_seconds: bool = False
    optimizer: str = "sgd"
    batch_size: Optional[int] = None
    lr: Optional[float] = None


#: The editions by name: the first Chinese one, the English one, and the recipe of the notes that train by Adam.
EDITIONS = {
    "zh-v1": Edition(5, lenet_padding=0, lenet_pooling="max", revised=False, nominal_step=True, publishes_seconds=True),
    "en": Edition(10, lenet_padding=2, lenet_pooling="avg", numpy_arrays=True),
    "adam": Edition(
        5, lenet_padding=2, lenet_pooling="avg", published=False, optimizer="adam", batch_size=128, lr=0.001
    ),
}
#: Those whose published runs began from weights that can be drawn again.
PUBLISHED_EDITIONS = tuple(name for name, edition in EDITIONS.items() if edition.published)


def _setting(default=dataclasses.MISSING, *, help, words=None):
    return dataclasses.field(default=default, metadata={"help": help, "words": words})


def _text(name, value):
    if not isinstance(value, str):
        raise SettingError(f"{name} is {brief(value)}; it must be text.", name)
    return str(value)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a run computes. Two runs of the same recipe on one device, or on two workers with one device each, end in
    the same bits. With three workers or more, the servers add the gradients in the order in which they arrive.

    Raises
    ------
    SettingError
        If a value is not one that the setting can have.
    """

    model: str = _setting(help="name of the network, as for gluon_cnn.get_model")
    edition: Optional[str] = _setting(help=f"{', '.join(EDITIONS)}; none for networks that are not the book's")
    epochs: int = _setting(help="number of epochs", words="{} epochs")
    batch_size: int = _setting(
        help="images in a batch, on each worker (default: the network's own, or less on few pictures of your own)",
        words="batches of {}",
    )
    lr: float = _setting(
        help="learning rate (default: the network's own; for SGD on your own pictures less with a smaller batch)"
    )
    side: int = _setting(help="height and width of the images in pixels", words="{} pixels")
    optimizer: str = _setting("sgd", help="any that MXNet knows, such as sgd, nag, adam")
    init: str = _setting("published", help="initial weights: those of the published runs, or own ones from the seed")
    seed: int = _setting(0, help="decides the order of the images, dropout, augmentation and own initial weights")
    data: str = _setting("full", help="the data set, a name in gluon_cnn.data.DATA_SETS", words="{} data")
    test_share: float = _setting(0.2, help="share of each class for the test, in a folder without a test part")
    image_channels: Optional[int] = _setting(
        None, help="1 for grey, 3 for colour (default: as the pictures are)", words="{} channels"
    )
    short_side: Optional[int] = _setting(
        None, help="height and width of pictures from files before they are cropped (default: side)"
    )
    release: Optional[str] = _setting(
        None,
        help="first or second release of Fashion-MNIST (default: the one that is there; where both are, the first for "
        "the book's recipes, as the published runs had it, else the second)",
        words="the {} release",
    )
    train_size: Optional[int] = _setting(None, help="use only so many training images", words="{} training images")
    test_size: Optional[int] = _setting(None, help="use only so many test images", words="{} test images")
    augment: Union[bool, str] = _setting(
        False, help=f"change training images at random: any of {', '.join(AUGMENTATIONS)}, or on for crop,mirror,light"
    )
    normalize: str = _setting(
        "off",
        help="off; measured (minus the training images' mean, by deviation); mean (minus the mean, in grey levels "
        "of 0 to 255); or numbers such as 0.5,0.25: the mean of all or of red, green and blue, then the deviation",
    )
    momentum: float = _setting(0.0, help="momentum of sgd, nag and others that have one, from 0 to below 1")
    clip_gradient: Optional[float] = _setting(None, help="clip each number of the mean gradient to ±X")
    workers: int = _setting(1, help="processes that train together", words="{} workers")
    weight_decay: float = _setting(0.0, help="each step takes lr·X of every weight, biases included, from 0 to below 1")
    lr_schedule: Optional[str] = _setting(
        None,
        help="step (a tenth after 1/2 and again after 3/4 of the run), cosine or poly (down to 0), plateau (a tenth "
        f"after {PATIENCE} epochs without a better test accuracy)",
    )
    warmup_epochs: int = _setting(0, help="epochs in which the learning rate grows from 0", words="{} warmup epochs")
    amp: bool = _setting(False, help="mixed precision, on GPUs only")
    options: dict = dataclasses.field(default_factory=dict, metadata={"help": "the network's own options"})
    source: Optional[str] = _setting(None, help="SHA-256 of the file that defines a network of your own")
    weights: Optional[str] = _setting(
        None, help="SHA-256 of the weights that the run begins from", words="begun from other weights"
    )
    freeze: Optional[str] = _setting(
        None, help="paths of layers that stay as they are, with commas in between, such as 0,1.2", words="{} frozen"
    )
    taken_lr: float = _setting(1.0, help="factor on the learning rate of the weights that were taken from elsewhere")

    def __post_init__(self):
        self._check_values()
        if self.workers > 1 and self.optimizer == "sgld":
            raise SettingError(
                "optimizer is sgld, which adds noise of its own on each worker: use one worker.", "optimizer"
            )
        if self.init == "published" and self.edition not in PUBLISHED_EDITIONS:
            whose = f"edition {self.edition}" if self.edition else self.model
            raise SettingError(f"init is 'published', but no run of {whose} was published: use 'own'.", "init")
        if self.short_side is not None and self.side > self.short_side:
            raise SettingError(
                f"side is {self.side}, and cannot be cut out of a short_side of {self.short_side}: use a smaller side.",
                "side",
                "short_side",
            )
        if self.init == "published" and self.weights is not None:
            raise SettingError("init is 'published', but the run begins from other weights: use 'own'.", "init")
        if self.taken_lr != 1 and self.weights is None:
            raise SettingError(
                f"taken_lr is {self.taken_lr:g}, but the run begins from no other weights: leave it out, or name some.",
                "taken_lr",
                "weights_from",
            )
        if self.warmup_epochs >= self.epochs:
            raise SettingError(
                f"warmup_epochs is {self.warmup_epochs}; it must be less than the epochs of the run, {self.epochs}.",
                "warmup_epochs",
            )

    def _check_values(self):
        """Check each setting by itself, and keep its value as JSON gives it back: NumPy's 3 as Python's, say."""
        checks = {
            **dict.fromkeys(("model", "optimizer", "data", "release", "source", "weights"), _text),
            "freeze": lambda name, value: as_paths(value),
            **dict.fromkeys(("epochs", "batch_size", "side", "workers", "seed", "warmup_epochs"), whole_number),
            **dict.fromkeys(("train_size", "test_size", "short_side"), whole_number),
            **dict.fromkeys(("lr", "momentum", "clip_gradient", "weight_decay", "test_share", "taken_lr"), number),
        }
        choices = {"edition": EDITIONS, "init": INITS, "lr_schedule": SCHEDULES}
        choices.update(amp=(True, False), image_channels=(1, 3))
        checks.update(augment=check_augment, normalize=check_normalize)
        for field in dataclasses.fields(self):
            name, value = field.name, getattr(self, field.name)
            if value is None and _OPTIONAL[name]:
                continue
            if name == "options":
                value = as_options(value)
            else:
                value = choice(name, value, choices[name]) if name in choices else checks[name](name, value)
            object.__setattr__(self, name, value)

    @property
    def nominal_step(self):
        """Whether the last, shorter batch is stepped by the nominal batch size."""
        return self.edition is not None and EDITIONS[self.edition].nominal_step

    @property
    def epochs_may_grow(self):
        """Whether a run can be resumed for more epochs: not if they are the length of its schedule."""
        return self.lr_schedule in (None, "plateau")

    @property
    def name(self):
        """The network's name; of a network of your own without the folder of its file, which may move."""
        return Path(self.model).name if self.source else self.model

    def values(self):
        """Every setting by its name, as JSON gives it back."""
        return {**dataclasses.asdict(self), "model": self.name}

    def differences(self, other):
        """``{setting: (own value, the other recipe's value)}`` of the settings in which two recipes differ."""
        mine, others = self.values(), other.values()
        return {name: (value, others[name]) for name, value in mine.items() if value != others[name]}


#: The settings that a user changes by their names. The others follow from the network, its options and the job.
CHANGEABLE = tuple(
    field.name
    for field in dataclasses.fields(Recipe)
    if field.name not in ("model", "edition", "workers", "options", "source", "weights")
)


def as_options(options):
    """A network's options by their names, with values as JSON gives them back; a SettingError for anything else."""
    if not isinstance(options, dict) or not all(isinstance(name, str) for name in options):
        raise SettingError(
            f"options is {brief(options)}; it must be a dictionary of options by their names.", "options"
        )
    return {name: plain(name, value) for name, value in options.items()}


def as_paths(value):
    """The paths of layers in a text or a list of texts, ``"2, 0"`` or ``["2", "0"]``, as the text ``"0,2"``; a
    SettingError for anything else."""
    texts = [value] if isinstance(value, str) else value if isinstance(value, (list, tuple)) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise SettingError(f"freeze is {brief(value)}; it must be text such as 0,1.2.", "freeze")
    paths = {path.strip() for text in texts for path in text.split(",")} - {""}
    if not paths:
        raise SettingError(f"freeze is {brief(value)}, which names no layer: give paths such as 0,1.2.", "freeze")
    # By their numbers, 2 before 10, and each once, because the order makes no difference.
    return ",".join(sorted(paths, key=lambda path: [(len(part), part) for part in path.split(".")]))


_OPTIONAL = {field.name: type(None) in typing.get_args(field.type) for field in dataclasses.fields(Recipe)}
_WORDS = {field.name: field.metadata.get("words") for field in dataclasses.fields(Recipe)}


def in_words(setting, value):
    """A setting's value in words, such as ``momentum 0.9``, ``1 epoch`` or, of options, ``padding 1, ratio 2``."""
    if isinstance(value, dict):
        return shown(value) if value else f"no {setting}"
    words = (_WORDS.get(setting) or f"{setting} {{}}").replace("{}", shown(value))
    return words[:-1] if value == 1 and words.endswith("s") else words


def difference_in_words(setting, value, other):
    """How a setting differs from another value of it, in words such as ``1 epoch instead of 5``."""
    if other is None or other is False or isinstance(other, dict):
        return in_words(setting, value)
    return f"{in_words(setting, value)} instead of {shown(other)}"


def shown(value):
    """A setting's value as text to read."""
    if isinstance(value, dict):
        return ", ".join(in_words(*item) for item in value.items()) or "none"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "on", False: "off"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)

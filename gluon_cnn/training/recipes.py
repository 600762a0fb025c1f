"""The recipe of each network, the book's or a paper's, what a recipe changes in it, and whether it can be trained."""

import contextlib
import dataclasses
import inspect
from pathlib import Path

import mxnet as mx

from gluon_cnn.checks import MOST, choice, plain, whole_number
from gluon_cnn.data import DATA_SETS
from gluon_cnn.errors import ModelError, SettingError
from gluon_cnn.models import canonical_name, find_network
from gluon_cnn.recipe import CHANGEABLE, EDITIONS, PUBLISHED_EDITIONS, Recipe, as_options, shown
from gluon_cnn.training.config import BookRecipe
from gluon_cnn.training.own_data import batch_for_own, lr_for_own, short_side

__all__ = [
    "book_recipe",
    "changed_options",
    "check_recipe",
    "fixed_values",
    "get_recipe",
    "network_options",
    "quick_changes",
    "release_to_train_on",
]

#: Every optimiser that MXNet knows, except its test's and the one for sparse gradients only.
OPTIMIZERS = sorted(set(mx.optimizer.Optimizer.opt_registry) - {"test", "groupadagrad"})


def get_recipe(model, edition=None, *, data_dir=None, **changes):
    """The recipe for a network, with changes.

    Parameters
    ----------
    model : str
        As for :func:`gluon_cnn.get_model`. One whose name has a year is trained as its paper says. A network of a model
        zoo, and your own, is trained for five epochs of SGD at a learning rate of 0.1 in batches of 128: the former at
        the size it was made for, 32 pixels if its name begins with ``cifar_``, 299 if it is Inception, else 224; your
        own at 28.
    edition : {"zh-v1", "en", "adam"}, optional
        ``zh-v1`` by default, for the book's networks. Others have none, unless you name one.
    data_dir : path, optional
        Where a data set of your own is. If it has few training images, the recipe has a smaller batch: a power of two,
        16 at least, of which ten or more make an epoch. SGD's learning rate is smaller in proportion to the batch.
    **changes
        Other values of :class:`gluon_cnn.recipe.Recipe`'s settings, and the network's own options by their names.
        Unless ``init`` or ``weights`` is among them, a recipe begins from the published weights wherever the images and
        the network have the size at which the book's runs were published.

    Returns
    -------
    Recipe

    Raises
    ------
    SettingError, ModelError
        For an unknown model, edition or setting, or a value that the setting cannot have.
    """
    name = canonical_name(model)
    network = find_network(name)
    if edition is None and ":" not in name and not network.recipe:
        edition = "zh-v1"
    values = {"epochs": 5, "batch_size": network.batch_size, "lr": network.lr, "side": network.side}
    if edition is None:
        values.update(network.recipe)
        values.pop("short_side", None)  # see below
    else:
        record = EDITIONS[choice("edition", edition, EDITIONS)]
        values.update(epochs=record.epochs, optimizer=record.optimizer)
        values.update({key: getattr(record, key) for key in ("batch_size", "lr") if getattr(record, key) is not None})
    fields = {field.name for field in dataclasses.fields(Recipe)}
    own = {key: changes.pop(key) for key in list(changes) if key not in fields}
    usual_batch = values["batch_size"]
    values.update(changes)
    if "momentum" not in changes and _lacks_momentum(values.get("optimizer")):
        values.pop("momentum", None)
    values["side"] = whole_number("side", values["side"])
    values["data"] = choice("data", values.get("data", "full"), DATA_SETS)
    if DATA_SETS[values["data"]].info is None:
        _fit_own_data(values, changes, usual_batch, data_dir)
    if edition is None:
        values.setdefault("short_side", short_side(network, values["data"], values["side"]))
    values["options"] = changed_options(name, {**as_options(values.get("options", {})), **own}, values["data"])
    values.setdefault("source", network.source)
    values.setdefault("init", "own" if values.get("weights") or _unpublished(network, edition, values) else "published")
    recipe = Recipe(name, edition, **values)
    check_recipe(recipe)
    return recipe


def _fit_own_data(values, changes, usual_batch, data_dir):
    """Fit batch and learning rate to a data set of one's own, unless they are among the changes."""
    if "batch_size" not in changes:
        values["batch_size"] = batch_for_own(values, data_dir)
    if "lr" not in changes:
        values["batch_size"] = whole_number("batch_size", values["batch_size"])
        values["lr"] = lr_for_own(values, usual_batch)


def changed_options(model, options, data):
    """Those of some options that are not what a network is built with anyway: its own defaults, and as many classes as
    the data set has. A SettingError if the network has no such option, or the option cannot have the value."""
    usual = {}
    for name, default in find_network(model).defaults.items():
        with contextlib.suppress(SettingError):  # any object can be a default
            usual[name] = plain(name, default)
    if "num_classes" in usual and data in DATA_SETS:
        info = DATA_SETS[data].info
        usual["num_classes"] = info and len(info.classes)
    checked = _checked_options(model, options)
    return {name: value for name, value in checked.items() if name not in usual or value != usual[name]}


def _unpublished(network, edition, values):
    """Why no run with these initial weights was published, in a few words; None if one was."""
    if network.published_as is None or edition not in PUBLISHED_EDITIONS:
        return f"no run of {network.title} was published"
    if DATA_SETS[values["data"]].info is None:
        return "no run on a data set of your own was published"
    if values["side"] != network.side:
        return f"the published runs were trained at {network.side} pixels, not at {values['side']}"
    for name in values["options"]:
        if name not in network.same_weights:
            return f"no run with another {name} was published"
    return None


def check_recipe(recipe):
    """Raise a SettingError or ModelError if a recipe cannot be trained, for a reason that lies in its network, MXNet or
    the data sets."""
    network = find_network(recipe.model)
    if recipe.source != network.source:
        raise ModelError(f"{recipe.model} is not the file that the recipe was made for: restore it.", "model")
    _checked_options(recipe.model, recipe.options)
    choice("optimizer", recipe.optimizer, OPTIMIZERS)
    if recipe.momentum and not _has_momentum(recipe.optimizer):
        raise SettingError(f"momentum is {recipe.momentum}, but {recipe.optimizer} has none: leave it out.", "momentum")
    _check_release(recipe.release, recipe.data)
    source = DATA_SETS[recipe.data]
    takes = {
        "test_share": source.has_pictures,
        "image_channels": source.has_pictures,
        "short_side": source.info is None,
    }
    for name, taken in takes.items():
        if not taken and getattr(recipe, name) != getattr(Recipe, name):
            raise SettingError(
                f"{name} is {shown(getattr(recipe, name))}, which the {recipe.data} data set does not take: leave it "
                "out.",
                name,
            )
    values = {"side": recipe.side, "options": recipe.options, "data": recipe.data}
    reason = _unpublished(network, recipe.edition, values) if recipe.init == "published" else None
    if reason:
        raise SettingError(f"init is 'published', but {reason}: use 'own'.", "init")


def _check_release(release, data):
    releases = DATA_SETS[choice("data", data, DATA_SETS)].releases
    if release is None:
        return
    if len(releases) < 2 and release not in releases:
        raise SettingError(
            f"release is {shown(release)}, but the {data} data set comes in one release only: leave it out.", "release"
        )
    choice("release", release, releases)


def _lacks_momentum(optimizer):
    """Whether this is one of the optimisers, and has no momentum."""
    return isinstance(optimizer, str) and optimizer in OPTIMIZERS and not _has_momentum(optimizer)


def _has_momentum(optimizer):
    if optimizer == "dcasgd":  # MXNet's own fails with it
        return False
    kinds = mx.optimizer.Optimizer.opt_registry[optimizer].__mro__  # ccsgd passes its arguments on to sgd
    return any("momentum" in inspect.signature(kind.__init__).parameters for kind in kinds)


def _checked_options(model, options):
    network, checked = find_network(model), {}
    known = network.defaults
    for name, value in options.items():
        if name not in known:
            has = f"has the options {', '.join(known)}" if known else "has none"
            raise SettingError(
                f"There is no setting {name}: a recipe has {', '.join(CHANGEABLE)}; {Path(model).name} {has}."
            )
        if isinstance(known[name], bool):
            checked[name] = choice(name, value, (True, False))
        elif isinstance(known[name], int):
            ends = (-MOST, MOST) if network.source else ()  # what a function of your own takes, it knows itself
            checked[name] = whole_number(name, value, *ends)
        else:
            checked[name] = plain(name, value)
    return checked


def network_options(recipe):
    """What the network's own function is called with."""
    takes = find_network(recipe.model).build.__kwdefaults__ or {}
    own = {"edition": recipe.edition} if "edition" in takes and recipe.edition else {}
    options = {
        name: _as_tuple(value) if isinstance(takes[name], tuple) else value
        for name, value in _checked_options(recipe.model, recipe.options).items()
    }
    return {**own, **options}


def _as_tuple(value):
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value


def quick_changes(model):
    """What makes a recipe one for a machine without a GPU: one epoch, and smaller images where the network has a size
    for it."""
    side = find_network(model).quick_side
    return {"epochs": 1, **({"side": side} if side else {})}


def release_to_train_on(recipe, data_dir=None):
    """The release of the data set that a recipe is trained on: the one that it names; else the one that is found, or,
    where both are, the first for the book's recipes, whose published runs had it, and the second for all others."""
    source = DATA_SETS[recipe.data]
    if recipe.release is not None:
        return recipe.release
    if source.choose is None:
        return next(iter(source.releases), None)
    book = book_recipe(recipe)
    return source.choose(data_dir, prefer="first" if book and not book.differences else "second")


def fixed_values(recipe):
    """The values of a recipe that must be the same when its run is resumed: all but the number of epochs, which may
    grow, unless it is the length of a schedule."""
    values = recipe.values()
    if recipe.epochs_may_grow:
        del values["epochs"]
    return values


def book_recipe(recipe):
    """How a recipe compares with the book's, a :class:`BookRecipe`; None if no run of it was published."""
    published_as = find_network(recipe.model).published_as
    if published_as is None or recipe.edition not in PUBLISHED_EDITIONS:
        return None
    free = ("seed", "init", "release")  # with the release a comparison says what that is worth
    differing = recipe.differences(get_recipe(recipe.model, recipe.edition))
    return BookRecipe(published_as, {name: list(values) for name, values in differing.items() if name not in free})

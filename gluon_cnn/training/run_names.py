"""What a run's directory is called."""

import hashlib
import os
from pathlib import Path

from gluon_cnn.data import DATA_SETS
from gluon_cnn.models import find_network
from gluon_cnn.training.own_data import short_side
from gluon_cnn.training.recipes import get_recipe, quick_changes

__all__ = ["default_name"]

_LONGEST = 120  # bytes of a directory's name


def _in_a_name(setting, value):
    """A setting as a part of a directory's name: ``sample``, ``momentum0.9``, ``augment``, ``no-final_relu``."""
    if isinstance(value, bool):
        return setting if value else f"no-{setting}"
    if setting == "data":
        return value
    if setting == "weights":
        return f"from-{value[:8]}"
    if setting == "release":
        return f"{value}-release"
    return f"{setting}-{value}" if isinstance(value, str) else f"{setting}{value}"


def _usual_lr(recipe):
    names = ("data", "batch_size", "workers", "optimizer")
    return get_recipe(recipe.model, recipe.edition, **{name: getattr(recipe, name) for name in names}).lr


def _name_of(place):
    return place.name if place.is_dir() else place.stem


def default_name(recipe, quick=False, data_dir=None):
    """What a run's directory is called, unless it is given a name: ``nin-zh-v1-seed0``, with all that differs from the
    network's own recipe in between, such as ``lenet-zh-v1-sample-momentum0.9-seed0``. A data
    set of one's own is called what its place, ``data_dir``, is called."""
    book = get_recipe(recipe.model, recipe.edition)
    own = data_dir is not None and DATA_SETS[recipe.data].info is None
    if own:
        book = get_recipe(recipe.model, recipe.edition, data=recipe.data, data_dir=data_dir)
    differing = {name: value for name, (value, _) in recipe.differences(book).items() if name not in ("seed", "source")}
    if own and recipe.lr == _usual_lr(recipe):
        differing.pop("lr", None)  # it follows from the batch
    if recipe.short_side == short_side(find_network(recipe.model), recipe.data, recipe.side):
        differing.pop("short_side", None)  # it follows from the side
    words = [_name_of(Path(data_dir))] if own else []
    words += ["quick"] if quick else []
    if quick:
        differing = {name: v for name, v in differing.items() if quick_changes(recipe.model).get(name) != v}
    if differing.pop("init", None) and not (quick or {"side", "options", "weights"} & set(differing)):
        words.append("own")  # elsewhere it goes without saying
    differing.update(differing.pop("options", {}))
    words += [_in_a_name(name, value) for name, value in differing.items()]
    if recipe.workers > 1:
        words.remove(f"workers{recipe.workers}")
        words.append(f"{recipe.workers}workers")
    start = [recipe.name, *([recipe.edition] if recipe.edition else [])]
    name = "-".join([*start, *filter(None, words)])
    if len(os.fsencode(name)) > _LONGEST:
        name = f"{'-'.join(start)}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}"
    # A colon, a slash or a space in a name has a meaning of its own to other programs.
    return "".join(c if c.isalnum() or c in "-_.+" else "-" for c in f"{name}-seed{recipe.seed}")

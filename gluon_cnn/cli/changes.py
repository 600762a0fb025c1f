"""What a command line changes in a recipe: some fields have a flag, and ``--set NAME=VALUE`` takes all of them.

Everything here follows from the fields of :class:`gluon_cnn.recipe.Recipe` and from the networks' own options.
"""

import dataclasses
import difflib
import textwrap
import typing

from gluon_cnn.checks import brief
from gluon_cnn.cli.values import parse_value, path, typed
from gluon_cnn.data import DATA_SETS, kind_of
from gluon_cnn.errors import SettingError
from gluon_cnn.recipe import CHANGEABLE, INITS, SCHEDULES, Recipe, as_paths

__all__ = ["FIELDS", "add_recipe_flags", "add_set", "asked_changes", "options_of", "set_in_words"]

#: The fields that a command line can change, by name. The others follow from MODEL, --edition and the job.
FIELDS = {field.name: field for field in dataclasses.fields(Recipe) if field.name in CHANGEABLE}
_FIXED = [field.name for field in dataclasses.fields(Recipe) if field.name not in FIELDS]
_KINDS = typing.get_type_hints(Recipe)
_METAVARS = {int: "N", float: "X", str: "NAME", bool: "on|off"}
_CHOICES = {
    "data": "NAME|PATH",
    "init": "|".join(INITS),
    "lr_schedule": "|".join(SCHEDULES),
    "augment": "WORDS",
    "normalize": "WORDS",
}
_FLAGS = {"side": "--resize", "image_channels": "--channels"}  # where it is not the field's name


def add_recipe_flags(parser, names):
    """Add a flag for each of some fields of a recipe."""
    for name in names:
        flag, kind = _FLAGS.get(name, f"--{name.replace('_', '-')}"), _kind(name)
        takes = {"action": "store_const", "const": True}
        if kind is not bool:
            takes = {"type": typed(name, _KINDS[name]), "metavar": _metavar(name)}
        parser.add_argument(flag, dest=name, help=_help(name), **takes)


def _help(name):
    if name == "data":  # the recipe itself knows no data set
        known = "; ".join(f"{word}: {source.words}" for word, source in DATA_SETS.items() if source.info)
        own = ", or ".join(source.words for source in DATA_SETS.values() if source.info is None)
        return f"{known}; or a path of your own: {own} (default full)"
    return FIELDS[name].metadata["help"]


def add_set(parser):
    """Add --set."""
    parser.add_argument(
        "--set",
        action="append",
        type=_pair,
        default=[],
        metavar="NAME=VALUE",
        help="any other setting of the recipe, or an option of the network, see below; may be repeated",
    )


def set_in_words(without=()):
    """What --set takes, for a help text: every field that is not among those with a flag."""
    lines = ["--set takes these settings:"]
    for name, field in FIELDS.items():
        if name not in without:
            start, indent = f"  {name}={_metavar(name)}", " " * 21
            if len(start) >= len(indent):  # the words go to the next line
                lines.append(start)
                start = ""
            lines += textwrap.wrap(start.ljust(21) + field.metadata["help"], 80, subsequent_indent=indent)
    lines += textwrap.wrap(
        "It also takes the settings that have a flag, and the network's own options, which are the keyword arguments "
        "of its function, such as num_classes of all, padding of alexnet, final_relu of nin, or any of a network of "
        "your own. 'none' stands for no value, and several numbers are written as 16,32.",
        80,
    )
    return "\n".join(lines)


def asked_changes(args):
    """The changes of a recipe that flags and --set ask for: values by their names, a network's options among them.

    Where the data set is a path, its kind and its directory take the path's place in ``args``.

    Raises
    ------
    SettingError, ModelError
        For a name that neither the recipe nor the network has, a text that is not a value of that name, and a name that
        is given twice with different values.
    """
    _find_own_data(args)
    changes = {name: getattr(args, name) for name in FIELDS if getattr(args, name, None) is not None}
    for name, text in getattr(args, "set", []):
        value = parse_value(name, text, _kind_of_setting(name, args.model))
        if name in changes and changes[name] != value:
            raise SettingError(f"{name} is given as {brief(changes[name])} and as {brief(value)}: give it once.", name)
        changes[name] = value
    if changes.get("freeze") is not None:
        changes["freeze"] = as_paths(changes["freeze"])
    return changes


def _find_own_data(args):
    pairs = getattr(args, "set", [])
    given = [text for name, text in [("data", getattr(args, "data", None)), *pairs] if name == "data"]
    paths = {path("data")(text) for text in given if text is not None and text not in DATA_SETS}
    if not paths:
        return
    if args.data_dir is not None:
        paths.add(args.data_dir)
    if len(paths) > 1 or len(set(given) - {None}) > 1:
        raise SettingError(f"data is in {' and in '.join(sorted(paths))}: name one.", "data", "data_dir")
    args.data_dir = paths.pop()
    args.data = kind_of(args.data_dir)
    if pairs:
        args.set = [pair for pair in pairs if pair[0] != "data"]


def options_of(model):
    """A network's own options and their defaults; ModelError if there is no such network."""
    from gluon_cnn.models import find_network

    return find_network(model).defaults


def _kind(name):
    """A field's type, without Optional."""
    return (typing.get_args(_KINDS[name]) or (_KINDS[name],))[0]


def _metavar(name):
    return _CHOICES.get(name, _METAVARS[_kind(name)])


def _pair(text):
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise SettingError(f"--set takes NAME=VALUE, such as momentum=0.9, but not {brief(text)}.")
    return name.strip().replace("-", "_"), value.strip()


def _kind_of_setting(name, model):
    """The type of a field or of a network's option."""
    if name in FIELDS:
        return _KINDS[name]
    if name in _FIXED:
        raise SettingError(f"{name} cannot be changed by --set.", name)
    options = options_of(model)
    if name in options:
        return type(options[name])
    nearest = difflib.get_close_matches(name, [*FIELDS, *options], n=1)
    if nearest:
        raise SettingError(f"There is no setting {name}: did you mean {nearest[0]}?")
    own = f"{model} has the options {', '.join(options)}" if options else f"{model} has no options"
    raise SettingError(f"There is no setting {name}: a recipe has {', '.join(FIELDS)}; {own}.")

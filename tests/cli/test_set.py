"""``--set NAME=VALUE``: every field of a recipe, the network's own options, and what is wrong with a value."""

import dataclasses

import pytest

from gluon_cnn import get_recipe
from gluon_cnn.cli.changes import FIELDS
from gluon_cnn.cli.train import make_train_parser, recipe_of
from gluon_cnn.data import FASHION_MNIST
from gluon_cnn.errors import GluonCNNError
from gluon_cnn.recipe import Recipe
from gluon_cnn.training.setup import build_network

#: A text for each field, and the value that it stands for.
TEXTS = {
    "epochs": ("7", 7),
    "batch_size": ("32", 32),
    "lr": ("1e-2", 0.01),
    "side": ("64", 64),
    "optimizer": ("nag", "nag"),
    "init": ("own", "own"),
    "seed": ("3", 3),
    "data": ("sample", "sample"),
    "release": ("second", "second"),
    "test_share": ("0.3", 0.3),
    "image_channels": ("1", 1),
    "short_side": ("32", 32),
    "train_size": ("100", 100),
    "test_size": ("50", 50),
    "augment": ("mirror, crop", "crop,mirror"),
    "normalize": ("0.5, .25", "0.5,0.25"),
    "momentum": ("0.5", 0.5),
    "clip_gradient": ("2", 2.0),
    "weight_decay": ("0.0005", 0.0005),
    "lr_schedule": ("cosine", "cosine"),
    "warmup_epochs": ("1", 1),
    "amp": ("true", True),
}


def recipe(*words):
    """The recipe that the words after ``train`` ask for."""
    return recipe_of(make_train_parser().parse_args(list(words)))


def test_command_line_reaches_every_field():
    derived = {"model", "edition", "workers", "options", "source"}
    assert set(TEXTS) == set(FIELDS) == {field.name for field in dataclasses.fields(Recipe)} - derived


@pytest.mark.parametrize("name", TEXTS)
def test_each_field_is_set_by_name(name):
    text, value = TEXTS[name]
    own = ["--data", "folder"] if name in ("test_share", "image_channels", "short_side") else []
    found = getattr(recipe("lenet", "--set", f"{name}={text}", *own), name)
    assert (found, type(found)) == (value, type(value))


def test_set_changes_nothing_else():
    assert recipe("lenet", "--set", "momentum=0.5") == dataclasses.replace(get_recipe("lenet"), momentum=0.5)


def test_several_settings_are_set():
    found = recipe("nin", "--set", "momentum=0.5", "--set", "train_size=10", "--lr", "0.2")
    assert (found.momentum, found.train_size, found.lr) == (0.5, 10, 0.2)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("On", True), ("no", False), ("FALSE", False)])
def test_switches_have_several_words(text, value):
    assert recipe("lenet", "--set", f"augment={text}").augment is value


OWN = """
from mxnet.gluon import nn

def net(kernel=(3, 3), blocks=((1, 16),), widths=[4], size=None):
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, kernel), nn.GlobalAvgPool2D(), nn.Dense(10))
    return net
"""


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("kernel=5,5", [5, 5]),
        ("kernel=(5, 5)", [5, 5]),
        ("kernel=[5,5]", [5, 5]),
        ("widths=8", [8]),
        ("blocks=((1, 16), (2, 32))", [[1, 16], [2, 32]]),
        ("size=(5, 5)", [5, 5]),
        ("size=large", "large"),
    ],
)
def test_several_numbers_are_a_tuple(word, value, tmp_path):
    (tmp_path / "mynet.py").write_text(OWN)
    found = recipe(f"{tmp_path / 'mynet.py'}:net", "--set", word)
    assert found.options == {word.partition("=")[0]: value}
    if word.startswith("kernel"):
        assert build_network(found, FASHION_MNIST)[0]._kwargs["kernel"] == (5, 5)


@pytest.mark.parametrize("text", ["(5", "a,b", "(" * 5000, "{", "1 2", "x()", "{'a': 1}", "[1, nan]"])
def test_tuple_that_python_cannot_read(text, tmp_path):
    (tmp_path / "mynet.py").write_text(OWN)
    with pytest.raises(GluonCNNError, match=r"^kernel is "):
        recipe(f"{tmp_path / 'mynet.py'}:net", "--set", f"kernel={text}")


def test_none_stands_for_no_value():
    assert recipe("lenet", "--set", "train_size=none").train_size is None
    assert recipe("lenet", "--set", "lr_schedule=none").lr_schedule is None


@pytest.mark.parametrize(
    ("model", "words", "options"),
    [
        ("alexnet", "padding=1", {"padding": 1}),
        ("nin", "final_relu=off num_mlp_layers=1", {"final_relu": False, "num_mlp_layers": 1}),
        ("vgg11", "ratio=8", {"ratio": 8}),
        ("lenet", "num_classes=12", {"num_classes": 12}),
        ("gluoncv:cifar_resnet20_v1", "num_classes=12", {"num_classes": 12}),
        ("nin", "final-relu=no", {"final_relu": False}),
        ("nin", "num_mlp_layers=2", {}),
    ],
)
def test_options_of_the_network_are_set(model, words, options):
    assert recipe(model, *(f"--set={word}" for word in words.split())).options == options


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("lenet --set augment=perhaps", "augment is 'perhaps'; it must be on, off, or words out of resized_crop"),
        ("lenet --set epochs=many", "epochs is 'many'; it must be a whole number."),
        ("lenet --set epochs=none", "epochs is 'none'; it must be a whole number."),
        ("lenet --set momentum=fast", "momentum is 'fast'; it must be a number."),
        ("lenet --set momentum=1.5", "momentum is 1.5; it must be below 1."),
        ("lenet --set optimizer=magic", "optimizer is 'magic'; it must be one of "),
        ("nin --set final_relu=2", "final_relu is '2'; it must be on or off."),
        ("vgg11 --set ratio=quarter", "ratio is 'quarter'; it must be a whole number."),
        ("lenet --set momentun=0.5", "There is no setting momentun: did you mean momentum?"),
        ("nin --set final_rel=no", "There is no setting final_rel: did you mean final_relu?"),
        ("lenet --set xyz=1", "There is no setting xyz: a recipe has epochs, "),
        ("lenet --set xyz=1", "lenet has the options num_classes"),
        ("lenet --set padding=1", "There is no setting padding"),
        ("lenet --set edition=en", "edition cannot be changed by --set."),
        ("lenet --set workers=2", "workers cannot be changed by --set."),
        ("lenet --set options=x", "options cannot be changed by --set."),
        ("lenet --set momentum", "--set takes NAME=VALUE, such as momentum=0.9, but not 'momentum'."),
        ("lenet --set =1", "--set takes NAME=VALUE"),
        ("vit --set momentum=0.5", "There is no network 'vit'"),
        ("vit --set padding=1", "There is no network 'vit'"),
    ],
)
def test_wrong_setting_is_named(words, message):
    with pytest.raises(GluonCNNError) as error:
        recipe(*words.split())
    assert message in str(error.value)


def test_two_values_of_one_setting_are_refused():
    for words in (["--epochs", "3", "--set", "epochs=4"], ["--set", "epochs=3", "--set", "epochs=4"]):
        with pytest.raises(GluonCNNError, match="epochs is given as 3 and as 4: give it once"):
            recipe("lenet", *words)
    assert recipe("lenet", "--epochs", "3", "--set", "epochs=3").epochs == 3


def test_what_is_asked_for_overrides_quick():
    found = recipe("nin", "--quick", "--set", "epochs=2", "--resize", "80")
    assert (found.epochs, found.side) == (2, 80)

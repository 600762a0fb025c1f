"""Recipes: the book's, what they refuse, and what a run of one is called."""

import json

import pytest

from gluon_cnn import GluonCNNError, get_recipe, list_models
from gluon_cnn.data import FASHION_MNIST
from gluon_cnn.recipe import EDITIONS, Recipe, difference_in_words, in_words
from gluon_cnn.training.recipes import book_recipe, quick_changes
from gluon_cnn.training.run_names import default_name
from gluon_cnn.training.setup import build_network


def network_of(recipe):
    return build_network(recipe, FASHION_MNIST)


@pytest.mark.parametrize(
    ("model", "batch_size", "side", "lr"),
    [
        ("lenet", 256, 28, 0.9),
        ("alexnet", 128, 224, 0.01),
        ("vgg11", 128, 224, 0.05),
        ("nin", 128, 224, 0.1),
        ("googlenet", 128, 96, 0.1),
        ("resnet18", 256, 96, 0.05),
        ("densenet", 256, 96, 0.1),
    ],
)
def test_books_recipes(model, batch_size, side, lr):
    for edition, epochs in (("zh-v1", 5), ("en", 10)):
        recipe = get_recipe(model, edition)
        assert (recipe.batch_size, recipe.side, recipe.lr, recipe.epochs) == (batch_size, side, lr, epochs)
        assert (recipe.optimizer, recipe.init, recipe.data, recipe.augment) == ("sgd", "published", "full", False)
    adam = get_recipe(model, "adam")
    assert (adam.optimizer, adam.lr, adam.batch_size, adam.epochs, adam.init) == ("adam", 0.001, 128, 5, "own")


def test_batch_normalised_lenet_begins_from_own_weights():
    """The book prints no result of it that was collected."""
    recipe = get_recipe("lenet_bn")
    assert (recipe.edition, recipe.epochs, recipe.batch_size, recipe.lr, recipe.side) == ("zh-v1", 5, 256, 1.0, 28)
    assert recipe.init == "own"
    assert book_recipe(recipe) is None
    with pytest.raises(GluonCNNError, match="no run of LeNet with batch normalisation was published: use 'own'"):
        get_recipe("lenet_bn", init="published")


def test_every_edition_has_every_network():
    assert all(get_recipe(model, edition).edition == edition for edition in EDITIONS for model in list_models())
    poolings = [type(network_of(get_recipe("lenet", edition))[1]).__name__ for edition in EDITIONS]
    assert poolings == ["MaxPool2D", "AvgPool2D", "AvgPool2D"]
    assert get_recipe("VGG") == get_recipe("vgg11")
    assert network_of(get_recipe("vgg"))[0][0]._kwargs["num_filter"] == 16


def test_only_zh_v1_steps_by_nominal_batch_size():
    assert [get_recipe("nin", edition).nominal_step for edition in EDITIONS] == [True, False, False]


def test_another_size_begins_from_own_weights():
    assert get_recipe("nin", epochs=7, seed=3).init == "published"
    assert get_recipe("nin", side=96).init == "own"
    with pytest.raises(GluonCNNError, match="trained at 224 pixels, not at 96: use 'own'"):
        get_recipe("nin", side=96, init="published")


def test_quick_changes():
    assert quick_changes("vgg") == {"epochs": 1, "side": 96}
    assert quick_changes("googlenet") == {"epochs": 1, "side": 48}
    assert quick_changes("lenet") == {"epochs": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 0},
        {"epochs": True},
        {"batch_size": -1},
        {"batch_size": 1.5},
        {"lr": 0},
        {"lr": float("nan")},
        {"lr": float("inf")},
        {"lr": "fast"},
        {"side": 0},
        {"side": None},
        {"seed": -1},
        {"train_size": 0},
        {"test_size": -5},
        {"optimizer": "magic"},
        {"data": "some"},
        {"init": "zeros"},
        {"clip_gradient": 0.0},
        {"momentum": -0.1},
        {"weight_decay": -0.1},
        {"weight_decay": 1},
        {"lr_schedule": "sometimes"},
        {"warmup_epochs": -1},
        {"warmup_epochs": 5},
        {"augment": 2},
        {"amp": None},
    ],
)
def test_values_that_a_setting_cannot_have(changes):
    (name,) = changes
    with pytest.raises(GluonCNNError, match=f"^{name} is ") as caught:
        get_recipe("lenet", **changes)
    assert caught.value.settings == (name,)


def test_unknown_model_edition_and_setting():
    with pytest.raises(GluonCNNError, match="no network 'vit'"):
        get_recipe("vit")
    with pytest.raises(GluonCNNError, match="edition is 'fr'"):
        get_recipe("nin", "fr")
    with pytest.raises(GluonCNNError, match="no run of edition adam was published"):
        get_recipe("nin", "adam", init="published")
    with pytest.raises(GluonCNNError, match=r"no setting padding: .*momentum.*nin has the options num_classes"):
        get_recipe("nin", padding=1)


def test_options_of_a_network():
    recipe = get_recipe("nin", final_relu=False)
    assert (recipe.options, recipe.init) == ({"final_relu": False}, "published")  # of the same parameters
    assert network_of(recipe)[-3][-1].act is None
    one = get_recipe("nin", num_mlp_layers=1)
    assert one.init == "own"
    assert [len(network_of(get_recipe("nin", num_mlp_layers=n))[0]) for n in (1, 2)] == [2, 3]
    assert get_recipe("nin", num_mlp_layers=2).options == {}
    assert network_of(get_recipe("alexnet", padding=1))[0]._kwargs["pad"] == (1, 1)


@pytest.mark.parametrize(
    ("model", "changes", "reason"),
    [
        ("lenet", {"final_relu": False}, "There is no setting final_relu"),
        ("lenet", {"options": {"edition": "en"}}, "There is no setting edition"),
        ("nin", {"num_mlp_layers": -1}, "num_mlp_layers is -1"),
        ("nin", {"final_relu": 3}, "final_relu is 3; it must be one of True, False"),
        ("nin", {"num_mlp_layers": 1, "init": "published"}, "no run with another num_mlp_layers was published"),
        ("nin", {"momentum": 1.0}, "momentum is 1.0; it must be below 1"),
        ("nin", {"momentum": 0.9, "optimizer": "adam"}, "momentum is 0.9, but adam has none"),
        ("lenet", {"workers": 2, "optimizer": "sgld"}, "optimizer is sgld, which adds noise"),
    ],
)
def test_changes_that_are_refused(model, changes, reason):
    with pytest.raises(GluonCNNError, match=reason):
        get_recipe(model, **changes)


def test_too_few_classes_for_the_data():
    with pytest.raises(GluonCNNError, match="num_classes is 5, but Fashion-MNIST has 10 classes"):
        network_of(get_recipe("nin", num_classes=5))
    assert network_of(get_recipe("nin", num_classes=12))[-3][-1]._kwargs["num_filter"] == 12


def test_recipe_survives_json():
    recipe = get_recipe("nin", "en", momentum=0.5, final_relu=False, train_size=64)
    assert Recipe(**json.loads(json.dumps(recipe.values()))) == recipe


def test_differences_from_the_books_recipe():
    book = book_recipe(get_recipe("vgg11", seed=3, init="own", release="second"))
    assert (book.published_as, book.differences) == ("vgg", {})
    assert book_recipe(get_recipe("lenet", epochs=7, momentum=0.5)).differences == {
        "epochs": [7, 5],
        "momentum": [0.5, 0.0],
    }
    assert book_recipe(get_recipe("nin", "adam")) is None
    assert book_recipe(get_recipe("gluoncv:cifar_resnet20_v1")) is None


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        (get_recipe("lenet"), "lenet-zh-v1-seed0"),
        (get_recipe("lenet", "en", seed=3, init="own"), "lenet-en-own-seed3"),
        (get_recipe("lenet", data="sample"), "lenet-zh-v1-sample-seed0"),
        (get_recipe("lenet", workers=2), "lenet-zh-v1-2workers-seed0"),
        (get_recipe("nin", side=96), "nin-zh-v1-side96-seed0"),
        (get_recipe("nin", num_mlp_layers=1, momentum=0.9), "nin-zh-v1-momentum0.9-num_mlp_layers1-seed0"),
        (get_recipe("nin", augment=True, final_relu=False), "nin-zh-v1-augment-no-final_relu-seed0"),
        (get_recipe("nin", "adam"), "nin-adam-seed0"),
        (get_recipe("gluoncv:cifar_resnet20_v1"), "gluoncv-cifar_resnet20_v1-seed0"),
    ],
)
def test_directory_says_what_differs(recipe, name):
    assert default_name(recipe) == name


def test_directory_of_a_quick_run():
    quick = {**quick_changes("nin"), "seed": 1}
    assert default_name(get_recipe("nin", **quick), quick=True) == "nin-zh-v1-quick-seed1"
    assert default_name(get_recipe("nin", **quick, data="sample"), quick=True) == "nin-zh-v1-quick-sample-seed1"


def test_directory_with_many_changes_stays_short():
    values = {"train_size": 123456, "test_size": 123456, "clip_gradient": 0.123456789, "lr": 0.123456789}
    more = {"momentum": 0.123456789, "batch_size": 123456, "epochs": 123456, "warmup_epochs": 1234, "augment": True}
    assert len(default_name(get_recipe("nin", **values, **more))) < 60


def test_differences_in_words():
    assert difference_in_words("epochs", 1, 5) == "1 epoch instead of 5"
    assert difference_in_words("side", 96, 224) == "96 pixels instead of 224"
    assert difference_in_words("train_size", 256, None) == "256 training images"
    assert difference_in_words("augment", True, False) == "augment on"
    assert difference_in_words("options", {"padding": 1}, {}) == "padding 1"


def test_settings_in_words():
    assert in_words("momentum", 0.9) == "momentum 0.9"
    assert in_words("augment", True) == "augment on"
    assert in_words("clip_gradient", None) == "clip_gradient none"
    assert (in_words("epochs", 1), in_words("epochs", 5)) == ("1 epoch", "5 epochs")
    assert in_words("options", {"padding": 1, "final_relu": False}) == "padding 1, final_relu off"

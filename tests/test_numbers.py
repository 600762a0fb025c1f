"""Numbers that a setting can have, and that it cannot: from Python, as NumPy's and MXNet's, and of any size."""

import json
from decimal import Decimal
from fractions import Fraction

import mxnet as mx
import numpy as np
import pytest

from gluon_cnn import alexnet, get_model, get_recipe, nin_block, summary, vgg, vgg_block
from gluon_cnn.checks import RANGES, number, whole_number
from gluon_cnn.comparison.statistics import mann_whitney, percentile
from gluon_cnn.errors import ComparisonError, GluonCNNError, SettingError
from gluon_cnn.models.resnet import Residual
from gluon_cnn.recipe import Recipe
from gluon_cnn.training.recipes import OPTIMIZERS

HUGE = [10**400, 10**4000, 10**18, 2**31]


@pytest.mark.parametrize("value", HUGE, ids=["400 digits", "4000 digits", "18 digits", "2^31"])
@pytest.mark.parametrize(
    "name", ["epochs", "batch_size", "side", "workers", "train_size", "test_size", "warmup_epochs"]
)
def test_whole_numbers_have_a_largest_value(name, value):
    with pytest.raises(SettingError, match=rf"^{name} is .*; it must be \d+ or less") as caught:
        get_recipe("lenet", **{name: value})
    assert caught.value.settings == (name,)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize("name", ["num_classes", "num_mlp_layers"])
def test_options_have_a_largest_value(name):
    with pytest.raises(SettingError, match=f"^{name} is 2147483648; it must be"):
        get_recipe("nin", **{name: 2**31})


WRONG = [10**400, -(10**400), 10**5000, [10**5000], Fraction(10**5000), "9" * 5000, [1] * 5000, 1j, None]
SETTINGS = ["epochs", "lr", "momentum", "weight_decay", "clip_gradient", "seed", "edition", "init", "optimizer"]
LONG_AND_WRONG = {
    f"{name}-{number}": (name, value)
    for name in SETTINGS
    for number, value in enumerate(WRONG)
    if value is not None or name not in ("clip_gradient", "edition")
}


@pytest.mark.parametrize(("name", "value"), LONG_AND_WRONG.values(), ids=list(LONG_AND_WRONG))
def test_long_and_wrong_values_are_one_line(name, value):
    with pytest.raises(SettingError, match=f"^{name} is ") as caught:
        get_recipe("lenet", **{name: value})
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_largest_values_are_values():
    largest = {name: RANGES[name][1] for name in ("epochs", "batch_size", "side", "seed")}
    assert get_recipe("lenet", **largest, warmup_epochs=999_999).seed == 2**63 - 1
    smallest = {name: RANGES[name][0] for name in ("epochs", "batch_size", "side", "seed", "warmup_epochs")}
    assert get_recipe("lenet", **smallest).warmup_epochs == 0


def test_unknown_optimizer_is_the_error_also_with_momentum():
    with pytest.raises(SettingError, match=r"^optimizer is 'foo'") as caught:
        get_recipe("lenet", optimizer="foo", momentum=0.9)
    assert caught.value.settings == ("optimizer",)


NUMBERS = ["epochs", "batch_size", "side", "seed", "train_size", "test_size", "workers", "warmup_epochs"]
UNUSUAL = [mx.nd.array([3]), mx.np.array(3.0), np.array([1, 2]), object(), float("nan"), Decimal("sNaN"), "3", {}, b"3"]

NO_VALUES = {
    f"{name}-{number}": (name, value)
    for name in [*NUMBERS, "lr", "momentum", "weight_decay", "clip_gradient", "augment", "optimizer", "data", "options"]
    for number, value in enumerate(UNUSUAL)
    if name != "options" or not isinstance(value, dict)
}


@pytest.mark.parametrize(("name", "value"), NO_VALUES.values(), ids=list(NO_VALUES))
def test_objects_that_are_no_value_are_one_line(name, value):
    with pytest.raises(SettingError, match=f"^{name} is ") as caught:
        get_recipe("lenet", **{name: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [np.int8, np.uint64, np.int32])
def test_whole_numbers_of_numpy_are_pythons(kind):
    recipe = get_recipe("lenet", epochs=9, **{name: kind(3) for name in NUMBERS if name != "epochs"})
    assert {type(getattr(recipe, name)) for name in NUMBERS} == {int}
    assert Recipe(**json.loads(json.dumps(recipe.values()))) == recipe
    assert get_recipe("nin", num_mlp_layers=kind(1)).options == {"num_mlp_layers": 1}


@pytest.mark.parametrize("value", [np.float32(0.5), np.float64(0.5), np.float16(0.5), Fraction(1, 2)])
def test_other_numbers_are_pythons(value):
    recipe = get_recipe("lenet", lr=value, momentum=value, clip_gradient=value, augment=np.bool_(True))
    assert recipe == get_recipe("lenet", lr=0.5, momentum=0.5, clip_gradient=0.5, augment=True)
    assert Recipe(**json.loads(json.dumps(recipe.values()))) == recipe


@pytest.mark.parametrize("value", [5e-324, 1e-31, 1e30, 1e308])
@pytest.mark.parametrize("name", ["lr", "clip_gradient"])
def test_numbers_that_float32_cannot_have(name, value):
    with pytest.raises(SettingError, match=f"^{name} is .*(1e-30 or more|below 1e[+]30)"):
        get_recipe("lenet", **{name: value})


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weight_decay_is_for_every_optimizer(optimizer):
    assert get_recipe("lenet", optimizer=optimizer, weight_decay=0.5).weight_decay == 0.5


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_momentum_where_mxnet_has_it(optimizer):
    having = {"sgd", "ccsgd", "nag", "lars", "lbsgd", "signum"}
    if optimizer in having:
        assert get_recipe("lenet", optimizer=optimizer, momentum=0.5).momentum == 0.5
    else:
        with pytest.raises(SettingError, match=f"momentum is 0.5, but {optimizer} has none"):
            get_recipe("lenet", optimizer=optimizer, momentum=0.5)


@pytest.mark.parametrize(("check", "name"), [(whole_number, "num_workers"), (number, "dist_timeout")])
def test_numbers_of_a_jobs_settings(check, name):
    with pytest.raises(SettingError, match=f"^{name} is 1000000000000000000; it must be (1000 or less|below 1e[+]06)"):
        check(name, 10**18)
    assert check(name, 60) == 60
    assert check("other", 10**9) == 10**9


@pytest.mark.parametrize(
    "value", [0, -1, 2**31, 10**400, 1.5, "3", None, [3], mx.nd.array([3])], ids=map(str, range(9))
)
@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("num_classes", lambda value: get_model("lenet", num_classes=value)),
        ("num_classes", lambda value: get_model("gluon:squeezenet1.0", num_classes=value)),
        ("ratio", lambda value: get_model("vgg11", ratio=value)),
        ("num_channels", lambda value: nin_block(value, 3, 1, 0)),
        ("kernel_size", lambda value: nin_block(3, value, 1, 0)),
        ("strides", lambda value: nin_block(3, 3, (1, value), 0)),
        ("num_convs", lambda value: vgg_block(value, 3)),
        ("num_channels", lambda value: vgg([(1, value)])),
        ("strides", lambda value: Residual(3, strides=value)),
    ],
)
def test_networks_name_a_number_that_does_not_fit(name, build, value):
    with pytest.raises(SettingError, match=f"^{name} is "):
        build(value)


@pytest.mark.parametrize("call", [lambda: vgg(3), lambda: vgg([3]), lambda: vgg([(1, 2, 3)])])
def test_blocks_of_vgg_are_pairs(call):
    with pytest.raises(GluonCNNError, match=r"^conv_arch is .*; it must be pairs of whole numbers"):
        call()


def test_sizes_may_be_two_numbers():
    block = nin_block(np.int64(3), (3, 5), strides=1, padding=[1, 2])
    assert (block[0]._kwargs["kernel"], block[0]._kwargs["pad"]) == ((3, 5), (1, 2))
    assert alexnet(padding=np.int8(1))[0]._kwargs["pad"] == (1, 1)


@pytest.mark.parametrize("shape", [3, None, "1111", mx.nd.ones((4,)), (1, 1, mx.nd.ones((1,)), 28)])
def test_shape_of_a_summary_is_four_numbers(shape):
    with pytest.raises(GluonCNNError, match=r"^shape is .*; a summary needs four sizes") as caught:
        summary(get_model("lenet"), shape)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("sample", [[], [float("nan")], [1.0, None], [float("inf"), 1.0]])
def test_samples_hold_finite_numbers(sample):
    for call in (mann_whitney, lambda a, b: percentile(1.0, a)):
        with pytest.raises(ComparisonError, match="must hold finite numbers, and at least one"):
            call(sample, [1.0])

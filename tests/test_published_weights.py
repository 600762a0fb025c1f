"""Published weights drawn by NumPy: equal to the bit to what MXNet draws after a notebook's own statements."""

import functools
import subprocess
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from gluon_cnn import published_weights as module
from gluon_cnn.models import find_network, get_model, list_models
from gluon_cnn.models.densenet import dense_block, transition_block
from gluon_cnn.models.parameters import copied_parameters
from gluon_cnn.models.resnet import Residual
from gluon_cnn.models.vgg import vgg11
from gluon_cnn.published_weights import EDITIONS, MODELS, published_shapes, published_weights
from gluon_cnn.recipe import PUBLISHED_EDITIONS
from gluon_cnn.runtime.array_mode import array_mode

# Of the first edition: mean, mean of absolute values and first element of the first and of the last weight tensor, as
# the notebooks' own statements draw them.
FIGURES = {
    "lenet": ((0.0070088, 0.0944966, -0.1665106), (-0.0050832, 0.1253205, -0.0507823)),
    "alexnet": ((0.0001107, 0.0113085, 0.0130082), (-0.0000984, 0.0191086, 0.0053172)),
    "vgg11": ((-0.0025892, 0.1027283, -0.1518278), (0.0000562, 0.0190236, 0.0206216)),
    "nin": ((-0.0000760, 0.0113277, -0.0214985), (0.0418167, 0.2648851, -0.5417033)),
    "googlenet": ((-0.0001031, 0.0214682, 0.0170459), (-0.0003859, 0.0382441, -0.0568033)),
    "resnet18": ((0.0000279, 0.0216068, -0.0292473), (0.0000827, 0.0540059, 0.0390563)),
    "densenet": ((-0.0003814, 0.0215645, 0.0167129), (0.0017394, 0.0640923, -0.0239662)),
}
#: Numbers in all arrays, running statistics among them.
NUMBERS = {
    "zh-v1": (44_426, 46_764_746, 43_093_322, 1_992_166, 5_977_530, 11_186_186, 990_634),
    "en": (61_706, 46_764_746, 43_093_322, 1_992_166, 5_977_530, 11_186_186, 764_834),
}
EACH = [(model, edition) for edition in EDITIONS for model in MODELS]


def replayed(model, edition):
    """The parameters of a network after the statements of its notebook, on MXNet's arrays of that edition."""
    with array_mode(edition == "en"):
        mx.random.seed(0)  # where a process begins
        takes = find_network(model).build.__kwdefaults__
        net = get_model(model, **({"edition": edition} if "edition" in takes else {}))
        _SHOWN[model](net)
        net.initialize(force_reinit=True, init=mx.init.Xavier())
        net((mx.np if edition == "en" else mx.nd).zeros((1, 1, find_network(model).side, find_network(model).side)))
        return {name: array.asnumpy() for name, array in copied_parameters(net).items()}


def example(*shape):
    return mx.np.random.uniform(size=shape) if mx.util.is_np_array() else mx.nd.random.uniform(shape=shape)


def show_layer_by_layer(side, net):
    net.collect_params().setattr("grad_req", "null")  # which draws nothing
    net.initialize()
    X = example(1, 1, side, side)
    for layer in net:
        X = layer(X)


def show_residuals(net):
    block = Residual(3)
    block.initialize()
    X = example(4, 3, 6, 6)
    block(X)
    block = Residual(6, use_1x1conv=True, strides=2)
    block.initialize()
    block(X)
    show_layer_by_layer(224, net)


def show_dense_block(net):
    block = dense_block(2, 10)
    block.initialize()
    Y = block(example(4, 3, 8, 8))
    block = transition_block(10)
    block.initialize()
    block(Y)


_SHOWN = {
    "lenet": functools.partial(show_layer_by_layer, 28),
    "alexnet": functools.partial(show_layer_by_layer, 224),
    "vgg11": lambda net: show_layer_by_layer(224, vgg11(ratio=1)),
    "nin": functools.partial(show_layer_by_layer, 224),
    "googlenet": functools.partial(show_layer_by_layer, 96),
    "resnet18": show_residuals,
    "densenet": show_dense_block,
}


@pytest.mark.parametrize(("model", "edition"), EACH)
def test_weights_are_those_of_the_notebooks_statements(model, edition):
    expected, drawn = replayed(model, edition), published_weights(model, edition)
    assert list(drawn) == list(expected)
    for name, array in expected.items():
        assert (drawn[name].dtype, drawn[name].shape) == (np.float32, array.shape)
        assert drawn[name].tobytes() == array.tobytes(), name
    assert sum(array.size for array in drawn.values()) == NUMBERS[edition][MODELS.index(model)]
    if edition == "zh-v1":
        tensors = [array for name, array in drawn.items() if name.endswith("weight")]
        for tensor, figures in zip((tensors[0], tensors[-1]), FIGURES[model]):
            found = (tensor.mean(dtype=float), np.abs(tensor).mean(dtype=float), tensor.flat[0])
            assert found == pytest.approx(figures, abs=6e-8)


def test_english_lenet_has_its_figures():
    weight = published_weights("lenet", "en")["0.weight"]
    assert (weight.mean(), np.abs(weight).mean()) == pytest.approx((0.0054580, 0.0956521), abs=6e-8)


def test_every_published_network_and_edition_has_weights():
    published = {find_network(model).published_as for model in list_models()} - {None}
    assert {find_network(model).published_as for model in MODELS} == published
    assert EDITIONS == PUBLISHED_EDITIONS


def test_arrays_belong_to_the_caller():
    for array in published_weights("lenet").values():
        array[:] = 1
    again = published_weights("lenet")
    assert (again["0.weight"].flat[0], again["0.bias"].any()) == (pytest.approx(-0.1665106), False)


NAMES = (np.array([["lenet", "zh-v1"], ["lenet", "en"]]),)


@pytest.mark.parametrize("function", [published_weights, published_shapes])
@pytest.mark.parametrize("wrong", [("lenet_bn",), (None,), ("lenet", "adam"), ("lenet", []), NAMES, ("lenet", *NAMES)])
def test_networks_and_editions_without_published_weights(function, wrong):
    with pytest.raises(
        ValueError, match=r"^No run of .* was published: use one of lenet, .* densenet, and one of zh-v1"
    ):
        function(*wrong)


def run_python(code, *arguments, **options):
    """What a new process prints, which has imported nothing yet."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, **options).stdout


def test_copied_alone_it_needs_numpy_only(tmp_path):
    (tmp_path / "published_weights.py").write_bytes(Path(module.__file__).read_bytes())
    code = """
import sys
from published_weights import published_weights
print(published_weights("lenet")["0.weight"].flat[0], {"mxnet", "gluon_cnn", "msgspec"} & set(sys.modules))
"""
    assert run_python(code, cwd=tmp_path) == "-0.16651058 set()\n"


def test_importing_it_does_not_import_mxnet():
    code = "import sys, gluon_cnn.published_weights; print({'mxnet', 'msgspec'} & set(sys.modules))"
    assert run_python(code) == "set()\n"

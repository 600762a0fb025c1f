"""Networks of your own that do not fit the data set: one sentence before a run begins."""

import pytest

from gluon_cnn import GluonCNNError, get_recipe
from gluon_cnn.training.run import Run
from gluon_cnn.training.train_run import train_run

SOURCE = """
from mxnet import autograd
from mxnet.gluon import nn


def chain(*layers):
    net = nn.Sequential()
    net.add(*layers)
    return net


def five():
    return chain(nn.Dense(5))


def pixels():
    return chain(nn.Conv2D(10, 3))


def frozen():
    net = chain(nn.Dense(10))
    net.collect_params().setattr("grad_req", "null")
    return net


def nothing():
    return chain()


def colour():
    return chain(nn.Conv2D(4, 3, in_channels=3), nn.Dense(10))


def large():
    return chain(nn.Conv2D(4, 50), nn.Dense(10))


class Raises(nn.Sequential):
    def forward(self, x):
        raise KeyError("nobody")


def raises():
    return Raises()


class Two(nn.Sequential):
    def forward(self, x):
        return x, x


def two():
    return Two()


def classes(num_classes=20):
    return chain(nn.Dense(num_classes))
"""


@pytest.fixture
def name_of(tmp_path):
    """A function that gives the name of a network in the file above."""
    (tmp_path / "unfit.py").write_text(SOURCE)
    return lambda function: f"{tmp_path / 'unfit.py'}:{function}"


def begin(directory, recipe):
    train_run(Run(directory, recipe), command="", quiet=True)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("five", "gives 1×5 numbers for one image, and the sample of Fashion-MNIST has 10 classes: let it give 1×10"),
        ("pixels", "gives 1×10×26×26 numbers for one image"),
        ("frozen", "has no parameter to train"),
        ("nothing", "fails for a batch of 1×1×28×28|has no parameter to train|gives"),
        ("colour", "fails for a batch of 1×1×28×28"),
        ("large", "fails for a batch of 1×1×28×28"),
        ("raises", "fails for a batch of 1×1×28×28 .*nobody"),
        ("two", "fails for a batch of 1×1×28×28"),
    ],
)
def test_unfit_network_is_refused_before_it_begins(tmp_path, name_of, function, message):
    recipe = get_recipe(name_of(function), data="sample", epochs=1, train_size=64, test_size=32, batch_size=32)
    with pytest.raises(GluonCNNError, match=message):
        begin(tmp_path / "run", recipe)
    assert not (tmp_path / "run").exists()


def test_number_of_classes_is_what_was_asked(tmp_path, name_of):
    assert get_recipe(name_of("classes"), num_classes=10).options == {}
    recipe = get_recipe(name_of("classes"), num_classes=20, data="sample", epochs=1, train_size=64, test_size=32)
    assert recipe.options == {"num_classes": 20}
    begin(tmp_path / "run", recipe)
    assert Run.open(tmp_path / "run").network("cpu")[-1]._units == 20

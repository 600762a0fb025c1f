"""Networks of a user's own file: what the function may be, and what each mistake is called."""

import textwrap

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn

from gluon_cnn import GluonCNNError, get_model, get_recipe
from gluon_cnn.data import FASHION_MNIST
from gluon_cnn.models import find_network
from gluon_cnn.training.run import Run, load_run
from gluon_cnn.training.setup import build_network
from gluon_cnn.training.train_run import train_run

NET = """
    from mxnet.gluon import nn

    def net(num_classes=10, width=4, hybrid=False):
        net = nn.HybridSequential() if hybrid else nn.Sequential()
        net.add(nn.Conv2D(width, 5, activation="relu"), nn.GlobalAvgPool2D(), nn.Dense(num_classes))
        return net
"""


@pytest.fixture
def own(tmp_path):
    """A function that writes ``mynet.py`` and gives the name of a network in it."""

    def write(source, function="net"):
        path = tmp_path / "mynet.py"
        path.write_text(textwrap.dedent(source))
        return f"{path}:{function}"

    return write


def test_arguments_of_the_function_are_options(own):
    name = own(NET)
    network = find_network(name)
    assert network.defaults == {"num_classes": 10, "width": 4}
    assert network.side == FASHION_MNIST.side
    net = get_model(name, hybrid=True, num_classes=3, width=2)
    net.initialize()
    assert isinstance(net, nn.HybridSequential)
    assert net(mx.nd.zeros((2, 1, 28, 28))).shape == (2, 3)
    with pytest.raises(GluonCNNError, match=r"has no option depth; it has num_classes, width"):
        get_model(name, depth=3)


def test_function_without_arguments_builds_one_network(own):
    name = own("from mxnet.gluon import nn\ndef net():\n    return nn.Dense(10)")
    assert isinstance(build_network(get_recipe(name), FASHION_MNIST, hybrid=True), nn.Dense)


def test_a_class_may_stand_for_its_function(own):
    source = """
        from mxnet.gluon import nn

        class Net(nn.HybridSequential):
            def __init__(self, num_classes=10, **options):
                super().__init__(**options)
                self.add(nn.Dense(num_classes))
    """
    assert find_network(own(source, "Net")).defaults == {"num_classes": 10}
    assert get_model(own(source, "Net"), num_classes=3, hybrid=True)[0]._units == 3


def test_file_runs_once_for_each_content(own, tmp_path):
    count = f"with open({str(tmp_path / 'log')!r}, 'a') as log:\n    log.write('ran ')\n"
    for source in (NET, NET, NET.replace("width=4", "width=6")):
        defaults = find_network(own(count + textwrap.dedent(source))).defaults
    assert (tmp_path / "log").read_text() == "ran ran "
    assert defaults["width"] == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "mynet.py"]  # and no __pycache__


def test_run_keeps_the_file_and_its_hash(own, tmp_path):
    name = own(NET)
    sizes = {"train_size": 64, "test_size": 50, "batch_size": 32, "epochs": 1}
    run = Run(tmp_path / "run", get_recipe(name, data="sample", width=3, **sizes))
    train_run(run, command="a test", quiet=True)
    images = mx.nd.ones((2, 1, 28, 28))
    logits = run.network(mx.cpu())(images).asnumpy()
    assert run.recipe.source == find_network(name).source
    assert (tmp_path / "run" / "mynet.py").read_bytes() == (tmp_path / "mynet.py").read_bytes()
    (tmp_path / "mynet.py").unlink()  # the copy is enough
    again = load_run(tmp_path / "run")
    assert again.recipe.options == {"width": 3}
    np.testing.assert_array_equal(again.network(mx.cpu())(images).asnumpy(), logits)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def net(:\n", r"mynet.py cannot be run \(SyntaxError: invalid syntax, line 1\): correct it"),
        ("\nimport no_such_package", r"cannot be run \(ModuleNotFoundError: .*'no_such_package', line 2\)"),
        ("import sys\nsys.exit(3)", r"cannot be run \(SystemExit: 3, line 2\)"),
        ("net = 3", r"mynet.py has no function 'net': name one that returns the network"),
        ("def other(): pass", "has no function 'net'"),
        ("def net(width, *more, depth): pass", r"mynet.py:net has no default for width, depth: give it one"),
        ("def net(): return 3", "mynet.py:net returned int, not a Gluon block"),
        ("def net():\n    raise ValueError('bad\\nworse')", r"mynet.py:net failed \(ValueError: bad, line 2\)"),
        ("import gluon_cnn\ndef net(): return gluon_cnn.vgg11(ratio=0)", r"failed \(SettingError: ratio .* line 2\)"),
        ("def net(lr=3): pass", r"mynet.py:net has an argument lr, which is the name of a setting: rename it"),
        ("def net(depth=3, *, workers=2): pass", r"has an argument workers, which is the name of a setting"),
        ("net = type", r"mynet.py:net does not say which arguments it has: name a function in Python"),
    ],
)
def test_mistakes_name_the_file_and_line(source, message, own):
    with pytest.raises(GluonCNNError, match=message) as caught:
        get_model(own(source))
    assert caught.value.settings == ("model",)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(GluonCNNError, match=r"mynet\.py cannot be read \(No such file or directory\)"):
        get_model(f"{tmp_path / 'mynet.py'}:net")

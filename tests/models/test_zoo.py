"""Networks of GluonCV's model zoo and of Gluon's: what is built, and how they are trained."""

import json
import subprocess
import sys

import gluon_cnn  # before mxnet, which it makes ready

# isort: split
import mxnet as mx
import numpy as np
import pytest
from PIL import Image
from runs import command

from gluon_cnn import GluonCNNError, get_model, get_recipe
from gluon_cnn.data import FASHION_MNIST, SAMPLE, DatasetInfo, read_fashion_mnist
from gluon_cnn.models.zoo import import_gluoncv
from gluon_cnn.training import epochs
from gluon_cnn.training.recipes import quick_changes
from gluon_cnn.training.run import Run, load_run
from gluon_cnn.training.run_names import default_name
from gluon_cnn.training.settings import Settings
from gluon_cnn.training.setup import build_network
from gluon_cnn.training.train_run import train_run

SMALL = {"data": "sample", "train_size": 64, "test_size": 50, "batch_size": 32, "epochs": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of GluonCV's ResNet-20 on two devices, compiled, and what its test pass began with: for each running
    statistic, whether both devices had the same values. Not to be changed."""
    run = Run(
        tmp_path_factory.mktemp("runs") / "resnet",
        get_recipe("gluoncv:cifar_resnet20_v1", **SMALL),
        Settings(ctx="cpu:0,1"),
    )
    same, test_epoch = [], epochs.test_epoch

    def look(net, *arguments, **options):
        for parameter in net.net.collect_params(".*running").values():
            one, two = parameter.list_data()
            same.append((one == two).asnumpy().all())
        return test_epoch(net, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(epochs, "test_epoch", look)
        train_run(run, command="a test", quiet=True)
    return run, same


@pytest.fixture
def zoo_run(trained):
    """The directory of that run."""
    return trained[0].directory


@pytest.mark.parametrize(
    ("name", "side", "parameters"),
    [
        ("gluoncv:cifar_resnet20_v1", 32, 272_474),
        ("gluoncv:mobilenet0.25", 224, 215_642),
        ("gluoncv:inceptionv3", 299, 21_806_058),
        ("gluoncv:resnet18_v1b", 224, 11_181_642),
        ("gluon:mobilenet0.25", 224, 215_642),
        ("gluon:squeezenet1.0", 224, 740_554),
    ],
)
def test_networks_of_both_zoos_take_grey_images(name, side, parameters):
    recipe = get_recipe(name)
    assert recipe.side == side
    summary = gluon_cnn.summary(build_network(recipe, FASHION_MNIST), (1, 1, side, side))
    assert summary.parameters == parameters
    assert summary.rows[0].output_shape == (1, 1, side, side)
    assert summary.rows[-1].output_shape == (1, 10)


def test_zoos_network_gets_three_equal_channels(images, tmp_path):
    net = get_model("gluoncv:CIFAR_ResNet20_v1", num_classes=3, hybrid=True)
    net.initialize()
    logits = net(images)
    np.testing.assert_array_equal(logits.asnumpy(), net[1](mx.nd.concat(images, images, images, dim=1)).asnumpy())
    net[1].save_parameters(str(tmp_path / "theirs.params"))
    theirs = import_gluoncv().model_zoo.get_model("cifar_resnet20_v1", classes=3, pretrained=False)
    theirs.load_parameters(str(tmp_path / "theirs.params"))
    assert {parameter.shape[1] for name, parameter in theirs.collect_params("conv0_weight").items()} <= {3, 16}
    np.testing.assert_array_equal(theirs(mx.nd.concat(images, images, images, dim=1)).asnumpy(), logits.asnumpy())


def test_zoos_network_takes_colour_as_it_is():
    colour = DatasetInfo("pictures", ("a", "b", "c"), channels=3, side=32)
    net = build_network(get_recipe("gluoncv:cifar_resnet20_v1"), colour)
    net.initialize()
    X = mx.nd.random.uniform(shape=(2, 3, 32, 32))
    np.testing.assert_array_equal(net(X).asnumpy(), net[1](X).asnumpy())
    grey = get_model("gluoncv:cifar_resnet20_v1", num_classes=3)
    grey.initialize()
    grey(mx.nd.zeros((1, 1, 32, 32)))
    shapes = [[parameter.shape for parameter in each.collect_params().values()] for each in (net, grey)]
    assert shapes[0] == shapes[1]


def test_recipes_are_plain_and_not_the_books():
    recipe = get_recipe("gluoncv:densenet121")
    assert (recipe.epochs, recipe.batch_size, recipe.optimizer, recipe.lr, recipe.momentum) == (5, 128, "sgd", 0.1, 0)
    assert (recipe.edition, recipe.init, recipe.nominal_step) == (None, "own", False)
    assert default_name(recipe) == "gluoncv-densenet121-seed0"
    assert quick_changes("gluoncv:densenet121") == {"epochs": 1}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "gluoncv:cifar_resnet21_v1",
            "no network 'cifar_resnet21_v1' in GluonCV's model zoo; the nearest are cifar_resnet20_v1, ",
        ),
        ("gluoncv:", "the nearest are "),
        ("gluoncv:ssd_300_vgg16_atrous_voc", "cannot be trained here, because .*; the nearest that do are vgg16"),
        ("gluoncv:resnest50", "cannot be trained here"),
        ("gluoncv:yolo3_darknet53_coco", "the nearest that do are .*darknet53"),
        ("gluoncv:resnet50_v1b_gn", "the nearest that do are resnet50_v1b"),
        ("gluon:resnet50_v1b", "no network 'resnet50_v1b' in Gluon's model zoo; the nearest are resnet50_v1"),
        ("torchvision:resnet18", "no model zoo 'torchvision'; write gluoncv:NAME or gluon:NAME"),
        (
            "cifar_resnet20_v1",
            "use one of alexnet, alexnet2012, .*, vgg11, gluoncv:NAME, gluon:NAME, or FILE",
        ),
    ],
)
def test_names_that_cannot_be_trained_are_refused(name, message):
    with pytest.raises(GluonCNNError, match=message):
        get_model(name)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("gluoncv:densenet121", {"side": 96}, r"An input of shape \(1, 1, 96, 96\) does not fit at densenet"),
        ("gluoncv:cifar_resnet20_v1", {"init": "published"}, "init is 'published', but no run"),
        ("gluoncv:cifar_resnet20_v1", {"final_relu": False}, "There is no setting final_relu"),
    ],
)
def test_settings_that_do_not_fit_train_nothing(name, changes, message, tmp_path):
    with pytest.raises(GluonCNNError, match=message):
        train_run(Run(tmp_path / "run", get_recipe(name, data="sample", **changes)), command="a test")
    assert not (tmp_path / "run").exists()


def test_options_and_arrays_that_do_not_fit(np_arrays):
    with pytest.raises(GluonCNNError, match=r"takes mx\.nd arrays only"):
        get_model("gluoncv:cifar_resnet20_v1")
    with pytest.raises(GluonCNNError, match="has no option ratio; it has num_classes"):
        get_model("gluon:vgg11", ratio=4)


def test_run_is_evaluated_as_it_was_tested(zoo_run):
    """Batch normalisation has running statistics, which each device gathers from its own images."""
    run = load_run(zoo_run)
    for ctx in ("cpu", "cpu:0,1"):
        assert run.evaluate(ctx) == (pytest.approx(run.history[-1].test_acc, abs=1e-6), 50)
    net = run.network(mx.cpu())
    moved = [p.data().asnumpy() for name, p in net.collect_params(".*running_mean").items()]
    assert all((mean != 0).any() for mean in moved)


def test_devices_test_with_one_set_of_statistics(trained):
    _, same = trained
    assert len(same) > 30
    assert all(same)


def test_predict_compare_and_report(zoo_run, tmp_path, capsys):
    Image.fromarray(read_fashion_mnist(SAMPLE).test.images[9]).save(tmp_path / "shoe.png")
    command("predict", zoo_run, tmp_path / "shoe.png")
    lines = capsys.readouterr().out.splitlines()
    named = {line.split("  ")[1] for line in lines if line.endswith("%")}
    assert len(named) == 4
    assert named <= set(FASHION_MNIST.classes)
    command("compare", zoo_run)
    assert "no run of gluoncv:cifar_resnet20_v1 was published" in capsys.readouterr().out
    command("report", zoo_run.parent)
    assert "no run of gluoncv:cifar_resnet20_v1 was published" in (zoo_run.parent / "report.md").read_text()


def test_run_and_summary_know_the_zoos_name(zoo_run, capsys):
    assert json.loads((zoo_run / "config.json").read_text())["recipe"]["model"] == "gluoncv:cifar_resnet20_v1"
    said = "training gluoncv:cifar_resnet20_v1 on cpu(0), cpu(1): 64 images of 32×32, second release, batch 32, sgd"
    assert said in (zoo_run / "train.log").read_text(encoding="utf-8")
    command("summary", "gluoncv:cifar_resnet20_v1")
    assert "272,474" in capsys.readouterr().out


def test_gluoncv_is_imported_late_and_beside_pytorch(tmp_path):
    """GluonCV refuses to be imported where PyTorch 2 is installed, and lets Pillow accept half a picture."""
    (tmp_path / "torch.py").write_text('__version__ = "2.13.0"\n')
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import gluon_cnn; assert 'gluoncv' not in sys.modules\n"
        "gluon_cnn.get_model('gluoncv:cifar_resnet20_v1'); assert 'torch' not in sys.modules\n"
        "import torch; print(torch.__version__)\n"
        "from PIL import ImageFile; assert not ImageFile.LOAD_TRUNCATED_IMAGES"
    )
    result = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("2.13.0\n", "")


def test_missing_gluoncv_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "gluoncv", None)
    with pytest.raises(GluonCNNError, match=r"GluonCV cannot be imported .* pip install gluoncv==0\.10\.5\.post0"):
        import_gluoncv.__wrapped__()  # its first call

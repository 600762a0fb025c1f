"""Networks of GluonCV's model zoo and of Gluon's: what they are here, and as runs."""

import json
import subprocess
import sys

import mxnet as mx
import numpy as np
import pytest
from PIL import Image

import gluon_cnn
from gluon_cnn import GluonCNNError, get_model, get_recipe
from gluon_cnn.cli import main
from gluon_cnn.data import CLASSES, SAMPLE, read_fashion_mnist
from gluon_cnn.models.zoo import import_gluoncv
from gluon_cnn.training import Run, read_history
from gluon_cnn.training.recipe import quick_changes
from gluon_cnn.training.run import default_name

SMALL = ["--data", "sample", "--train-size", "64", "--test-size", "50", "--batch-size", "32", "--epochs", "1"]


@pytest.fixture(scope="module")
def zoo_run(tmp_path_factory):
    """The directory of a finished run of GluonCV's ResNet-20 on two devices, compiled; not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "resnet"
    assert main(["train", "gluoncv:cifar_resnet20_v1", *SMALL, "--ctx", "cpu:0,1", "--out", str(out), "--quiet"]) == 0
    return out


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
def test_networks_of_both_zoos_for_grey_images_and_ten_classes(name, side, parameters):
    recipe = get_recipe(name)
    assert recipe.resize == side
    summary = gluon_cnn.summary(recipe.network(), (1, 1, side, side))
    assert summary.parameters == parameters
    assert summary.rows[0].output_shape == (1, 1, side, side)
    assert summary.rows[-1].output_shape == (1, 10)


def test_a_grey_image_becomes_three_equal_channels_and_the_zoos_network_is_inside(images, tmp_path):
    net = get_model("gluoncv:CIFAR_ResNet20_v1", num_classes=3, hybrid=True)
    net.initialize()
    logits = net(images)
    np.testing.assert_array_equal(logits.asnumpy(), net[1](mx.nd.concat(images, images, images, dim=1)).asnumpy())
    net[1].save_parameters(str(tmp_path / "theirs.params"))
    theirs = import_gluoncv().model_zoo.get_model("cifar_resnet20_v1", classes=3, pretrained=False)
    theirs.load_parameters(str(tmp_path / "theirs.params"))
    assert {parameter.shape[1] for name, parameter in theirs.collect_params("conv0_weight").items()} <= {3, 16}
    np.testing.assert_array_equal(theirs(mx.nd.concat(images, images, images, dim=1)).asnumpy(), logits.asnumpy())


def test_recipes_are_plain_and_nothing_of_them_is_the_books():
    recipe = get_recipe("gluoncv:densenet121")
    assert (recipe.epochs, recipe.batch_size, recipe.optimizer, recipe.lr, recipe.momentum) == (5, 128, "sgd", 0.1, 0)
    assert (recipe.edition, recipe.init, recipe.nominal_step) == (None, "seed", False)
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
        ("gluoncv:ssd_300_vgg16_atrous_voc", "cannot be trained here, for .*; the nearest that do are vgg16"),
        ("gluoncv:resnest50", "cannot be trained here"),
        ("gluoncv:yolo3_darknet53_coco", "the nearest that do are .*darknet53"),
        ("gluoncv:resnet50_v1b_gn", "the nearest that do are resnet50_v1b"),
        ("gluon:resnet50_v1b", "no network 'resnet50_v1b' in Gluon's model zoo; the nearest are resnet50_v1"),
        ("torchvision:resnet18", "no model zoo 'torchvision'; write gluoncv:NAME or gluon:NAME"),
        ("cifar_resnet20_v1", "use one of alexnet, lenet, nin, vgg11, gluoncv:NAME or gluon:NAME"),
    ],
)
def test_names_that_are_not_there_or_classify_nothing(name, message):
    with pytest.raises(GluonCNNError, match=message):
        get_model(name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gluoncv:densenet121", "--resize", "96"], "An input of shape (1, 1, 96, 96) does not fit at densenet"),
        (["gluoncv:cifar_resnet20_v1", "--edition", "en"], "gluoncv:cifar_resnet20_v1 is not of the book"),
        (["gluoncv:cifar_resnet20_v1", "--init", "book"], "no run of gluoncv:cifar_resnet20_v1 was published"),
        (["gluoncv:cifar_resnet20_v1", "--no-final-relu"], "final_relu is a setting of nin"),
    ],
)
def test_settings_that_a_zoos_network_cannot_have(arguments, message, fails, tmp_path):
    assert message in fails("train", *arguments, "--data", "sample", "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_arguments_and_arrays_that_a_zoos_network_does_not_take(np_arrays):
    with pytest.raises(GluonCNNError, match=r"takes mx\.nd arrays only"):
        get_model("gluoncv:cifar_resnet20_v1")
    with pytest.raises(GluonCNNError, match="has no argument ratio; it has num_classes, hybrid"):
        get_model("gluon:vgg11", ratio=4)


def test_a_run_is_evaluated_as_it_was_tested_with_the_statistics_of_its_first_device(zoo_run, capsys):
    """Batch normalisation has running statistics, which each device gathers from its own images."""
    tested = read_history(zoo_run)[-1].test_acc
    for ctx in ("cpu", "cpu:0,1"):
        assert main(["evaluate", str(zoo_run), "--ctx", ctx]) == 0
        assert f"test accuracy {tested:.4f} on 50 test images" in capsys.readouterr().out
    assert Run.open(zoo_run).recipe.edition is None
    net, _ = Run.open(zoo_run).network([mx.cpu()])
    moved = [p.data().asnumpy() for name, p in net.collect_params(".*running_mean").items()]
    assert all((mean != 0).any() for mean in moved)


def test_devices_test_with_one_set_of_statistics(tmp_path, monkeypatch):
    shared = []

    def look(net, *arguments):
        for parameter in net.collect_params(".*running").values():
            one, two = parameter.list_data()
            shared.append((one == two).asnumpy().all())
        return test_steps(net, *arguments)

    train_module = sys.modules["gluon_cnn.training.train"]
    test_steps = train_module.test_steps
    monkeypatch.setattr(train_module, "test_steps", look)
    arguments = ["train", "gluon:mobilenetv2_0.25", *SMALL, "--resize", "32", "--ctx", "cpu:0,1", "--quiet"]
    assert main([*arguments, "--out", str(tmp_path / "run")]) == 0
    assert len(shared) > 50
    assert all(shared)


def test_predict_compare_and_report(zoo_run, tmp_path, capsys):
    Image.fromarray(read_fashion_mnist(SAMPLE)[1].images[9]).save(tmp_path / "shoe.png")
    assert main(["predict", str(zoo_run), str(tmp_path / "shoe.png")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[0] for line in lines[1:]) == sorted(name.split()[0] for name in CLASSES)
    assert main(["compare", str(zoo_run)]) == 0
    assert "compared with nothing, for it is not the book's recipe: gluoncv:cifar_resnet20_v1 is not of the book" in (
        capsys.readouterr().out
    )
    assert main(["report", str(zoo_run.parent)]) == 0
    assert "gluoncv:cifar_resnet20_v1 is not of the book" in (zoo_run.parent / "report.md").read_text()
    assert (zoo_run / "curves.png").exists()


def test_directories_have_no_colon_and_summary_knows_the_zoo(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "gluoncv:cifar_resnet20_v1", *SMALL, "--quick"]) == 0
    (directory,) = (tmp_path / "runs").iterdir()
    assert directory.name == "gluoncv-cifar_resnet20_v1-quick-seed0"
    assert json.loads((directory / "config.json").read_text())["recipe"]["model"] == "gluoncv:cifar_resnet20_v1"
    assert "training gluoncv:cifar_resnet20_v1 on cpu(0): 64 images of 32×32, batch 32, sgd" in capsys.readouterr().out
    assert main(["summary", "gluoncv:cifar_resnet20_v1"]) == 0
    assert "272,474" in capsys.readouterr().out


def test_gluoncv_is_imported_when_it_is_used_and_beside_any_pytorch(tmp_path):
    """GluonCV refuses to be imported where PyTorch 2 is installed."""
    (tmp_path / "torch.py").write_text('__version__ = "2.13.0"\n')
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import gluon_cnn; assert 'gluoncv' not in sys.modules\n"
        "gluon_cnn.get_model('gluoncv:cifar_resnet20_v1'); assert 'torch' not in sys.modules\n"
        "import torch; print(torch.__version__)"
    )
    result = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("2.13.0\n", "")


def test_without_gluoncv_the_error_says_what_brings_it(monkeypatch, fails):
    code = (
        "import sys; sys.modules['gluoncv'] = None; from gluon_cnn.cli import main\n"
        "sys.exit(main(['summary', 'gluoncv:cifar_resnet20_v1']))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "and pip install gluoncv==0.10.5.post0" in result.stderr
    assert result.stderr.count("\n") == 1


def test_pillow_is_left_as_it_was():
    code = "from gluon_cnn.models.zoo import import_gluoncv; import_gluoncv(); from PIL import ImageFile"
    subprocess.run([sys.executable, "-c", f"{code}; assert not ImageFile.LOAD_TRUNCATED_IMAGES"], check=True)

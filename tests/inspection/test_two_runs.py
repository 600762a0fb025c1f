"""Two runs side by side: what differs, who is right where, and runs that cannot be asked about the same images."""

import dataclasses
import shutil

import numpy as np
import pytest
from our_runs import published_history, write_run
from pictures import make_folder
from PIL import Image
from runs import SMALL, train

from gluon_cnn import load_run
from gluon_cnn.errors import ModelError, SettingError
from gluon_cnn.inspection.answers import Answers, disagreement
from gluon_cnn.inspection.confusion import clopper_pearson
from gluon_cnn.inspection.two_runs import OnTestImages, TwoRuns, compare_two, most_confident_disagreements
from gluon_cnn.inspection.two_runs_page import two_runs_in_words, write_two_runs


@pytest.fixture(scope="module")
def other_run(tmp_path_factory):
    """A run of LeNet with another recipe, on fewer test images; not to be changed."""
    changes = {**SMALL, "test_size": 100, "edition": "adam", "seed": 3, "side": 32}
    return train(tmp_path_factory.mktemp("runs") / "other", **changes).directory


def test_two_runs_are_compared_on_the_same_images(lenet_run, other_run):
    runs = load_run(lenet_run), load_run(other_run)
    found = compare_two(*runs, ctx="cpu")
    tested = found.tested
    assert found.names == ("lenet", "other")
    assert found.why_not == ""
    assert ("side", "28 pixels", "32 pixels") in found.differences
    assert ("optimizer", "sgd", "adam") in found.differences
    assert ("seed", "0", "3") in found.differences
    assert tested.epochs == (2, 1)
    assert len(tested.answers[0].labels) == 100
    # As the run's own test pass answered, which was over the same images.
    assert tested.accuracy[1].value == pytest.approx(runs[1].history[-1].test_acc, abs=1e-6)
    assert tested.by_class.sum() == 100
    d = tested.disagreement
    assert tested.by_class.sum(axis=0).tolist() == [d.both_right, d.only_first_right, d.only_second_right, d.both_wrong]
    assert compare_two(*runs, ctx="cpu", images=30).tested.by_class.sum() == 30


def test_fewer_images_than_asked_for(lenet_run, other_run):
    runs = load_run(lenet_run), load_run(other_run)
    with pytest.raises(SettingError, match="images is 501, but there are only 500"):
        compare_two(*runs, ctx="cpu", images=501)
    with pytest.raises(SettingError, match="images is 0"):
        compare_two(*runs, images=0)


def test_one_run_twice_is_refused(lenet_run, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(lenet_run)
    with pytest.raises(SettingError, match="are the same run: name two runs"):
        compare_two(load_run(lenet_run), load_run(link))


def test_runs_begun_from_other_weights_differ(lenet_run, other_run):
    runs = changed(lenet_run, classes=("a",)), changed(other_run, classes=("b",))
    for run, weights in zip(runs, (None, "b" * 64)):
        run.recipe = dataclasses.replace(run.recipe, init="own", weights=weights)
    assert ("weights", "none", "b" * 12) in compare_two(*runs).differences
    runs[0].recipe = dataclasses.replace(runs[0].recipe, weights="a" * 64)
    assert ("weights", "a" * 12, "b" * 12) in compare_two(*runs).differences


def changed(run, **changes):
    """A run whose data set is said to be another."""
    run = load_run(run)
    run.dataset = dataclasses.replace(run.dataset, **changes)
    return run


def test_runs_on_other_data_are_not_asked(lenet_run, other_run, tmp_path):
    first = load_run(lenet_run)
    book = load_run(write_run(tmp_path / "book", published_history(), release="second").directory)
    torch = load_run(write_run(tmp_path / "torch", published_history(), release="second").directory)
    torch.config.framework = "PyTorch"
    shutil.copytree(lenet_run / "checkpoint", book.checkpoints)
    for run, why in (
        (torch, "torch was trained by PyTorch, so its network cannot be loaded"),
        (book, "the runs had different test images: sample data, second release and full data, second release"),
        (changed(other_run, classes=("a", "b")), "the runs have different classes"),
        (
            changed(other_run, sha256="0" * 64),
            "the runs had different test images: the files of their data sets differ",
        ),
    ):
        found = compare_two(first, run)
        assert found.tested is None
        assert found.why_not == why
        assert all(found.histories)
        assert two_runs_in_words(found).endswith(f"not compared on test images: {why}")
        assert write_two_runs(found, tmp_path / "out")[0].exists()


@pytest.mark.parametrize("parted", [False, True])
def test_folder_split_by_another_seed_is_not_compared(parted, tmp_path):
    place = make_folder(tmp_path / "place", parts=("train", "test") if parted else ("",), each=8)
    changes = {"data": "folder", "batch_size": 4, "epochs": 1, "init": "own"}
    options = {"settings": {"data_dir": str(place)}, **changes}
    runs = [train(tmp_path / f"seed{seed}", seed=seed, **options) for seed in (0, 1)]
    found = compare_two(*(load_run(run.directory) for run in runs), ctx="cpu", quiet=True)
    assert bool(found.tested) == parted
    assert found.why_not.startswith("" if parted else "the runs had different test images")
    words = two_runs_in_words(found)
    assert "seed    0  1" in words


def test_network_of_the_package_is_a_run_too(lenet_run):
    own, packaged = load_run(lenet_run), load_run("pretrained:lenet")
    found = compare_two(own, packaged)
    assert found.names == ("lenet", "pretrained:lenet")
    assert found.titles[1] == "lenet, en, seed 3: 10 of 10 epochs"
    assert len(found.histories[1]) == 10
    with pytest.raises(SettingError, match="pretrained:lenet and pretrained:lenet are the same run"):
        compare_two(packaged, load_run("pretrained:lenet"))
    assert compare_two(packaged, load_run("pretrained:nin"), ctx="cpu", images=1).names[1] == "pretrained:nin"


def test_run_without_checkpoint_keeps_its_curves(lenet_run, tmp_path):
    without = load_run(write_run(tmp_path / "lenet", published_history()).directory)
    found = compare_two(without, load_run(lenet_run))
    assert found.names == (str(tmp_path / "lenet"), str(lenet_run))
    assert found.why_not == f"{tmp_path}/lenet has no checkpoint, so its network is not there"
    assert len(found.histories[0]) == 5
    without.checkpoints.mkdir()
    assert compare_two(without, load_run(lenet_run)).why_not == found.why_not


def test_diverged_network_is_named(lenet_run, tmp_path, monkeypatch):
    copy = load_run(shutil.copytree(lenet_run, tmp_path / "copy"))

    def network(ctx=None, which="last"):
        net = load_run(lenet_run).network(ctx, which)
        net[-1].bias.set_data(net[-1].bias.data() * float("nan"))
        return net

    monkeypatch.setattr(copy, "network", network)
    with pytest.raises(ModelError, match=f"{tmp_path}/copy: .*no finite numbers"):
        compare_two(load_run(lenet_run), copy, ctx="cpu")


def made_up(labels, first, second, classes, names=("A", "B")):
    """Two runs in memory that gave these answers, each surer than the one before."""
    both = []
    for answered in (first, second):
        logits = np.zeros((len(labels), len(classes)))
        logits[np.arange(len(labels)), answered] = np.arange(1, len(labels) + 1)
        both.append(Answers(logits, np.array(labels)))
    right = [one.right for one in both]
    kinds = (right[0] & right[1], right[0] & ~right[1], ~right[0] & right[1], ~right[0] & ~right[1])
    by_class = np.stack([np.bincount(both[0].labels[kind], minlength=len(classes)) for kind in kinds], axis=1)
    images = np.random.RandomState(0).randint(0, 256, (len(labels), 9, 9), "uint8")
    shares = tuple(clopper_pearson(int(r.sum()), len(r)) for r in right)
    tested = OnTestImages((1, 2), tuple(both), shares, disagreement(*both), by_class, list(classes), images)
    histories = published_history(epochs=1), published_history(number=1, epochs=2)
    return TwoRuns(names, ("one", "two"), histories, [], tested, "")


def test_words_say_who_is_right_more_often(tmp_path):
    labels = [0] * 20
    found = made_up(labels, [0] * 20, [0] * 10 + [1] * 10, "xy")
    words = two_runs_in_words(found)
    assert "They answer differently to 10 of 20 images. Only A has 10 right, only B 0, both 10, neither 0." in words
    assert "McNemar's exact p = 0.00195: A is right more often" in words
    assert "1.0000 (0.8316 to 1.0000) right" in words
    assert "x              10      10       0           0" in words
    assert most_confident_disagreements(found.tested, 3).tolist() == [19, 18, 17]
    assert "which may be chance" in two_runs_in_words(made_up(labels, [0] * 20, [0] * 18 + [1] * 2, "xy"))
    assert "both are right equally often" in two_runs_in_words(made_up(labels, [0] * 20, [0] * 20, "xy"))


@pytest.mark.parametrize("classes", [1, 10, 60])
def test_page_shows_any_names(classes, tmp_path):
    random = np.random.RandomState(0)
    labels, first, second = random.randint(0, classes, (3, 80))
    names = [f"<b>$x^{number} 牛\n&" for number in range(classes)]
    found = made_up(labels, first, second, names, ("<i>$a$_\udcff", "b" * 300))
    page, *figures = write_two_runs(found, tmp_path / "deep" / "out")
    text = page.read_text(encoding="utf-8")
    assert "<b>$x" not in text
    assert "<i>$a$" not in text
    for figure in figures:  # whose words are not cut at its sides
        with Image.open(figure) as image:
            pixels = np.asarray(image.convert("L"))
        assert pixels[:, [0, -1]].min() == 255
    assert text.count("data:image/png") == min(12, len(found.tested.disagreement.different))
    assert {path.suffix for path in figures} == {".png"}
    assert ("those on which they disagree most" in text) == (classes > 20)
    two_runs_in_words(found)

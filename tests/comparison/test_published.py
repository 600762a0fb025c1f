import math
from statistics import median

import pytest

from gluon_cnn import published_runs
from gluon_cnn.errors import ComparisonError
from gluon_cnn.training.history import EpochResult


def test_the_whole_sample_is_there():
    models = ("lenet", "alexnet", "vgg", "nin", "googlenet", "resnet", "densenet")
    runs = [run for model in models for edition in ("zh-v1", "en", "zh-v2") for run in published_runs(model, edition)]
    assert len(runs) == len({run.name for run in runs}) == 778
    assert all(len(run.history) == (5 if run.edition == "zh-v1" else 10) for run in runs)
    assert all([result.epoch for result in run.history] == list(range(1, len(run.history) + 1)) for run in runs)
    assert all("@" in run.source and run.gpu in ("M60", "V100") for run in runs)


def test_a_run_as_it_was_published():
    run = published_runs("lenet", "zh-v1")[0]
    assert (run.name, run.model, run.edition, run.gpu) == ("zh-v1/lenet/01", "lenet", "zh-v1", "M60")
    first, *_, last = run.history
    assert first == EpochResult(1, 2.3203, 0.098, 0.100, 2.2, None)
    assert last.epoch == 5


def test_what_was_not_published_is_none():
    last = published_runs("nin", "en")[0].history[-1]
    assert last.seconds is None
    assert last.examples_per_sec > 1000


def test_what_was_not_finite_is_none():
    losses = [run.history[-1].train_loss for run in published_runs("googlenet", "en")]
    assert losses.count(None) == 2
    assert all(loss is None or math.isfinite(loss) for loss in losses)


def test_networks_names_are_known_in_any_case():
    assert published_runs("VGG11", "zh-v1") == published_runs("vgg", "zh-v1")


@pytest.mark.parametrize(("model", "edition"), [("nin", "adam"), ("vit", "en")])
def test_runs_that_nobody_published(model, edition):
    with pytest.raises(ComparisonError, match=f"No run of {model} was published in edition {edition}"):
        published_runs(model, edition)


def test_runs_of_changed_networks_are_told_apart():
    """Before April 2019 the DenseNet had more channels and learned more: 2 % by the median."""
    last = {
        other: [run.history[-1].train_loss for run in published_runs("densenet", "zh-v1") if run.revised is other]
        for other in (False, True)
    }
    assert [len(losses) for losses in last.values()] == [8, 8]
    assert median(last[True]) / median(last[False]) == pytest.approx(1.02, abs=0.001)
    assert [run.revised for run in published_runs("googlenet", "zh-v1")].count(True) == 9
    assert not any(run.revised for edition in ("en", "zh-v2") for run in published_runs("densenet", edition))

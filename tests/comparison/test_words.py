"""What a comparison says of the release: what it was worth for LeNet, and how large the gap is here."""

import dataclasses
import json
from pathlib import Path
from statistics import median

import pytest
from our_runs import RunInMemory, published_history

from gluon_cnn.comparison.compare import compare_run, compare_runs
from gluon_cnn.comparison.published import published_runs
from gluon_cnn.comparison.words import LENET_CHANGES, gap_in_words, release_in_words

DOCUMENTED = Path(__file__).parents[2] / "docs" / "runs" / "lenet"


def run_that_ends(loss, points, model="vgg", number=0, **changes):
    """A run that is the published one but for its end, a share of the loss and points from the published medians."""
    *history, last = published_history(model, number)
    medians = {
        name: median(getattr(run.history[-1], name) for run in published_runs(model, "zh-v1"))
        for name in ("train_loss", "test_acc")
    }
    end = {
        "train_loss": medians["train_loss"] * (1 + loss),
        "test_acc": medians["test_acc"] + points / 100,
    }
    changes = {"release": "second", **changes}
    return RunInMemory([*history, dataclasses.replace(last, **end)], model, **changes)


@pytest.mark.parametrize(
    ("loss", "points", "said"),
    [
        (-0.03, -1.3, "3.0% less train loss and 1.3 points less test accuracy"),
        (-0.011, -2, "1.1% less train loss and 2.0 points less test accuracy"),
        (-0.004, -1, "0.4% less train loss and 1.0 points less test accuracy"),
        (0.035, 0.7, "3.5% more train loss and 0.7 points more test accuracy"),
    ],
)
def test_gap_is_set_beside_the_releases(loss, points, said):
    run = run_that_ends(loss, points)
    for comparison in (compare_run(run), compare_runs([run])):
        assert gap_in_words(comparison) == f"{said} than the published median"
    sample = [run_that_ends(loss, points, number=number, seed=number) for number in range(3)]
    assert gap_in_words(compare_runs(sample)) == f"{said} than the published median"


@pytest.mark.parametrize("changes", [{"release": "first"}, {"init": "own"}])
def test_gap_of_another_cause_is_not_set_beside(changes):
    assert gap_in_words(compare_run(run_that_ends(-0.03, -1.3, **changes))) == ""


def test_gap_is_said_of_ends_outside_only():
    inside = RunInMemory(published_history("vgg"), "vgg", release="second")
    first, second = published_history("vgg", epochs=2)
    unfinished = RunInMemory([first, dataclasses.replace(second, test_acc=0.5)], "vgg", release="second", seed=1)
    for comparison in (compare_run(inside), compare_runs([inside]), compare_run(unfinished)):
        assert gap_in_words(comparison) == ""
    assert release_in_words(compare_run(inside)).endswith("and 0.3 to 0.8 points less test accuracy")
    outside = run_that_ends(-0.03, -1.3)
    assert gap_in_words(compare_runs([outside, unfinished])) == ""


def test_changes_of_lenet_are_those_measured():
    measured = {"train_loss": [], "test_acc": []}
    for edition in ("en", "zh-v1"):
        samples = json.loads((DOCUMENTED / f"comparison-lenet-{edition}.json").read_text(encoding="utf-8"))
        (sample,) = (sample for sample in samples if sample["initial_weights"] == "published")
        last = sample["epochs"][-1]
        loss, accuracy = ({side: last[name][side]["median"] for side in ("ours", "published")} for name in measured)
        measured["train_loss"].append(round(loss["ours"] / loss["published"] - 1, 3))
        measured["test_acc"].append(round(accuracy["ours"] - accuracy["published"], 3))
    assert {name: sorted(ends) for name, ends in LENET_CHANGES.items()} == {
        name: sorted(ends) for name, ends in measured.items()
    }

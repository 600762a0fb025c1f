from statistics import median

import pytest

from gluon_cnn.book import compare_run, compare_runs, published_runs
from gluon_cnn.book.compare import MEASURES, differences
from gluon_cnn.errors import ComparisonError
from gluon_cnn.training import get_recipe

LENET = get_recipe("lenet")
PUBLISHED = published_runs("lenet", "zh-v1")


def changed(history, **factors):
    """A history, each measure multiplied by a factor from some epoch on: ``train_loss=(3, 0.5)``."""
    for measure, (first, factor) in factors.items():
        history = [r._replace(**{measure: getattr(r, measure) * factor}) if r.epoch >= first else r for r in history]
    return history


@pytest.mark.parametrize("run", PUBLISHED, ids=lambda run: run.name)
def test_a_published_run_in_the_sample_that_contains_it(run):
    comparison = compare_run(LENET, run.history)
    assert comparison["verdict"] == "inside the published range at every epoch"
    assert comparison["published_runs"] == len(PUBLISHED) == 15
    for row in comparison["epochs"]:
        for measure in MEASURES:
            ours = getattr(run.history[row["epoch"] - 1], measure)
            sample = [getattr(other.history[row["epoch"] - 1], measure) for other in PUBLISHED]
            below, equal = sum(value < ours for value in sample), sum(value == ours for value in sample)
            assert row[measure]["percentile"] == pytest.approx(100 * (below + equal / 2) / 15)
            assert (row[measure]["minimum"], row[measure]["maximum"]) == (min(sample), max(sample))
            assert row[measure]["inside"]


@pytest.mark.parametrize(
    ("factors", "verdict"),
    [
        (
            {"train_loss": (3, 0.5)},
            "train loss below every published run from epoch 3 on (by 50.0% at most); "
            "otherwise inside the published range",
        ),
        (
            {"test_acc": (5, 1.02)},
            "test accuracy above every published run at epoch 5 (by 1.2%); otherwise inside the published range",
        ),
        (
            {"train_loss": (1, 2), "train_acc": (1, 0.5), "test_acc": (1, 0.5)},
            "train loss above every published run at every epoch (by 104.2% at most); "
            "train accuracy below every published run at every epoch (by 52.8% at most); "
            "test accuracy below every published run at every epoch (by 52.0% at most)",
        ),
    ],
)
def test_verdict(factors, verdict):
    # The run whose final losses and accuracies are in the middle of the published ones.
    middle = sorted(PUBLISHED, key=lambda run: run.history[-1].train_loss)[7]
    found = compare_run(LENET, changed(middle.history, **factors))["verdict"]
    words = [part.split(" (by ")[0] for part in found.split("; ")]
    assert words == [part.split(" (by ")[0] for part in verdict.split("; ")]


def test_how_far_outside_is_a_share_of_the_nearest_end():
    lowest = min(run.history[4].train_loss for run in PUBLISHED)
    history = [*PUBLISHED[0].history[:4], PUBLISHED[0].history[4]._replace(train_loss=round(lowest * 0.99, 4))]
    comparison = compare_run(LENET, history)
    place = comparison["epochs"][4]["train_loss"]
    assert place["beyond"] == pytest.approx(-0.01, abs=1e-4)
    assert (place["inside"], place["inside_widened"], place["percentile"]) == (False, True, 0)
    assert comparison["verdict"].startswith("train loss below every published run at epoch 5 (by 1.0%); otherwise")


def test_more_decimals_than_were_published_put_no_run_outside():
    highest = max(run.history[4].train_acc for run in PUBLISHED)
    history = [*PUBLISHED[0].history[:4], PUBLISHED[0].history[4]._replace(train_acc=highest + 0.0004)]
    assert compare_run(LENET, history)["epochs"][4]["train_acc"]["inside"]


def test_an_unfinished_run_is_compared_so_far():
    comparison = compare_run(LENET, PUBLISHED[0].history[:2])
    assert comparison["verdict"] == "so far (epoch 2 of 5) inside the published range at every epoch"
    assert len(comparison["epochs"]) == 2


def test_what_differs_from_the_book_is_named():
    recipe = get_recipe("nin", resize=96, epochs=1, data="sample")
    assert differences(recipe) == ["epochs 1, not 5", "resize 96, not 224", "data sample, not full"]
    with pytest.raises(ComparisonError, match="resize 96, not 224"):
        compare_run(recipe, PUBLISHED[0].history)


@pytest.mark.parametrize("changes", [{}, {"seed": 7}, {"init": "seed"}])
def test_seed_and_initial_weights_are_free(changes):
    assert differences(get_recipe("nin", **changes)) == []


def test_an_edition_without_published_runs_is_refused():
    assert differences(get_recipe("nin", "adam")) == ["edition adam, of which no run was published"]
    with pytest.raises(ComparisonError, match="of which no run was published"):
        compare_run(get_recipe("nin", "adam"), PUBLISHED[0].history)


def test_no_epoch_and_too_many_are_refused():
    with pytest.raises(ComparisonError, match="no epoch"):
        compare_run(LENET, [])
    with pytest.raises(ComparisonError, match="has 6 epochs"):
        compare_run(LENET, [*PUBLISHED[0].history, PUBLISHED[0].history[4]])


def test_several_runs_as_a_sample():
    lower = [changed(run.history, train_loss=(5, 0.9)) for run in PUBLISHED[:6]]
    runs = [(get_recipe("lenet", seed=seed), history) for seed, history in enumerate(lower)]
    comparison = compare_runs([*runs, (get_recipe("lenet", seed=9), PUBLISHED[6].history[:3])])
    assert comparison["initial_weights"] == "replayed"
    assert comparison["runs_finished"] == 6
    loss = comparison["tests"]["train_loss"]
    assert (loss["ours_runs"], loss["published_runs"]) == (6, 15)
    assert (loss["mann_whitney_u"], loss["ks_distance"]) == (0, 1)
    assert loss["mann_whitney_p"] == pytest.approx(2 / 54264)  # of the ways to choose 6 of 21
    assert comparison["epochs"][2]["train_loss"]["ours"]["runs"] == 7
    assert comparison["verdict"].startswith(
        "0 of 6 runs inside the published range throughout (of the published ones, each held against the others, "
        "6 of 15); 1 of 7 runs not finished; the median train loss of epoch 5 is "
    )


def test_a_seed_counts_once_however_often_it_was_run():
    runs = [(get_recipe("lenet", seed=seed), PUBLISHED[seed].history) for seed in (0, 1)]
    again = (get_recipe("lenet", seed=0), PUBLISHED[0].history[:2])
    comparison = compare_runs([again, *runs])
    assert (comparison["seeds"], comparison["repeats_left_out"], comparison["runs_finished"]) == ([0, 1], 1, 2)
    assert comparison["tests"]["test_acc"]["ours_runs"] == 2


def test_one_run_is_no_sample_to_test():
    comparison = compare_runs([(LENET, PUBLISHED[0].history)])
    assert comparison["tests"] == {}
    assert comparison["verdict"] == "inside the published range at every epoch"


def test_speeds_are_told_for_each_gpu():
    slow, fast = (
        sorted(r.seconds for run in PUBLISHED if run.gpu == gpu for r in run.history) for gpu in ("M60", "V100")
    )
    throughput = compare_run(LENET, PUBLISHED[0].history)["throughput"]
    assert throughput["what"] == "seconds"
    assert throughput["published"] == {"M60": median(slow), "V100": median(fast)}


def test_collapsed_runs_are_counted():
    published = published_runs("nin", "en")
    known = [run.history for run in published if None not in [value for r in run.history for value in r[1:4]]]
    runs = [(get_recipe("nin", "en", seed=seed), history) for seed, history in enumerate(known)]
    assert compare_runs(runs)["collapsed"] == {
        "ours": {"collapsed": 3, "runs": 61},  # two that collapsed have epochs that could not be read
        "published": {"collapsed": 5, "runs": 63},
    }


def test_replayed_and_own_weights_are_not_one_sample():
    runs = [(LENET, PUBLISHED[0].history), (get_recipe("lenet", init="seed"), PUBLISHED[1].history)]
    with pytest.raises(ComparisonError, match="kind of initial weights"):
        compare_runs(runs)


@pytest.mark.parametrize("model", ["lenet", "alexnet", "vgg11", "nin"])
@pytest.mark.parametrize("edition", ["zh-v1", "en"])
def test_every_network_of_ours_has_published_runs_at_every_epoch(model, edition):
    recipe = get_recipe(model, edition)
    histories = [run.history for run in published_runs(model, edition)]
    known = [history for history in histories if None not in [value for r in history for value in r[1:4]]]
    assert len(known) >= 14
    for history in known:
        assert compare_run(recipe, history)["verdict"] == "inside the published range at every epoch"


def test_how_many_published_runs_are_inside_the_range_of_the_others():
    inside = 0
    for run in PUBLISHED:
        others = [other for other in PUBLISHED if other is not run]
        inside += all(
            min(getattr(other.history[epoch], measure) for other in others)
            <= getattr(run.history[epoch], measure)
            <= max(getattr(other.history[epoch], measure) for other in others)
            for measure in MEASURES
            for epoch in range(5)
        )
    comparison = compare_runs([(get_recipe("lenet", seed=seed), PUBLISHED[seed].history) for seed in (0, 1)])
    assert f"each held against the others, {inside} of 15)" in comparison["verdict"]


def test_an_accuracy_is_outside_by_points():
    highest = max(run.history[4].test_acc for run in PUBLISHED)
    history = [*PUBLISHED[0].history[:4], PUBLISHED[0].history[4]._replace(test_acc=highest + 0.012)]
    assert compare_run(LENET, history)["verdict"] == (
        "test accuracy above every published run at epoch 5 (by 1.2 points); otherwise inside the published range"
    )

import dataclasses
from statistics import median

import pytest
from our_runs import RunInMemory, published_history, write_run

from gluon_cnn.comparison.compare import compare_run, compare_runs
from gluon_cnn.comparison.published import published_runs
from gluon_cnn.errors import ComparisonError
from gluon_cnn.training.directory import RunDirectory
from gluon_cnn.training.history import MEASURES

PUBLISHED = published_runs("lenet", "zh-v1")
INSIDE = "inside the published range at every epoch"


def changed(result, **values):
    return dataclasses.replace(result, **values)


def scaled(history, **factors):
    """A history, each measure multiplied by a factor from some epoch on: ``train_loss=(3, 0.5)``."""
    for name, (first, factor) in factors.items():
        history = [changed(r, **{name: getattr(r, name) * factor}) if r.epoch >= first else r for r in history]
    return history


def last_changed(**values):
    """The first published run's history with another last epoch."""
    *before, last = PUBLISHED[0].history
    return [*before, changed(last, **values)]


@pytest.mark.parametrize("run", PUBLISHED, ids=lambda run: run.name)
def test_published_run_is_inside_its_own_sample(run):
    comparison = compare_run(RunInMemory(run.history))
    assert comparison["verdict"] == INSIDE
    assert comparison["published_runs"] == len(PUBLISHED) == 15
    for row in comparison["epochs"]:
        for name in MEASURES:
            ours = getattr(run.history[row["epoch"] - 1], name)
            sample = [getattr(other.history[row["epoch"] - 1], name) for other in PUBLISHED]
            below, equal = sum(value < ours for value in sample), sum(value == ours for value in sample)
            assert row[name]["percentile"] == pytest.approx(100 * (below + equal / 2) / 15)
            assert (row[name]["minimum"], row[name]["maximum"]) == (min(sample), max(sample))
            assert row[name]["inside"]


@pytest.mark.parametrize(
    ("factors", "verdict"),
    [
        (
            {"train_loss": (3, 0.5)},
            ["train loss below every published run from epoch 3 on", "otherwise inside the published range"],
        ),
        (
            {"test_acc": (5, 1.02)},
            ["test accuracy above every published run at epoch 5", "otherwise inside the published range"],
        ),
        (
            {"train_loss": (1, 2), "train_acc": (1, 0.5), "test_acc": (1, 0.5)},
            [
                "train loss above every published run at every epoch",
                "train accuracy below every published run at every epoch",
                "test accuracy below every published run at every epoch",
            ],
        ),
    ],
)
def test_verdict_says_where_a_run_is_outside(factors, verdict):
    # The run whose final losses and accuracies are in the middle of the published ones.
    middle = sorted(PUBLISHED, key=lambda run: run.history[-1].train_loss)[7]
    found = compare_run(RunInMemory(scaled(middle.history, **factors)))["verdict"]
    assert [part.split(" (by ")[0] for part in found.split("; ")] == verdict


def test_distance_is_a_share_of_the_nearest_end():
    lowest = min(run.history[4].train_loss for run in PUBLISHED)
    comparison = compare_run(RunInMemory(last_changed(train_loss=round(lowest * 0.99, 4))))
    place = comparison["epochs"][4]["train_loss"]
    assert place["beyond"] == pytest.approx(-0.01, abs=1e-4)
    assert (place["inside"], place["inside_widened"], place["percentile"]) == (False, True, 0)
    assert comparison["verdict"].startswith("train loss below every published run at epoch 5 (by 1.0%); otherwise")


def test_accuracy_is_outside_by_points():
    highest = max(run.history[4].test_acc for run in PUBLISHED)
    assert compare_run(RunInMemory(last_changed(test_acc=highest + 0.012)))["verdict"] == (
        "test accuracy above every published run at epoch 5 (by 1.2 points); otherwise inside the published range"
    )


def test_unpublished_decimals_put_no_run_outside():
    highest = max(run.history[4].train_acc for run in PUBLISHED)
    comparison = compare_run(RunInMemory(last_changed(train_acc=highest + 0.0004)))
    assert comparison["epochs"][4]["train_acc"]["inside"]


def test_unfinished_run_is_compared_so_far():
    comparison = compare_run(RunInMemory(PUBLISHED[0].history[:2]))
    assert comparison["verdict"] == f"so far (epoch 2 of 5) {INSIDE}"
    assert len(comparison["epochs"]) == 2


def diverged(directory, epochs, problem="The loss is no longer finite in epoch 3, step 455", **changes):
    """A run that ended so, read from its directory."""
    write_run(directory, published_history(epochs=epochs), **changes).note_divergence(problem)
    return RunDirectory.open(directory)


@pytest.mark.parametrize(
    "problem", ["The loss is no longer finite in epoch 3", "The loss is no\nlonger finite in epoch 3."]
)
def test_verdict_begins_with_a_divergence(tmp_path, problem):
    run = diverged(tmp_path / "run", 2, problem)
    said = f"the loss is no longer finite in epoch 3; before that {INSIDE}"
    assert compare_run(run)["verdict"] == said
    alone = compare_runs([run])
    assert (alone["verdict"], alone["collapsed"]["ours"]) == (said, {"collapsed": 1, "runs": 1})


def test_resumed_run_no_longer_diverged(tmp_path):
    run = diverged(tmp_path / "run", 2)
    run.write_config("gluon-cnn train", 2)
    assert compare_run(run)["verdict"] == f"so far (epoch 2 of 5) {INSIDE}"


def test_sample_counts_runs_that_diverged(tmp_path):
    runs = [RunInMemory(run.history, seed=seed) for seed, run in enumerate(PUBLISHED[:2])]
    unfinished = RunInMemory(PUBLISHED[0].history[:3], seed=3)
    comparison = compare_runs([*runs, unfinished, diverged(tmp_path / "run", 2, seed=7)])
    assert comparison["collapsed"]["ours"] == {"collapsed": 1, "runs": 3}
    assert comparison["runs_finished"] == 2
    assert comparison["verdict"].startswith(
        "1 of 4 runs diverged (seed 7: the loss is no longer finite in epoch 3, step 455); 2 of 2 runs inside "
    )
    assert "; 1 of 4 runs not finished; " in comparison["verdict"]


@pytest.mark.parametrize("history", [True, False])
def test_run_that_diverged_at_once_says_so(tmp_path, history):
    run = diverged(tmp_path / "run", 1)
    header = run.history_path.read_text().splitlines()[0]
    run.history_path.unlink()
    if history:
        run.history_path.write_text(f"{header}\n")
    with pytest.raises(ComparisonError, match=r"no epoch to compare, because it diverged \(the loss is no longer"):
        compare_run(run)


def test_seed_and_initial_weights_are_free():
    for changes in ({}, {"seed": 7}, {"init": "own"}):
        assert compare_run(RunInMemory(PUBLISHED[0].history, **changes))["verdict"] == INSIDE


@pytest.mark.parametrize(
    ("history", "recipe", "reason"),
    [
        (PUBLISHED[0].history, {"epochs": 1, "side": 96, "data": "sample"}, "1 epoch instead of 5; 96 pixels instead"),
        (PUBLISHED[0].history, {"edition": "adam"}, "no run of lenet in edition adam was published"),
        ([], {}, "no epoch"),
    ],
)
def test_runs_that_cannot_be_compared(history, recipe, reason):
    with pytest.raises(ComparisonError, match=reason):
        compare_run(RunInMemory(history, **recipe))


def test_several_runs_are_a_sample():
    runs = [RunInMemory(scaled(run.history, train_loss=(5, 0.9)), seed=seed) for seed, run in enumerate(PUBLISHED[:6])]
    comparison = compare_runs([*runs, RunInMemory(PUBLISHED[6].history[:3], seed=9)])
    assert comparison["initial_weights"] == "published"
    assert comparison["runs_finished"] == 6
    loss = comparison["tests"]["train_loss"]
    assert (loss["ours_runs"], loss["published_runs"]) == (6, 15)
    assert (loss["mann_whitney_u"], loss["ks_distance"]) == (0, 1)
    assert loss["mann_whitney_p"] == pytest.approx(2 / 54264)  # of the ways to choose 6 of 21
    assert comparison["epochs"][2]["train_loss"]["ours"]["runs"] == 7
    assert comparison["verdict"].startswith(
        "0 of 6 runs inside the published range at every epoch (of the published runs, 6 of 15 are inside the range of "
        "the others); 1 of 7 runs not finished; the median train loss after epoch 5 is "
    )


def test_seed_counts_once_however_often_it_ran():
    runs = [RunInMemory(PUBLISHED[seed].history, seed=seed) for seed in (0, 1)]
    comparison = compare_runs([RunInMemory(PUBLISHED[0].history[:2], seed=0), *runs])
    assert (comparison["seeds"], comparison["repeats_left_out"], comparison["runs_finished"]) == ([0, 1], 1, 2)
    assert comparison["tests"]["test_acc"]["ours_runs"] == 2


def test_single_run_is_not_tested():
    run = RunInMemory(PUBLISHED[0].history)
    for runs in ([run], [run, RunInMemory(PUBLISHED[0].history[:2])]):
        comparison = compare_runs(runs)
        assert comparison["tests"] == {}
        assert comparison["verdict"] == INSIDE


def test_speeds_are_given_for_each_gpu():
    slow, fast = (
        sorted(r.seconds for run in PUBLISHED if run.gpu == gpu for r in run.history) for gpu in ("M60", "V100")
    )
    throughput = compare_run(RunInMemory(PUBLISHED[0].history))["throughput"]
    assert throughput["what"] == "seconds"
    assert throughput["published"] == {"M60": median(slow), "V100": median(fast)}


def known(histories):
    """Those histories that have every measure of every epoch."""
    return [h for h in histories if None not in [getattr(r, name) for r in h for name in MEASURES]]


def test_collapsed_runs_are_counted():
    histories = known(run.history for run in published_runs("nin", "en"))
    runs = [RunInMemory(history, "nin", "en", seed=seed) for seed, history in enumerate(histories)]
    assert compare_runs(runs)["collapsed"] == {
        "ours": {"collapsed": 3, "runs": 61},  # two that collapsed have epochs that could not be read
        "published": {"collapsed": 5, "runs": 63},
    }


def test_published_and_own_weights_are_two_samples():
    runs = [RunInMemory(PUBLISHED[0].history), RunInMemory(PUBLISHED[1].history, init="own")]
    with pytest.raises(ComparisonError, match="kind of initial weights"):
        compare_runs(runs)


@pytest.mark.parametrize("model", ["lenet", "alexnet", "vgg11", "nin"])
@pytest.mark.parametrize("edition", ["zh-v1", "en"])
def test_every_network_of_ours_has_published_runs(model, edition):
    histories = known(run.history for run in published_runs(model, edition))
    assert len(histories) >= 14
    for history in histories:
        assert compare_run(RunInMemory(history, model, edition))["verdict"] == INSIDE


def test_verdict_says_how_many_published_are_inside():
    inside = 0
    for run in PUBLISHED:
        others = [other for other in PUBLISHED if other is not run]
        inside += all(
            min(getattr(other.history[epoch], name) for other in others)
            <= getattr(run.history[epoch], name)
            <= max(getattr(other.history[epoch], name) for other in others)
            for name in MEASURES
            for epoch in range(5)
        )
    comparison = compare_runs([RunInMemory(PUBLISHED[seed].history, seed=seed) for seed in (0, 1)])
    assert f"of the published runs, {inside} of 15 are inside the range of the others" in comparison["verdict"]

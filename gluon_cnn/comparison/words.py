"""Comparisons as text for a terminal."""

from gluon_cnn.comparison.gpu_settings import settings_in_words
from gluon_cnn.comparison.published import PUBLISHED_RELEASE
from gluon_cnn.comparison.statistics import rounded_as
from gluon_cnn.training.history import MEASURES

__all__ = [
    "LENET_CHANGES",
    "framework_in_words",
    "gap_in_words",
    "release_in_words",
    "run_in_words",
    "runs_in_words",
    "throughput_in_words",
]

#: What the other release was worth for LeNet, from published weights: the smallest and largest change of the published
#: median after the last epoch, a share of the train loss and a difference of the test accuracy (docs/results.md).
LENET_CHANGES = {"train_loss": (-0.011, -0.014), "test_acc": (-0.003, -0.008)}

_GPUS = {"M60": "Tesla M60", "V100": "V100-SXM2"}


def run_in_words(comparison):
    """One run's comparison (see :func:`gluon_cnn.comparison.compare.compare_run`): epochs, verdict, speed."""
    c = comparison
    lines = [
        f"{c['model']}, {c['edition']}, seed {c['seed']}, {framework_in_words(c)}from {c['initial_weights']} initial "
        f"weights, beside {c['published_runs']} published runs",
        f"{'':14} epoch   ours | published:  min  median     max  runs | percentile",
    ]
    for name, column in MEASURES.items():
        for row in c["epochs"]:
            p = row[name]
            side = "" if p["inside"] else " below all" if p["beyond"] < 0 else " above all"
            lines.append(
                f"{column.words if row['epoch'] == 1 else '':14} {row['epoch']:>5} {p['ours']:>6.4f} | "
                f"{p['minimum']:>15.4f} {p['median']:>7.4f} {p['maximum']:>7.4f} {p['runs']:>5} | "
                f"{p['percentile']:>3.0f}{side}"
            )
    return "\n".join([*lines, *_ending(c), *settings_in_words(c)])


def runs_in_words(comparison):
    """Several runs' comparison (see :func:`gluon_cnn.comparison.compare.compare_runs`): last epoch, tests, verdict."""
    c = comparison
    last = c["epochs"][-1]
    repeats = f"; left out: {c['repeats_left_out']} with a seed that is already there" if c["repeats_left_out"] else ""
    lines = [
        f"{c['model']}, {c['edition']}, {len(c['seeds'])} runs {framework_in_words(c)}from {c['initial_weights']} "
        f"initial weights (seeds {', '.join(map(str, c['seeds']))}{repeats}), beside {c['published_runs']} published "
        "runs",
        f"{'epoch ' + str(last['epoch']):14} {'':9} {'runs':>5} {'min':>8} {'median':>8} {'max':>8}",
    ]
    for name, column in MEASURES.items():
        for side in ("ours", "published"):
            s = last[name][side]
            lines.append(
                f"{column.words if side == 'ours' else '':14} {side:9} {s['runs']:>5} "
                f"{s['minimum']:>8.4f} {s['median']:>8.4f} {s['maximum']:>8.4f}"
            )
        if name in c["tests"]:
            t = c["tests"][name]
            lines.append(
                f"{'':14} {t['ours_runs']} and {t['published_runs']} runs: Mann–Whitney U {t['mann_whitney_u']:g}, "
                f"exact p {t['mann_whitney_p']:.3g}; Kolmogorov–Smirnov distance {t['ks_distance']:.2f}"
            )
    counts = [(side, c["collapsed"][side]) for side in ("ours", "published")]
    collapsed = ", ".join(f"{n['collapsed']} of {n['runs']} {side}" for side, n in counts)
    return "\n".join([*lines, f"collapsed: {collapsed}", *_ending(c), *settings_in_words(c)])


def _ending(c):
    return [
        f"verdict: {c['verdict']}",
        f"data: {release_in_words(c)}",
        *([f"gap: {gap_in_words(c)}"] if gap_in_words(c) else []),
        f"speed: {throughput_in_words(c)}",
    ]


def framework_in_words(comparison):
    """What trained the runs, as ``by PyTorch, ``; nothing if this package did."""
    return f"by {comparison['framework']}, " if "framework" in comparison else ""


def release_in_words(comparison):
    """Which release of Fashion-MNIST the runs had, and what it is worth for LeNet if it is not the published runs'."""
    release = comparison["release"]
    if release == PUBLISHED_RELEASE:
        return f"the {release} release of Fashion-MNIST, as in the published runs"
    ours = f"the {release} release of Fashion-MNIST" if release else "a release of Fashion-MNIST that is not known"
    (least, most), (few, many) = LENET_CHANGES.values()
    return (
        f"{ours}; the published runs had the {PUBLISHED_RELEASE}, which splits the images differently: for LeNet that "
        f"was worth {-100 * least:.1f} to {-most:.1%} less train loss and {-100 * few:.1f} to {-100 * many:.1f} points "
        "less test accuracy"
    )


def gap_in_words(comparison):
    """How far train loss and test accuracy end from the published medians.

    Returns
    -------
    str
        Empty if a run is not finished, all are inside the published range, they had the published runs' release, or
        began from weights of their own, which alone move the end further.
    """
    c = comparison
    done = c["runs_finished"] == len(c["seeds"]) if "seeds" in c else c["epochs_done"] == c["epochs_of_recipe"]
    outside = any(_is_outside(row[name]) for row in c["epochs"] for name in MEASURES)
    if c["release"] == PUBLISHED_RELEASE or c["initial_weights"] != "published" or not (done and outside):
        return ""
    last = c["epochs"][-1]
    (loss, published_loss), (accuracy, published_accuracy) = (_medians(last[name]) for name in LENET_CHANGES)
    loss, accuracy = loss / published_loss - 1, accuracy - published_accuracy
    return (
        f"{abs(loss):.1%} {_direction(loss)} train loss and {100 * abs(accuracy):.1f} points {_direction(accuracy)} "
        "test accuracy than the published median"
    )


def _medians(place):
    """Our median and the published one, of a run's or of a sample's comparison."""
    if "median" in place:
        return place["ours"], place["median"]
    return place["ours"]["median"], place["published"]["median"]


def _is_outside(place):
    """Whether ours, or one of them, is outside the published range."""
    if "inside" in place:
        return not place["inside"]
    ours, published = place["ours"], place["published"]
    ends = published["minimum"], published["maximum"]
    return rounded_as(ends, ours["minimum"]) < ends[0] or rounded_as(ends, ours["maximum"]) > ends[1]


def _direction(change):
    return "less" if change < 0 else "more"


def throughput_in_words(comparison):
    """How fast ours and the published runs were, without a judgement."""
    speed = comparison["throughput"]
    if speed["what"] == "seconds":
        theirs = " and ".join(f"{value:,.1f} s on a {_GPUS[gpu]}" for gpu, value in speed["published"].items())
        return f"an epoch with its test pass took {speed['ours']:,.1f} s here; in the published runs {theirs} (medians)"
    theirs = " and ".join(f"{value:,.0f} on a {_GPUS[gpu]}" for gpu, value in speed["published"].items())
    return (
        f"training ran at {speed['ours']:,.0f} images/s here; in the published runs at {theirs}, without loading "
        "(medians)"
    )

"""Comparisons as text for a terminal."""

from gluon_cnn.comparison.published import PUBLISHED_RELEASE
from gluon_cnn.training.history import MEASURES

__all__ = ["framework_in_words", "release_in_words", "run_in_words", "runs_in_words", "throughput_in_words"]

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
    return "\n".join([*lines, *_ending(c)])


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
    return "\n".join([*lines, f"collapsed: {collapsed}", *_ending(c)])


def _ending(c):
    return [
        f"verdict: {c['verdict']}",
        f"data: {release_in_words(c['release'])}",
        f"speed: {throughput_in_words(c)}",
    ]


def framework_in_words(comparison):
    """What trained the runs, as ``by PyTorch, ``; nothing if this package did."""
    return f"by {comparison['framework']}, " if "framework" in comparison else ""


def release_in_words(release):
    """Which release of Fashion-MNIST a run had, and what that is worth beside the published ones."""
    if release == PUBLISHED_RELEASE:
        return f"the {release} release of Fashion-MNIST, as in the published runs"
    ours = f"the {release} release of Fashion-MNIST" if release else "a release of Fashion-MNIST that is not known"
    return (
        f"{ours}; the published runs had the {PUBLISHED_RELEASE}, which splits the images differently, and that is "
        "worth about a per cent of the loss"
    )


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

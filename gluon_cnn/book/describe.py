"""Comparisons as text for a terminal."""

from gluon_cnn.book.compare import MEASURES

__all__ = ["describe_run", "describe_runs", "throughput", "weights"]

_GPUS = {"M60": "Tesla M60", "V100": "V100-SXM2"}


def weights(comparison):
    """Which initial weights the runs had, in words."""
    words = {"replayed": "the published initial weights", "own": "initial weights of their own"}
    return words[comparison["initial_weights"]]


def throughput(comparison):
    """How fast ours and the published runs were, in a sentence that judges nothing."""
    speed = comparison["throughput"]
    if speed["what"] == "seconds":
        theirs = " and ".join(f"{value:,.1f} s on a {_GPUS[gpu]}" for gpu, value in speed["published"].items())
        return f"an epoch with its test pass took {speed['ours']:,.1f} s here, the published ones {theirs} (medians)"
    theirs = " and ".join(f"{value:,.0f} on a {_GPUS[gpu]}" for gpu, value in speed["published"].items())
    return (
        f"training ran at {speed['ours']:,.0f} images/s here, the published runs at {theirs}, "
        "loading left out (medians)"
    )


def describe_run(comparison):
    """One run's comparison (see :func:`gluon_cnn.book.compare_run`): every epoch, the verdict, the speeds."""
    c = comparison
    lines = [
        f"{c['model']}, {c['edition']}, seed {c['seed']}, from {weights(c)}, "
        f"beside {c['published_runs']} published runs",
        f"{'':14} epoch   ours | published:  min  median     max  runs | percentile",
    ]
    for measure, name in MEASURES.items():
        for row in c["epochs"]:
            p = row[measure]
            side = "" if p["inside"] else " below all" if p["beyond"] < 0 else " above all"
            lines.append(
                f"{name if row['epoch'] == 1 else '':14} {row['epoch']:>5} {p['ours']:>6.4f} | "
                f"{p['minimum']:>15.4f} {p['median']:>7.4f} {p['maximum']:>7.4f} {p['runs']:>5} | "
                f"{p['percentile']:>3.0f}{side}"
            )
    return "\n".join([*lines, f"verdict: {c['verdict']}", f"speed: {throughput(c)}"])


def describe_runs(comparison):
    """Several runs' comparison (see :func:`gluon_cnn.book.compare_runs`): the last epoch, tests, the verdict."""
    c = comparison
    last = c["epochs"][-1]
    repeats = f"; {c['repeats_left_out']} of a seed that is there already left out" if c["repeats_left_out"] else ""
    lines = [
        f"{c['model']}, {c['edition']}, {len(c['seeds'])} runs from {weights(c)} (seeds "
        f"{', '.join(map(str, c['seeds']))}{repeats}), beside {c['published_runs']} published runs",
        f"{'epoch ' + str(last['epoch']):14} {'':9} {'runs':>5} {'min':>8} {'median':>8} {'max':>8}",
    ]
    for measure, name in MEASURES.items():
        for side in ("ours", "published"):
            s = last[measure][side]
            lines.append(
                f"{name if side == 'ours' else '':14} {side:9} {s['runs']:>5} "
                f"{s['minimum']:>8.4f} {s['median']:>8.4f} {s['maximum']:>8.4f}"
            )
        if measure in c["tests"]:
            t = c["tests"][measure]
            lines.append(
                f"{'':14} {t['ours_runs']} and {t['published_runs']} runs: Mann–Whitney U {t['mann_whitney_u']:g}, "
                f"exact p {t['mann_whitney_p']:.3g}; Kolmogorov–Smirnov distance {t['ks_distance']:.2f}"
            )
    counts = [(side, c["collapsed"][side]) for side in ("ours", "published")]
    collapsed = ", ".join(f"{n['collapsed']} of {n['runs']} {side}" for side, n in counts)
    return "\n".join([*lines, f"collapsed: {collapsed}", f"verdict: {c['verdict']}", f"speed: {throughput(c)}"])

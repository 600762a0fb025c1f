"""The verdict of a comparison: one sentence from its numbers."""

from gluon_cnn.training.history import MEASURES

__all__ = ["end_in_words", "inside_the_others", "inside_throughout", "run_verdict", "sample_verdict"]


def run_verdict(epochs, planned, diverged=""):
    """Where a run leaves the published range, by how much, and when.

    Parameters
    ----------
    epochs : list of dict
        The ``epochs`` of :func:`gluon_cnn.comparison.compare.compare_run`.
    planned : int
        The number of epochs in its recipe.
    diverged : str
        What was no longer finite when it ended, and where; empty if nothing was.
    """
    so_far = "" if len(epochs) == planned else f"so far (epoch {len(epochs)} of {planned}) "
    if diverged:
        so_far = f"{end_in_words(diverged)}; before that "
    if inside_throughout(epochs):
        return f"{so_far}inside the published range at every epoch"
    outside = []
    for name, column in MEASURES.items():
        for side, sign in (("below", -1), ("above", 1)):
            there = [row["epoch"] for row in epochs if sign * row[name]["beyond"] > 0]
            if there:
                up_to = "up to " if len(there) > 1 else ""
                by = f"by {up_to}{_far(name, [row[name] for row in epochs], sign)}"
                outside.append(f"{column.words} {side} every published run {_when(there, epochs[-1]['epoch'])} ({by})")
    if any(row[name]["inside"] for row in epochs for name in MEASURES):
        outside.append("otherwise inside the published range")
    return so_far + "; ".join(outside)


def sample_verdict(runs, planned, published, last, tests, diverged):
    """How many runs of a sample stay inside the published range, and how far its median is from the published one; of a
    single run, its :func:`run_verdict`.

    Parameters
    ----------
    runs : dict
        For each seed, the ``epochs`` of :func:`gluon_cnn.comparison.compare.compare_run`.
    planned : int
        The number of epochs in their recipe.
    published : list of PublishedRun
    last, tests : dict
        The last of the ``epochs`` of :func:`gluon_cnn.comparison.compare.compare_runs`, and its ``tests``.
    diverged : dict
        For each seed whose run diverged, what was no longer finite, and where.
    """
    if len(runs) == 1:
        ((seed, epochs),) = runs.items()
        return run_verdict(epochs, planned, diverged.get(seed, ""))
    parts = []
    if diverged:
        ends = "; ".join(f"seed {seed}: {end_in_words(problem)}" for seed, problem in diverged.items())
        parts.append(f"{len(diverged)} of {_count(len(runs))} diverged ({ends})")
    going_on = [epochs for seed, epochs in runs.items() if seed not in diverged]
    finished = [epochs for epochs in going_on if len(epochs) == planned]
    if finished:
        inside, expected = sum(map(inside_throughout, finished)), inside_the_others(published)
        parts.append(
            f"{inside} of {_count(len(finished))} inside the published range at every epoch "
            f"(of the published runs, {expected} of {len(published)} are inside the range of the others)"
        )
    if len(finished) < len(going_on):
        parts.append(f"{len(going_on) - len(finished)} of {_count(len(runs))} not finished")
    ours, theirs = (last["train_loss"][side]["median"] for side in ("ours", "published"))
    change = ours / theirs - 1
    away = f"{_percent(abs(change))} {'below' if change < 0 else 'above'}" if change else "equal to"
    p = f", Mann–Whitney p = {tests['train_loss']['mann_whitney_p']:.2g}" if tests else ""
    parts.append(f"the median train loss after epoch {last['epoch']} is {away} the published median{p}")
    return "; ".join(parts)


def end_in_words(diverged):
    """How a run that diverged ended, within a sentence and on a line."""
    words = "".join(character if character.isprintable() else " " for character in diverged).split()
    text = " ".join(words).rstrip(".")
    return text[:1].lower() + text[1:]


def inside_throughout(epochs):
    """Whether a run with these ``epochs`` is inside the published range at each of them, in every measure."""
    return all(row[name]["inside"] for row in epochs for name in MEASURES)


def inside_the_others(published):
    """How many published runs are inside the range of the others at every epoch: what to expect of one of them."""
    outermost = set()
    for name in MEASURES:
        for epoch in range(len(published[0].history)):
            values = [(getattr(run.history[epoch], name), run.name) for run in published]
            values = sorted(value for value in values if value[0] is not None)
            # Alone at one end: without it the range of the others is narrower.
            outermost |= {values[0][1]} if values[0][0] < values[1][0] else set()
            outermost |= {values[-1][1]} if values[-1][0] > values[-2][0] else set()
    return len(published) - len(outermost)


def _far(name, places, sign):
    """The largest distance to one side: an accuracy in points, a loss in per cent of the end of the range."""
    if name.endswith("_acc"):
        return f"{100 * max(sign * place['distance'] for place in places):.1f} points"
    return _percent(max(sign * place["beyond"] for place in places))


def _percent(share):
    return f"{share:.1%}" if share >= 0.001 else "less than 0.1%"


def _when(epochs, last):
    if len(epochs) == last:
        return "at every epoch"
    if len(epochs) > 1 and epochs == list(range(epochs[0], last + 1)):
        return f"from epoch {epochs[0]} on"
    *others, final = map(str, epochs)
    return f"at epochs {', '.join(others)} and {final}" if others else f"at epoch {final}"


def _count(runs):
    return f"{runs} run{'s' if runs != 1 else ''}"

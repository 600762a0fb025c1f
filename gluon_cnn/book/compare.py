"""Runs of ours beside the published ones: every epoch's place in their range, and two samples against each other.

A comparison is a dictionary that JSON can hold; its numbers are losses in nats, accuracies as fractions, percentiles
from 0 to 100.
"""

import dataclasses
from statistics import median

from gluon_cnn.book.published import published_runs
from gluon_cnn.book.statistics import percentile, rounded_as, summary, two_samples
from gluon_cnn.data import CLASSES
from gluon_cnn.errors import ComparisonError
from gluon_cnn.training.metrics import is_a_guess
from gluon_cnn.training.recipe import PUBLISHED_EDITIONS, get_recipe

__all__ = ["MEASURES", "WEIGHTS", "compare_run", "compare_runs", "differences"]

#: What is compared, and what it is called.
MEASURES = {"train_loss": "train loss", "train_acc": "train accuracy", "test_acc": "test accuracy"}
#: By which share of itself each end of the published range is moved outwards for ``inside_widened``.
WIDENED = 0.02
#: What a comparison calls the initial weights, by the recipe's ``init``: drawn again as the published runs had them.
WEIGHTS = {"book": "replayed", "seed": "own"}

_INSIDE = "inside the published range at every epoch"


def differences(recipe):
    """What keeps a recipe from being the book's, such as ``resize 96, not 224``; empty if nothing does."""
    if recipe.edition is None:
        return [f"{recipe.model} is not of the book"]
    if recipe.edition not in PUBLISHED_EDITIONS:
        return [f"edition {recipe.edition}, of which no run was published"]
    ours, book = dataclasses.asdict(recipe), dataclasses.asdict(get_recipe(recipe.model, recipe.edition))
    free = ("init", "seed")
    return [
        f"{name} {value}, not {book[name]}" for name, value in ours.items() if name not in free and value != book[name]
    ]


def compare_run(recipe, history):
    """One run beside the published runs of its network and edition, epoch by epoch.

    Parameters
    ----------
    recipe : Recipe
        The book's, whatever its ``init`` and ``seed``.
    history : list of EpochResult
        Of the epochs done so far, at least one.

    Returns
    -------
    dict
        ``epochs`` has for each epoch and measure our value (``ours``), the published runs' ``minimum``,
        ``lower_quartile``, ``median``, ``upper_quartile``, ``maximum`` and number (``runs``), our
        ``percentile`` in them, whether we are ``inside`` their range and ``inside_widened``, the range with
        both ends moved outwards by 2 % of themselves, ``beyond``, by which share of the nearest end we are
        outside, and ``distance``, by how much. All but ``ours`` go by our value with as many decimals as were
        published. ``verdict`` says it in a sentence.

    Raises
    ------
    ComparisonError
        If the run does not follow the book's recipe, or there is nothing to compare.
    """
    _refuse_incomparable(recipe, history)
    published = published_runs(recipe.model, recipe.edition)
    epochs = []
    for result in history:
        row = {"epoch": result.epoch}
        for measure in MEASURES:
            row[measure] = _place(getattr(result, measure), _values(published, measure, result.epoch))
        epochs.append(row)
    done = len(history)
    so_far = "" if done == recipe.epochs else f"so far (epoch {done} of {recipe.epochs}) "
    return {
        **_what(recipe, published),
        "seed": recipe.seed,
        "epochs_done": done,
        "epochs_of_recipe": recipe.epochs,
        "verdict": so_far + _verdict(epochs),
        "throughput": _throughput([history], published),
        "epochs": epochs,
    }


def compare_runs(runs):
    """Several runs, with different seeds, as a sample beside the published one.

    Parameters
    ----------
    runs : list of (Recipe, list of EpochResult)
        Of one network, edition and kind of initial weights. Of those with the same seed, which are one and the same,
        only the one that is furthest on is taken.

    Returns
    -------
    dict
        ``epochs`` has for each epoch and measure the summaries (``runs``, ``minimum``, quartiles, ``median``,
        ``maximum``) of ``ours`` and ``published``. Of the runs with all epochs, if there are two or more, ``tests``
        has for each measure of the last epoch the Mann–Whitney U with its exact two-sided p and the
        Kolmogorov–Smirnov distance, where ours have as many decimals as the published values; ``collapsed`` counts
        those that end with the loss of a guess, on each side. ``verdict`` says it in a sentence.

    Raises
    ------
    ComparisonError
        If the runs are not of one kind, or one of them cannot be compared.
    """
    for recipe, history in runs:
        _refuse_incomparable(recipe, history)
    if len({(recipe.model, recipe.edition, recipe.init) for recipe, _ in runs}) != 1:
        raise ComparisonError("These runs are not of one network, edition and kind of initial weights: compare each.")
    recipe = runs[0][0]
    by_seed = {}
    for run, history in runs:
        by_seed[run.seed] = max(by_seed.get(run.seed, []), history, key=len)
    histories = list(by_seed.values())
    finished = [history for history in histories if len(history) == recipe.epochs]
    published = published_runs(recipe.model, recipe.edition)
    epochs = []
    for epoch in range(1, max(map(len, histories)) + 1):
        row = {"epoch": epoch}
        for measure in MEASURES:
            ours = [getattr(history[epoch - 1], measure) for history in histories if len(history) >= epoch]
            row[measure] = {"ours": summary(ours), "published": summary(_values(published, measure, epoch))}
        epochs.append(row)
    tests = {}
    for measure in MEASURES if len(finished) > 1 else ():
        sample = _values(published, measure, recipe.epochs)
        tests[measure] = two_samples([rounded_as(sample, getattr(h[-1], measure)) for h in finished], sample)
    if len(histories) == 1:
        verdict = compare_run(recipe, histories[0])["verdict"]
    else:
        verdict = _sample_verdict(recipe, histories, finished, epochs[-1], tests)
    return {
        **_what(recipe, published),
        "seeds": list(by_seed),
        "repeats_left_out": len(runs) - len(histories),
        "runs_finished": len(finished),
        "epochs_of_recipe": recipe.epochs,
        "verdict": verdict,
        "throughput": _throughput(histories, published),
        "collapsed": {
            "ours": _collapsed([history[-1].train_loss for history in finished]),
            "published": _collapsed([run.history[-1].train_loss for run in published]),
        },
        "tests": tests,
        "epochs": epochs,
    }


def _refuse_incomparable(recipe, history):
    differs = differences(recipe)
    if differs:
        raise ComparisonError(f"The run does not follow the book's recipe, it has {'; '.join(differs)}.")
    if not history:
        raise ComparisonError("The run has no epoch to compare yet: go on with its training by --resume.")
    if len(history) > recipe.epochs:
        raise ComparisonError(f"The run has {len(history)} epochs, its recipe {recipe.epochs}: restore its history.")


def _what(recipe, published):
    return {
        "model": recipe.model,
        "edition": recipe.edition,
        "initial_weights": WEIGHTS[recipe.init],
        "published_runs": len(published),
    }


def _values(published, measure, epoch):
    """The published values of one epoch; those that are not known, or not finite, are left out."""
    values = [getattr(run.history[epoch - 1], measure) for run in published]
    return [value for value in values if value is not None]


def _place(ours, sample):
    published = summary(sample)
    value = rounded_as(sample, ours)
    nearest = min(max(value, published["minimum"]), published["maximum"])
    beyond = value / nearest - 1
    return {
        "ours": ours,
        **published,
        "percentile": percentile(value, sample),
        "inside": beyond == 0,
        "inside_widened": abs(beyond) <= WIDENED,
        "beyond": beyond,
        "distance": value - nearest,
    }


def _collapsed(losses):
    """How many runs end with a guess's loss, or one that was not finite."""
    return {"collapsed": sum(loss is None or is_a_guess(loss, len(CLASSES)) for loss in losses), "runs": len(losses)}


def _throughput(histories, published):
    """Medians: seconds of an epoch where the edition published these, else images a second of training."""
    name = "examples_per_sec" if published[0].history[-1].seconds is None else "seconds"

    def middle(histories):
        return median(getattr(r, name) for history in histories for r in history if getattr(r, name) is not None)

    gpus = sorted({run.gpu for run in published})
    theirs = {gpu: middle([run.history for run in published if run.gpu == gpu]) for gpu in gpus}
    return {"what": name, "ours": middle(histories), "published": theirs}


def _verdict(epochs):
    outside = []
    for measure, name in MEASURES.items():
        for side, sign in (("below", -1), ("above", 1)):
            there = [row["epoch"] for row in epochs if sign * row[measure]["beyond"] > 0]
            if there:
                at_most = " at most" if len(there) > 1 else ""
                by = f"by {_far(measure, [row[measure] for row in epochs], sign)}{at_most}"
                outside.append(f"{name} {side} every published run {_when(there, epochs[-1]['epoch'])} ({by})")
    if not outside:
        return _INSIDE
    if any(row[measure]["inside"] for row in epochs for measure in MEASURES):
        outside.append("otherwise inside the published range")
    return "; ".join(outside)


def _far(measure, places, sign):
    """The largest distance to one side: a loss in per cent of the range's end, an accuracy in points."""
    if measure == "train_loss":
        return _percent(max(sign * place["beyond"] for place in places))
    return f"{100 * max(sign * place['distance'] for place in places):.1f} points"


def _percent(share):
    return f"{share:.1%}" if share >= 0.001 else "less than 0.1%"


def _when(epochs, last):
    if len(epochs) == last:
        return "at every epoch"
    if len(epochs) > 1 and epochs == list(range(epochs[0], last + 1)):
        return f"from epoch {epochs[0]} on"
    *others, final = map(str, epochs)
    return f"at epochs {', '.join(others)} and {final}" if others else f"at epoch {final}"


def _inside_the_others(published):
    """How many published runs are inside the range of the other ones throughout, which says how much to expect."""
    outermost = set()
    for measure in MEASURES:
        for epoch in range(len(published[0].history)):
            values = [(getattr(run.history[epoch], measure), run.name) for run in published]
            values = sorted(value for value in values if value[0] is not None)
            # Alone at one end: without it the others' range is narrower.
            outermost |= {values[0][1]} if values[0][0] < values[1][0] else set()
            outermost |= {values[-1][1]} if values[-1][0] > values[-2][0] else set()
    return f"of the published ones, each held against the others, {len(published) - len(outermost)} of {len(published)}"


def _sample_verdict(recipe, histories, finished, last, tests):
    inside = sum(compare_run(recipe, history)["verdict"] == _INSIDE for history in finished)
    others = _inside_the_others(published_runs(recipe.model, recipe.edition))
    parts = [f"{inside} of {len(finished)} runs inside the published range throughout ({others})"] if finished else []
    if len(finished) < len(histories):
        parts.append(f"{len(histories) - len(finished)} of {len(histories)} runs not finished")
    ours, published = (last["train_loss"][side]["median"] for side in ("ours", "published"))
    change = ours / published - 1
    away = f"{_percent(abs(change))} {'below' if change < 0 else 'above'} " if change else ""
    p = f", Mann–Whitney p = {tests['train_loss']['mann_whitney_p']:.2g}" if tests else ""
    parts.append(f"the median train loss of epoch {last['epoch']} is {away}the published one{p}")
    return "; ".join(parts)

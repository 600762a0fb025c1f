"""Our runs beside the published ones: the place of every epoch in their range, and two samples against each other.

A comparison is a dictionary that JSON can hold. Losses are in nats, accuracies are fractions, percentiles go from 0 to
100.
"""

from statistics import median

from gluon_cnn.comparison.gpu_settings import settings_off
from gluon_cnn.comparison.published import comparable_runs
from gluon_cnn.comparison.statistics import five_numbers, percentile, rounded_as, two_samples
from gluon_cnn.comparison.verdict import end_in_words, run_verdict, sample_verdict
from gluon_cnn.data import FASHION_MNIST
from gluon_cnn.errors import ComparisonError
from gluon_cnn.recipe import EDITIONS
from gluon_cnn.training.config import OWN_FRAMEWORK
from gluon_cnn.training.history import MEASURES, is_a_guess

__all__ = ["compare_run", "compare_runs", "kind_of", "published_sample"]

#: The share of itself by which each end of the published range is moved outwards, for ``inside_widened``.
WIDENED = 0.02


def published_sample(run):
    """The published runs that a run is compared with: those of its edition and exactly its network.

    Returns
    -------
    list of PublishedRun

    Raises
    ------
    ComparisonError
        If the run does not follow the book's recipe.
    """
    if run.reasons_not_compared:
        raise ComparisonError(f"The run does not follow the book's recipe: {'; '.join(run.reasons_not_compared)}.")
    return comparable_runs(run.book.published_as, run.recipe.edition)


def compare_run(run):
    """Compare one run with the published runs of its network and edition, epoch by epoch.

    Parameters
    ----------
    run : RunDirectory
        By the book's recipe, from any initial weights and with any seed. At least one epoch is done.

    Returns
    -------
    dict
        ``epochs`` has for each epoch and measure our value (``ours``), the published runs' ``minimum``,
        ``lower_quartile``, ``median``, ``upper_quartile``, ``maximum`` and number (``runs``), our ``percentile`` among
        them, whether we are ``inside`` their range and ``inside_widened``, the range with both ends moved outwards by
        2 % of themselves. ``beyond`` says by which share of the nearest end we are outside, ``distance`` by how much.
        All but ``ours`` are computed from our value rounded as the published ones. ``verdict`` says it in a sentence.

    Raises
    ------
    ComparisonError
        If the run does not follow the book's recipe, or has no epoch to compare.
    RunError
        If the run's history is missing or cannot be read.
    """
    published, history = published_sample(run), _history(run)
    epochs = _places(history, published)
    return {
        **_what([run], published),
        "seed": run.recipe.seed,
        "epochs_done": len(history),
        "epochs_of_recipe": run.recipe.epochs,
        "verdict": run_verdict(epochs, run.recipe.epochs, run.diverged),
        "throughput": _throughput(run.recipe.edition, [history], published),
        "epochs": epochs,
    }


def compare_runs(runs):
    """Compare several runs with different seeds, as a sample, with the published one.

    Parameters
    ----------
    runs : list of RunDirectory
        Of one network, edition, kind of initial weights, release of the data and framework. Runs with the same seed are
        the same run: of these only the one with the most epochs counts.

    Returns
    -------
    dict
        ``epochs`` has for each epoch and measure the five numbers (``runs``, ``minimum``, quartiles, ``median``,
        ``maximum``) of ``ours`` and ``published``. If two or more runs are finished, ``tests`` has for each measure of
        the last epoch the Mann–Whitney U with its exact two-sided p and the Kolmogorov–Smirnov distance, our values
        with as many decimals as the published ones; ``collapsed`` counts on each side, of the runs that are finished
        or diverged, those that end with the loss of a guess or with one that is not finite. ``verdict`` says it in a
        sentence.

    Raises
    ------
    ComparisonError
        If the runs are not of one kind, or one of them cannot be compared.
    RunError
        If a run's history is missing or cannot be read.
    """
    published, recipe = published_sample(runs[0]), runs[0].recipe
    by_seed = _by_seed(runs)
    histories = {seed: run.history for seed, run in by_seed.items()}
    diverged = {seed: run.diverged for seed, run in by_seed.items() if run.diverged}
    finished = [of for seed, of in histories.items() if len(of) == recipe.epochs and seed not in diverged]
    epochs, tests = _epochs(histories.values(), published), _tests(finished, published)
    places = {seed: _places(history, published) for seed, history in histories.items()}
    return {
        **_what(runs, published),
        "seeds": list(histories),
        "repeats_left_out": len(runs) - len(histories),
        "runs_finished": len(finished),
        "epochs_of_recipe": recipe.epochs,
        "verdict": sample_verdict(places, recipe.epochs, published, epochs[-1], tests, diverged),
        "throughput": _throughput(recipe.edition, histories.values(), published),
        "collapsed": {
            "ours": _collapsed(finished, len(diverged)),
            "published": _collapsed([run.history for run in published]),
        },
        "tests": tests,
        "epochs": epochs,
    }


def kind_of(run):
    """What tells samples of one network and edition apart: initial weights, release of the data, framework."""
    return run.recipe.init, run.recipe.release, run.framework


def _by_seed(runs):
    """``{seed: run}`` for runs of one kind, of each seed the run with the longest history."""
    for run in runs:
        published_sample(run)  # refuses a run that follows another recipe
    if len({(run.recipe.model, run.recipe.edition, *kind_of(run)) for run in runs}) != 1:
        raise ComparisonError(
            "These runs are not all of one network, edition, kind of initial weights, release of Fashion-MNIST and "
            "framework: compare each kind by itself."
        )
    longest = {}
    for run in runs:
        other = longest.setdefault(run.recipe.seed, run)
        if len(_history(run)) > len(other.history):
            longest[run.recipe.seed] = run
    return longest


def _history(run):
    if run.diverged and not run.epochs_done:
        ended = end_in_words(run.diverged)
        raise ComparisonError(f"The run has no epoch to compare, because it diverged ({ended}): name another run.")
    history = run.history
    if not history:
        raise ComparisonError("The run has no epoch to compare yet: resume its training.", "resume")
    return history


def _what(runs, published):
    run = runs[0]
    return {
        "model": run.recipe.model,
        "edition": run.recipe.edition,
        "initial_weights": run.recipe.init,
        "release": run.recipe.release,
        "published_runs": len(published),
        **({} if run.framework == OWN_FRAMEWORK else {"framework": run.framework}),
        **settings_off(runs),
    }


def _places(history, published):
    """For each epoch, where each measure stands among the published values."""
    return [
        {
            "epoch": result.epoch,
            **{name: _place(getattr(result, name), _values(published, name, result.epoch)) for name in MEASURES},
        }
        for result in history
    ]


def _place(ours, sample):
    numbers = five_numbers(sample)
    value = rounded_as(sample, ours)
    nearest = min(max(value, numbers["minimum"]), numbers["maximum"])
    beyond = value / nearest - 1
    return {
        "ours": ours,
        **numbers,
        "percentile": percentile(value, sample),
        "inside": beyond == 0,
        "inside_widened": abs(beyond) <= WIDENED,
        "beyond": beyond,
        "distance": value - nearest,
    }


def _epochs(histories, published):
    """For each epoch that at least one run has, the five numbers of each measure on both sides."""
    epochs = []
    for epoch in range(1, max(map(len, histories)) + 1):
        row = {"epoch": epoch}
        for name in MEASURES:
            ours = [getattr(history[epoch - 1], name) for history in histories if len(history) >= epoch]
            row[name] = {"ours": five_numbers(ours), "published": five_numbers(_values(published, name, epoch))}
        epochs.append(row)
    return epochs


def _tests(finished, published):
    """For each measure, the last epochs of finished runs tested against the published ones; empty for a single run."""
    tests = {}
    for name in MEASURES if len(finished) > 1 else ():
        sample = _values(published, name, len(finished[0]))
        ours = [rounded_as(sample, getattr(history[-1], name)) for history in finished]
        tests[name] = two_samples(ours, sample)
    return tests


def _values(published, name, epoch):
    """The published values of one epoch, without those that are not known or not finite."""
    values = [getattr(run.history[epoch - 1], name) for run in published]
    return [value for value in values if value is not None]


def _collapsed(histories, diverged=0):
    """How many finished runs end with the loss of a guess, or with one that is not finite, as ``diverged`` more did."""
    losses, classes = [history[-1].train_loss for history in histories], len(FASHION_MNIST.classes)
    collapsed = sum(loss is None or is_a_guess(loss, classes) for loss in losses)
    return {"collapsed": collapsed + diverged, "runs": len(losses) + diverged}


def _throughput(edition, histories, published):
    """Medians: seconds of an epoch where the edition published these, else images a second of training."""
    name = "seconds" if EDITIONS[edition].publishes_seconds else "examples_per_sec"

    def middle(histories):
        return median(getattr(r, name) for history in histories for r in history if getattr(r, name) is not None)

    gpus = sorted({run.gpu for run in published})
    theirs = {gpu: middle([run.history for run in published if run.gpu == gpu]) for gpu in gpus}
    return {"what": name, "ours": middle(histories), "published": theirs}

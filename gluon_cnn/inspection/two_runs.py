"""Two runs of one's own side by side, whatever their recipes: what differs, and where they disagree."""

import contextlib
import os
from typing import Any, List, NamedTuple, Optional, Tuple

import numpy as np

from gluon_cnn.checks import whole_number
from gluon_cnn.data import DATA_SETS
from gluon_cnn.errors import ModelError, RunError, SettingError
from gluon_cnn.inspection.answers import Answers, Disagreement, answers, disagreement
from gluon_cnn.inspection.confusion import Share, clopper_pearson
from gluon_cnn.inspection.progress import shown
from gluon_cnn.recipe import in_words
from gluon_cnn.runtime.devices import as_text, parse_context
from gluon_cnn.training.config import OWN_FRAMEWORK
from gluon_cnn.training.history import EpochResult
from gluon_cnn.training.onednn import for_inference

__all__ = ["OnTestImages", "TwoRuns", "compare_two", "most_confident_disagreements"]

_SHOWN = 12  # characters of a file's hash
_AT_A_TIME = 256  # images that are compared


class OnTestImages(NamedTuple):
    """Two runs' answers for the same test images.

    Attributes
    ----------
    epochs : (int, int)
        After which the networks were as they answered; for a checkpoint within an epoch, the last whole one.
    answers : (Answers, Answers)
    accuracy : (Share, Share)
        With exact intervals.
    disagreement : Disagreement
    by_class : np.ndarray
        int classes×4: of the images of a class, those that both have right, only the first, only the second, and that
        both have wrong.
    classes : list of str
        The classes' names.
    images
        The images as the data set stores them, see :class:`gluon_cnn.data.Part`.
    """

    epochs: Tuple[int, int]
    answers: Tuple[Answers, Answers]
    accuracy: Tuple[Share, Share]
    disagreement: Disagreement
    by_class: np.ndarray
    classes: List[str]
    images: Any


class TwoRuns(NamedTuple):
    """Two runs side by side.

    Attributes
    ----------
    names : (str, str)
        What they are called: the names of their directories, or the whole paths if these are the same.
    titles : (str, str)
        Network, edition and seed of each.
    histories : (list of EpochResult, list of EpochResult)
    differences : list of (str, str, str)
        Each setting of the recipe in which they differ, and its two values in words.
    tested : OnTestImages or None
    why_not : str
        Why they were not asked about the same test images; empty if they were.
    """

    names: Tuple[str, str]
    titles: Tuple[str, str]
    histories: Tuple[List[EpochResult], List[EpochResult]]
    differences: List[Tuple[str, str, str]]
    tested: Optional[OnTestImages]
    why_not: str


def compare_two(first, second, *, which="last", ctx=None, data_dir=None, images=None, quiet=False):
    """Compare two runs of one's own, whatever their recipes.

    Parameters
    ----------
    first, second : Run
        From :func:`gluon_cnn.load_run`.
    which : {"last", "best"}
        Which checkpoint of each.
    ctx : str or mx.Context, optional
        Where the networks answer; the first GPU that computes by default, else the CPU.
    data_dir : path, optional
        Where the data set is, if not where the runs had it.
    images : int, optional
        Take only the first test images; by default as many as the run with fewer was tested on.
    quiet : bool
        Show no progress.

    Returns
    -------
    TwoRuns
        Without answers if the runs had other data or classes, or the network of one of them is not there.

    Raises
    ------
    SettingError
        If both are the same run, or there are fewer test images.
    GluonCNNError
        If a run, its checkpoint or the data cannot be read.
    """
    runs = first, second
    # Trained networks of the package have no directory of their own, but names.
    if (os.path.realpath(first.directory), first.name) == (os.path.realpath(second.directory), second.name):
        raise SettingError(f"{first.name} and {second.name} are the same run: name two runs.")
    images = None if images is None else whole_number("images", images)
    names = _names(runs)
    why_not = _why_not(runs, names, which)
    tested = None
    if not why_not:
        device = parse_context("auto" if ctx is None else as_text(ctx))[0]
        both = _test_batches(runs, data_dir, device, images)
        tested = both and _tested(runs, names, which, device, both, quiet)
        why_not = "" if both else "the runs had different test images: those of their data sets or splits differ"
    histories = tuple(run.history if run.epochs_done else [] for run in runs)
    titles = tuple(_title(run) for run in runs)
    return TwoRuns(names, titles, histories, _differences(first.recipe, second.recipe), tested, why_not)


def most_confident_disagreements(tested, number=12):
    """The indices of the images to which two networks give different answers of which both are most certain: those
    whose smaller probability of the two is largest, the largest first."""
    different = tested.disagreement.different
    both = np.minimum(*(one.confidence for one in tested.answers))[different]
    return different[np.argsort(-both, kind="stable")[:number]]


def _names(runs):
    names = tuple(run.name for run in runs)
    return names if names[0] != names[1] else tuple(str(run.directory) for run in runs)


def _title(run):
    recipe = run.recipe
    edition = f", {recipe.edition}" if recipe.edition else ""
    by = "" if run.framework == OWN_FRAMEWORK else f", by {run.framework}"
    return f"{recipe.name}{edition}, seed {recipe.seed}{by}: {run.epochs_done} of {recipe.epochs} epochs"


def _differences(first, second):
    return [
        (name, *(_value_in_words(name, value) for value in values))
        for name, values in first.differences(second).items()
    ]


def _value_in_words(name, value):
    if value is None:
        return "none"
    if name in ("source", "weights"):  # hashes, of which the words for a recipe show none
        return value[:_SHOWN]
    words = in_words(name, value)
    return words[len(name) + 1 :] if words.startswith(f"{name} ") else words


def _why_not(runs, names, which):
    """Why two runs cannot be asked about the same test images, in a sentence; empty if they can."""
    for run, name in zip(runs, names):
        if run.framework != OWN_FRAMEWORK:
            return f"{name} was trained by {run.framework}, so its network cannot be loaded"
        try:
            run.checkpoint(which)
        except RunError:
            return f"{name} has no checkpoint, so its network is not there"
    first, second = (run.dataset for run in runs)
    if tuple(first.classes) != tuple(second.classes):
        return "the runs have different classes"
    values = [(run.recipe.data, run.recipe.release) for run in runs]
    if values[0] != values[1]:
        words = (in_words("data", data) + (f", {release} release" if release else "") for data, release in values)
        return f"the runs had different test images: {' and '.join(words)}"
    if first.sha256 and second.sha256 and first.sha256 != second.sha256:
        return "the runs had different test images: the files of their data sets differ"
    return ""


def _test_batches(runs, data_dir, device, size):
    """The test batches of each run, of the first ``size`` images, or of as many as the run with fewer was tested on;
    None if they are not the same images."""
    # Each at the size that its network takes.
    both = [run.data(device, data_dir, test_size=None).test for run in runs]
    if not np.array_equal(both[0].labels, both[1].labels) or not _same_split(runs, data_dir, device, both[0].images):
        return None
    size = size or min((run.recipe.test_size for run in runs if run.recipe.test_size), default=None)
    for batches in both:
        if size and size > len(batches.labels):
            raise SettingError(f"images is {size}, but there are only {len(batches.labels):,} test images.", "images")
        batches.labels = batches.labels[:size]  # which say how many images there are
    return both


def _same_split(runs, data_dir, device, images):
    """Whether pictures of one's own, whose test images are drawn where a folder does not part them, are parted alike:
    whether the first run's would be ``images`` by the second one's split too."""
    first, second = ({"seed": run.recipe.seed, "test_share": run.recipe.test_share} for run in runs)
    if first == second or DATA_SETS[runs[0].recipe.data].info is not None:
        return True
    others = runs[0].data(device, data_dir, test_size=None, **second).test.images
    return len(images) == len(others) and all(
        np.array_equal(images[at : at + _AT_A_TIME], others[at : at + _AT_A_TIME])
        for at in range(0, len(images), _AT_A_TIME)
    )


def _tested(runs, names, which, device, both, quiet):
    """The :class:`OnTestImages` of two runs on their batches."""
    answered = []
    for run, name, batches in zip(runs, names, both):
        net = run.network(device, which)
        with for_inference(net, run.recipe, [device], len(batches.labels)) as fastest:
            try:
                with contextlib.closing(shown(batches, f"testing {name}", len(batches.labels), quiet)) as taken:
                    answered.append(answers(fastest, taken))
            except ModelError as error:
                raise ModelError(f"{run.directory}: {error}", *error.settings) from error
    number = max(one.logits.shape[1] for one in answered)
    return OnTestImages(
        tuple(run.state(which).epoch for run in runs),
        tuple(answered),
        tuple(clopper_pearson(int(one.right.sum()), len(one.labels)) for one in answered),
        disagreement(*answered),
        _by_class(answered, number),
        runs[0].dataset.names_of(range(number)),
        both[0].images,
    )


def _by_class(answered, classes):
    first, second = (one.right for one in answered)
    labels = answered[0].labels
    kinds = (first & second, first & ~second, ~first & second, ~first & ~second)
    return np.stack([np.bincount(labels[kind], minlength=classes) for kind in kinds], axis=1)

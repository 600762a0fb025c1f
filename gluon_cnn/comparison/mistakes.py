"""Where the runs of a report err: each run's confusion matrix and worst mistakes, and the page that looks into it."""

import os
from urllib.parse import quote

from gluon_cnn.data.fashion_mnist import FASHION_MNIST
from gluon_cnn.errors import Malformed, RunError
from gluon_cnn.training.answers import read_answers
from gluon_cnn.training.config import OWN_FRAMEWORK

__all__ = ["mistakes_of"]

PAGE = "inspection/inspection.html"  # in a run's directory
_SHOWN = 16  # classes of a matrix that is readable; of more the commonest mistakes are listed
_LISTED = 10
_COMMON = 0.2  # share of a class that is coloured as strongly as can be, since there are few so common mistakes


def mistakes_of(directory, run):
    """What a report's templates show of one run's answers.

    Returns
    -------
    (dict, RunError or None)
        ``page``, the address of the run's inspection page, or None. ``can_be_inspected``, whether there is a checkpoint
        to look at. ``said``, a sentence, or None if no answers are kept; then the others are empty. ``classes``, and
        ``rows`` with each class's ``name`` and its ``cells``: the number of images, and of what colour (``right`` or
        ``wrong``) and how strong it is, from 0 to 100. ``commonest``, mistakes in words, if there are too many classes
        for rows. ``mistakes``, the worst, each with the two names, the probability and the picture. And what is wrong
        with the run's file.
    """
    found = {"page": _page(directory, run), "said": None, "classes": [], "rows": [], "commonest": [], "mistakes": []}
    found["can_be_inspected"] = run.framework == OWN_FRAMEWORK and run.checkpoints.is_dir()
    try:
        kept = read_answers(run)
    except Malformed as error:
        return found, RunError(f"{error}: gluon-cnn inspect {run.directory} writes it anew.")
    if kept is None:
        return found, None
    info = run.config.dataset if run.config else FASHION_MNIST
    named = {number for label, answer, _ in kept.counts for number in (label, answer)}
    shown = kept.classes <= _SHOWN
    classes = dict(zip(named, info.names_of(named))) if not shown else info.names_of(range(kept.classes))
    found["said"] = _in_words(kept.counts, classes)
    if shown:
        found["classes"] = classes
        found["rows"] = [_row(number, counts.tolist(), classes) for number, counts in enumerate(kept.confusion())]
    else:
        wrong = sorted((one for one in kept.counts if one[0] != one[1]), key=lambda one: -one[2])[:_LISTED]
        found["commonest"] = [f"{classes[a]} taken for {classes[b]}: {number:,}" for a, b, number in wrong]
    for one in kept.mistakes:
        label, answer = info.names_of([one.label, one.answer])
        probability = "over 99.9%" if one.confidence > 0.999 else f"{one.confidence:.1%}"
        found["mistakes"].append({**vars(one), "label": label, "answer": answer, "probability": probability})
    return found, None


def _in_words(counts, classes):
    """How many answers are right, and which mistake is the commonest."""
    images = sum(number for _, _, number in counts)
    wrong = [(number, label, answer) for label, answer, number in counts if label != answer]
    said = f"{images - sum(number for number, _, _ in wrong):,} of {images:,} right"
    if not wrong:
        return said
    most, label, answer = max(wrong, key=lambda one: one[0])
    return f"{said}; most often, {classes[label]} is taken for {classes[answer]} ({most:,})"


def _row(number, counts, classes):
    images = max(sum(counts), 1)
    return {
        "name": classes[number],
        "cells": [
            {
                "count": count,
                "colour": "right" if place == number else "wrong",
                "strength": round(100 * min(count / images / (1 if place == number else _COMMON), 1)),
            }
            for place, count in enumerate(counts)
        ],
    }


def _page(directory, run):
    path = run.directory / PAGE
    if not path.is_file():
        return None
    return quote(os.fsencode(path.relative_to(directory).as_posix()))

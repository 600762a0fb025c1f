"""Published runs as ours: in memory, and as a run's directory."""

import dataclasses

import numpy as np

from gluon_cnn import get_recipe
from gluon_cnn.comparison.published import published_runs
from gluon_cnn.data import FASHION_MNIST
from gluon_cnn.training.answers import kept_answers, write_answers
from gluon_cnn.training.directory import RunDirectory
from gluon_cnn.training.recipes import book_recipe


class RunInMemory(RunDirectory):
    """A run by the book's recipe, with changes, that has this history, and nothing on the disk."""

    history = None

    def __init__(self, history, model="lenet", edition=None, **changes):
        recipe = get_recipe(model, edition, **changes)
        super().__init__("nowhere", recipe, book=book_recipe(recipe))
        self.history = history


def published_history(model="lenet", number=0, epochs=5, dead_classes=0):
    """The history of a published run of the first Chinese edition, with what only runs of ours have."""
    history = published_runs(model, "zh-v1")[number].history[:epochs]
    return [dataclasses.replace(r, examples_per_sec=1000.0, dead_classes=dead_classes) for r in history]


def write_run(directory, history, model="lenet", *, command="gluon-cnn train", **changes):
    """Write the directory of a run with a history, or of one that has just begun, and return it as a RunDirectory."""
    recipe = get_recipe(model, **changes)
    run = RunDirectory(directory, recipe, book=book_recipe(recipe))
    run.dataset = FASHION_MNIST
    run.directory.mkdir(parents=True)
    run.write_config(command, 2)
    if history:
        run.write_history(history)
    return run


def write_made_up_answers(run, classes=10, epoch=None):
    """Keep answers of a run: of ten images of each class one is taken for the next class, and one for the class after
    that, with pictures of noise."""
    labels = np.repeat(np.arange(classes), 10)
    answers = labels.copy()
    answers[::10] = (labels[::10] + 1) % classes
    answers[5::10] = (labels[5::10] + 2) % classes
    confidence = np.linspace(0.5, 1, len(labels))
    pictures = np.random.RandomState(0).randint(0, 256, (len(labels), 28, 28), "uint8")
    epoch = epoch or run.epochs_done
    write_answers(run, kept_answers(epoch, classes, labels, answers, confidence, pictures))

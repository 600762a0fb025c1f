"""How the learning rate changes in the course of a run: by the schedules of GluonCV's training scripts, or by what the
run has reached."""

import math

from gluon_cnn.errors import SettingError
from gluon_cnn.recipe import PATIENCE

__all__ = ["learning_rates", "plateaus"]

# Shares of a run's steps after each of which ``step`` takes a tenth of the learning rate.
_STEPS_AT = (0.5, 0.75)
_POWER = 2  # of ``poly``


def learning_rates(recipe, steps_per_epoch):
    """The learning rate of every step of a recipe's run.

    GluonCV counts steps from 0, but in its scripts a ``gluon.Trainer`` asks it, and asks from 1. So here, as there, the
    first step has the second value, and the last step that of the step before.

    Parameters
    ----------
    recipe : Recipe
        Its ``lr_schedule`` multiplies by 0.1 after a half and three quarters of the run's steps (``step``), or falls
        to 0 at the run's end (``cosine``, ``poly``), or multiplies by 0.1 after each of the :func:`plateaus`
        (``plateau``). In its ``warmup_epochs`` the rate grows from 0 to ``lr``, by the same amount each step.
    steps_per_epoch : int

    Returns
    -------
    callable or None
        Gives a float for the number of a step, from 1, and the list of EpochResult before its epoch; None if the rate
        is always ``lr``.

    Raises
    ------
    SettingError
        If the warmup, or what is left for the schedule, is a single step.
    """
    schedule, lr = recipe.lr_schedule, recipe.lr
    if schedule is None and not recipe.warmup_epochs:
        return None
    warmup, total = recipe.warmup_epochs * steps_per_epoch, recipe.epochs * steps_per_epoch
    planned = not recipe.epochs_may_grow
    for name, steps in (("warmup_epochs", warmup), ("lr_schedule", planned and total - warmup)):
        if steps == 1:
            raise SettingError(
                f"{name} has a single step in this run, and needs two or more: train for more epochs, or leave it out.",
                name,
                "epochs",
            )
    drops = [math.ceil(share * total) - warmup for share in _STEPS_AT]

    def rate(step, history=()):
        step = min(step, total - 1) if planned else step
        if step < warmup:
            return lr + (0 - lr) * (1 - step / (warmup - 1))
        if not planned:
            return lr * 0.1 ** plateaus(recipe, history)
        return lr * _share(schedule, step - warmup, total - warmup - 1, drops)

    return rate


def plateaus(recipe, history):
    """How often the test accuracy of a run with the schedule ``plateau`` has stopped rising: for ``PATIENCE`` epochs it
    was not above the best one so far, and then for as many again. It follows from the history alone, a list of
    EpochResult, of which the epochs of the warmup do not count."""
    found, best, waited = 0, -1.0, 0
    for result in history[recipe.warmup_epochs :] if recipe.lr_schedule == "plateau" else ():
        best, waited = (result.test_acc, 0) if result.test_acc > best else (best, waited + 1)
        if waited == PATIENCE:
            found, waited = found + 1, 0
    return found


def _share(schedule, step, last, drops):
    """The share of the full learning rate at a step of the schedule, whose last step has the number ``last``."""
    if schedule == "step":
        return 0.1 ** sum(drop <= step for drop in drops)
    return {"cosine": _cosine, "poly": _poly}[schedule](step, last)


def _cosine(step, last):
    return (1 + math.cos(math.pi * step / last)) / 2


def _poly(step, last):
    return (1 - step / last) ** _POWER

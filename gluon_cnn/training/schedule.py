"""How the learning rate changes in the course of a run: the schedules of GluonCV's training scripts."""

import math

from gluon_cnn.errors import SettingError

__all__ = ["learning_rates"]

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
        to 0 at the run's end (``cosine``, ``poly``). In its ``warmup_epochs`` the rate grows from 0 to ``lr``, by the
        same amount each step.
    steps_per_epoch : int

    Returns
    -------
    callable or None
        Gives a float for the number of a step, from 1; None if the rate is always ``lr``.

    Raises
    ------
    SettingError
        If the warmup, or what is left for the schedule, is a single step.
    """
    schedule, lr = recipe.lr_schedule, recipe.lr
    if schedule is None and not recipe.warmup_epochs:
        return None
    warmup, total = recipe.warmup_epochs * steps_per_epoch, recipe.epochs * steps_per_epoch
    for name, steps in (("warmup_epochs", warmup), ("lr_schedule", schedule and total - warmup)):
        if steps == 1:
            raise SettingError(
                f"{name} has a single step in this run, and needs two or more: train for more epochs, or leave it out.",
                name,
                "epochs",
            )
    drops = [math.ceil(share * total) - warmup for share in _STEPS_AT]

    def rate(step):
        step = min(step, total - 1) if schedule else step
        if step < warmup:
            return lr + (0 - lr) * (1 - step / (warmup - 1))
        return lr * _share(schedule, step - warmup, total - warmup - 1, drops)

    return rate


def _share(schedule, step, last, drops):
    """The share of the full learning rate at a step of the schedule, whose last step has the number ``last``."""
    if schedule is None:
        return 1
    if schedule == "step":
        return 0.1 ** sum(drop <= step for drop in drops)
    return {"cosine": _cosine, "poly": _poly}[schedule](step, last)


def _cosine(step, last):
    return (1 + math.cos(math.pi * step / last)) / 2


def _poly(step, last):
    return (1 - step / last) ** _POWER

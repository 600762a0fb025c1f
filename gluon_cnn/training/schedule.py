"""How the learning rate changes in the course of a run: GluonCV's schedules."""

import math

from gluon_cnn.errors import SettingError
from gluon_cnn.models.zoo import import_gluoncv

__all__ = ["SCHEDULES", "STEPS_AT", "learning_rates"]

SCHEDULES = ("step", "cosine", "poly")
#: Shares of a run's steps after each of which ``step`` takes a tenth of the learning rate.
STEPS_AT = (0.5, 0.75)


def learning_rates(schedule, lr, epochs, warmup_epochs, steps_per_epoch):
    """GluonCV's scheduler for a whole run: called with the number of a step, from 1, it gives its learning rate.

    GluonCV counts from 0, but in its own scripts a ``gluon.Trainer`` asks it, and asks from 1. So here as there the
    first step has the second value, and the last one that of the step before.

    Parameters
    ----------
    schedule : {"step", "cosine", "poly", None}
        ``step`` multiplies by 0.1 after a half and three quarters of the run's steps; ``cosine`` and ``poly`` (of the
        power 2) fall to 0 at the run's end; None stays at ``lr``.
    lr : float
        The learning rate at the end of the warmup.
    epochs, warmup_epochs : int
        Of the whole run, and those of them in which the rate grows from 0 to ``lr``, by the same amount each step.
    steps_per_epoch : int

    Returns
    -------
    gluoncv.utils.LRSequential

    Raises
    ------
    SettingError
        If the warmup, or what is left for the schedule, is a single step, for which GluonCV has no value.
    """
    utils = import_gluoncv().utils
    warmup, total = warmup_epochs * steps_per_epoch, epochs * steps_per_epoch
    if 1 in (warmup, schedule and total - warmup):
        raise SettingError(
            f"{'The warmup' if warmup == 1 else f'The schedule {schedule}'} has a single step in this run, and needs "
            "two or more: train for more epochs, or leave it out."
        )
    parts = [utils.LRScheduler("linear", 0, lr, niters=warmup)] if warmup else []
    if schedule is None:
        parts.append(utils.LRScheduler("constant", lr, niters=1))  # its last value stays
    else:
        at = [math.ceil(share * total) - warmup for share in STEPS_AT]
        parts.append(utils.LRScheduler(schedule, lr, niters=total - warmup, step_iter=at))
    return utils.LRSequential(parts)

"""A trained network of the package in the place of a run: ``pretrained:nin``."""

from pathlib import Path
from typing import List

from gluon_cnn.data import DatasetInfo
from gluon_cnn.decoding import convert
from gluon_cnn.errors import Malformed, ModelError, RunError, SettingError
from gluon_cnn.models.parameters import put_whole
from gluon_cnn.models.pretrained import HERE, pretrained_arrays, pretrained_card
from gluon_cnn.recipe import Recipe
from gluon_cnn.training.history import EpochResult
from gluon_cnn.training.manifest import State
from gluon_cnn.training.recipes import fixed_values
from gluon_cnn.training.run import Run

__all__ = ["PretrainedRun"]


class PretrainedRun(Run):
    """The run that a trained network in the package came from, of which the package has no directory.

    What is written beside a run, such as an export, goes into the directory that one is in.

    Parameters
    ----------
    network : str

    Raises
    ------
    ModelError
        If the package has no such network, or its card is damaged.
    """

    def __init__(self, network):
        self.card = pretrained_card(network)
        try:
            super().__init__(Path(), convert(self.card.recipe, Recipe))
            self.dataset = convert(self.card.dataset, DatasetInfo)
            self._epochs = convert(self.card.history, List[EpochResult])
        except Malformed as error:
            raise ModelError(f"The card of {self.name} is damaged ({error}): install the package again.") from None

    @property
    def name(self):
        """``pretrained:nin`` and the like."""
        return f"pretrained:{self.card.network}"

    @property
    def history(self):
        """The epochs of its run, a list of EpochResult."""
        return self._epochs

    @property
    def epochs_done(self):
        """The epochs of its run."""
        return len(self._epochs)

    @property
    def reasons_not_compared(self):
        """None: it was trained by the book's recipe."""
        return []

    def state(self, which="last"):
        """Where its training stood at the end."""
        self.checkpoint(which)
        dead = [self.dataset.classes.index(name) for name in self.card.dead_classes]
        return State(fixed_values(self.recipe), self.recipe.epochs, history=self._epochs, dead_classes=dead)

    def checkpoint(self, which="last"):
        """Where its parameters are; a SettingError for another checkpoint than the last."""
        if which != "last":
            raise SettingError(f"{self.name} is one network, without checkpoints: leave the checkpoint out.", "which")
        return HERE

    def _load(self, net, devices, which):
        put_whole(net, pretrained_arrays(self.card.network), self.name, devices)

    def refuse_taken(self):
        """RunError: nothing can be trained here."""
        raise self._not_a_run("is not a directory for a run")

    def refuse_other_recipe(self, wanted, advice=""):
        """RunError: nothing can be resumed here."""
        raise self._not_a_run("cannot be resumed")

    def prepare_resume(self, wanted, settings):
        """RunError: nothing can be resumed here."""
        raise self._not_a_run("cannot be resumed")

    def _not_a_run(self, problem):
        return RunError(
            f"{self.name} {problem}, because it is a network in the package: begin a run from it.", "weights_from"
        )

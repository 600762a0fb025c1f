"""Recipes, the training loop, and runs that can be stopped and gone on with."""

from gluon_cnn.training.initial_weights import initialize_as_published, initialize_from_seed
from gluon_cnn.training.loop import evaluate_accuracy, train_ch5, train_ch6
from gluon_cnn.training.metrics import Accumulator, EpochResult, Timer, accuracy
from gluon_cnn.training.recipe import RECIPES, Recipe, get_recipe
from gluon_cnn.training.run import Run, read_history
from gluon_cnn.training.train import train

__all__ = [
    "RECIPES",
    "Accumulator",
    "EpochResult",
    "Recipe",
    "Run",
    "Timer",
    "accuracy",
    "evaluate_accuracy",
    "get_recipe",
    "initialize_as_published",
    "initialize_from_seed",
    "read_history",
    "train",
    "train_ch5",
    "train_ch6",
]

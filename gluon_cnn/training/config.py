"""A run's ``config.json``: what it holds, and its reader, which trusts nothing in it. Nothing here needs MXNet."""

import dataclasses
from typing import Dict, List, Optional

import msgspec

from gluon_cnn.data import DATA_SETS, DatasetInfo
from gluon_cnn.decoding import Pair, Word, convert, read_json
from gluon_cnn.models import list_models, split_own
from gluon_cnn.recipe import EDITIONS, PUBLISHED_EDITIONS, Recipe
from gluon_cnn.training.process import Process
from gluon_cnn.training.settings import Settings

__all__ = ["OWN_FRAMEWORK", "BookRecipe", "Config", "read_config"]

#: What trains the runs of this package.
OWN_FRAMEWORK = "MXNet"


@dataclasses.dataclass(frozen=True)
class BookRecipe:
    """How a run's recipe compares with the book's.

    Attributes
    ----------
    published_as : str
        The network's name in ``published_runs.csv``.
    differences : dict
        ``{setting: [the run's value, the book's]}``, without the seed and where the initial weights come from.
    """

    published_as: str
    differences: Dict[str, Pair]


class Config(Process, kw_only=True):
    """What ``config.json`` holds besides the facts of the process that began the run.

    Attributes
    ----------
    recipe : Recipe
        Of a network of your own, without the folder of its file.
    settings : Settings
    book : BookRecipe or None
    dataset : DatasetInfo
    resumed : list of Process
        Those that resumed the run.
    diverged : str
        What was no longer finite, and where; empty if nothing was.
    framework : str
        What trained the run, such as ``PyTorch`` for those of examples/published_start_torch.py.
    """

    recipe: Recipe
    settings: Settings
    book: Optional[BookRecipe]
    dataset: DatasetInfo
    resumed: List[Process] = msgspec.field(default_factory=list)
    diverged: str = ""
    framework: Word = OWN_FRAMEWORK

    def __post_init__(self):
        own = split_own(self.recipe.model)
        if (own is None) != (self.recipe.source is None) or (own and "/" in self.recipe.model):
            raise ValueError("its source does not go with its model")
        source = DATA_SETS.get(self.recipe.data)
        known = (source and source.info) or self.dataset
        if not self.dataset.is_like(known):
            raise ValueError(f"its dataset is not {self.recipe.data}")
        if source and source.info is None and not self._is_as_the_recipe_takes_it():
            raise ValueError("its recipe and its dataset do not go together")
        if self.book is not None and not self._goes_with_the_book():
            raise ValueError("its recipe and its book do not go together")

    def _is_as_the_recipe_takes_it(self):
        """Whether a data set of one's own has the colours and the size that the recipe asks for."""
        recipe, dataset = self.recipe, self.dataset
        side = (recipe.short_side or recipe.side) if DATA_SETS[recipe.data].has_pictures else dataset.side
        return (
            dataset.channels == (recipe.image_channels or dataset.channels)
            and dataset.side == side
            and dataset.cropped == (recipe.short_side is not None)
            and (dataset.mean is None) == (recipe.normalize == "off")
        )

    def _goes_with_the_book(self):
        """Whether what is said of the book's recipe can be true of this one."""
        values, differences = self.recipe.values(), self.book.differences
        known = self.recipe.model in list_models() and self.recipe.edition in PUBLISHED_EDITIONS
        if not known or not set(differences) <= set(values):
            return False
        if "epochs" not in differences and self.recipe.epochs != EDITIONS[self.recipe.edition].epochs:
            return False
        return all(values[name] == own for name, (own, _) in differences.items())


def read_config(path):
    """What a ``config.json`` holds, as dictionaries and as a :class:`Config`.

    Returns
    -------
    (dict, Config)

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is none.
    Malformed
        If it is not what a run writes, or writes no more.
    """
    content = read_json(path)
    return content, convert(content, Config)

"""All that the program knows of a network, in one record beside the network's own code."""

import dataclasses
from typing import Any, Callable, Mapping, Optional, Tuple

__all__ = ["Network"]


@dataclasses.dataclass(frozen=True)
class Network:
    """A network and its recipe.

    Attributes
    ----------
    title : str
        What its errors call it.
    build : callable
        Builds the network, uninitialised. Its keyword-only arguments are the network's options; ``hybrid`` is one.
    batch_size, lr : int, float
        Those of its recipe, unless the edition has its own.
    side : int
        Height and width in pixels of the images that its recipe trains on.
    channels : int
        Of those images: 1, as of Fashion-MNIST, or 3, of the colour pictures of a paper.
    quick_side : int, optional
        In place of ``side``, for a machine without a GPU.
    recipe : mapping
        Other settings of its recipe, if that is not one of the book's but a paper's.
    same_weights : tuple of str
        Options that change neither the number of weights nor their shapes.
    published_as : str, optional
        Its name in ``published_runs.csv``, if it is one of the book's.
    rearranged, optimized : bool
        Whether oneDNN trains it faster with rearranged layers, and predicts faster with its own optimised network; see
        :mod:`gluon_cnn.training.onednn`.
    source : str, optional
        The SHA-256 of the file of a network of your own.
    """

    title: str
    build: Callable
    batch_size: int = 128
    lr: float = 0.1
    side: int = 224
    channels: int = 1
    quick_side: Optional[int] = None
    recipe: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    same_weights: Tuple[str, ...] = ()
    published_as: Optional[str] = None
    rearranged: bool = False
    optimized: bool = False
    source: Optional[str] = None

    @property
    def defaults(self):
        """The network's options and their defaults; not those that follow from a run's edition and data."""
        known = self.build.__kwdefaults__ or {}
        return {name: value for name, value in known.items() if name not in ("hybrid", "edition", "image_channels")}

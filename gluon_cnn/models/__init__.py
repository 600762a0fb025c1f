"""The book's networks: blocks made of Gluon layers, and one table of the networks built from them."""

from gluon_cnn.errors import ModelError
from gluon_cnn.models import zoo
from gluon_cnn.models.alexnet import alexnet
from gluon_cnn.models.correlation import corr2d
from gluon_cnn.models.lenet import lenet
from gluon_cnn.models.nin import nin, nin_block
from gluon_cnn.models.parameters import load_matching, load_parameters, save_parameters
from gluon_cnn.models.resnet import Residual, resnet18
from gluon_cnn.models.summary import summary
from gluon_cnn.models.vgg import vgg, vgg11, vgg_block

__all__ = [
    "Residual",
    "alexnet",
    "canonical_name",
    "corr2d",
    "get_model",
    "lenet",
    "list_models",
    "load_matching",
    "load_parameters",
    "nin",
    "nin_block",
    "resnet18",
    "save_parameters",
    "summary",
    "vgg",
    "vgg11",
    "vgg_block",
]

_MODELS = {"alexnet": alexnet, "lenet": lenet, "nin": nin, "vgg11": vgg11}
_OTHER_NAMES = {"vgg": "vgg11"}  # the book's only VGG


def list_models():
    """The names that :func:`get_model` knows, sorted."""
    return sorted(_MODELS)


def canonical_name(name):
    """The name that ``name``, in any case, stands for: one in :func:`list_models`, or one with a model zoo before it,
    such as ``gluoncv:cifar_resnet20_v1``; ModelError if there is none."""
    lower = str(name).lower()
    if ":" in lower:
        return zoo.canonical_name(lower)
    lower = _OTHER_NAMES.get(lower, lower)
    if lower not in _MODELS:
        raise ModelError(
            f"There is no network {name!r}; use one of {', '.join(list_models())}, gluoncv:NAME or gluon:NAME."
        )
    return lower


def get_model(name, **kwargs):
    """Build a network by its name: ``get_model("nin", hybrid=True)``.

    Parameters
    ----------
    name : str
        One of :func:`list_models`, in any case, or ``vgg`` for the book's VGG-11. Or ``gluoncv:NAME`` for a network of
        GluonCV's model zoo that classifies images, and ``gluon:NAME`` for one of Gluon's own: behind a layer that makes
        three channels of a grey image's one, with random weights. These have ``num_classes`` and ``hybrid``.
    **kwargs
        Passed to the network's own function.

    Raises
    ------
    ModelError
        For an unknown name, or an argument that network does not have.
    """
    canonical = canonical_name(name)
    build, where = (zoo.network, [canonical]) if ":" in canonical else (_MODELS[canonical], [])
    unknown = sorted(set(kwargs) - set(build.__kwdefaults__))
    if unknown:
        raise ModelError(f"{name} has no argument {', '.join(unknown)}; it has {', '.join(build.__kwdefaults__)}.")
    return build(*where, **kwargs)

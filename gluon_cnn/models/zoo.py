"""Networks of GluonCV's model zoo and of Gluon's own, for grey images: ``gluoncv:NAME`` and ``gluon:NAME``."""

import difflib
import functools
import sys
import warnings

import mxnet as mx
from mxnet.gluon import nn
from mxnet.gluon.model_zoo import vision

from gluon_cnn.checks import brief, whole_number
from gluon_cnn.errors import ModelError
from gluon_cnn.models.network import Network

__all__ = ["import_gluoncv", "zoo_name", "zoo_network"]

# Modules of gluoncv.model_zoo whose networks take a batch of images and give a logit for each class. Of the others that
# classify images, hrnet and pruned_resnet always have 1,000 classes, nasnet gives two outputs, and a compiled resnest
# still drops blocks after the training.
_CLASSIFIERS = (
    "alexnet", "cifarresnet", "cifarresnext", "cifarwideresnet", "densenet", "dla", "googlenet", "inception",
    "mobilenet", "mobilenetv3", "residual_attentionnet", "resnet", "resnetv1b", "resnext", "senet", "shufflenet",
    "squeezenet", "vgg", "xception", "yolo.darknet",
)  # fmt: skip


@functools.lru_cache(maxsize=None)
def import_gluoncv():
    """The library; ModelError if it is not installed."""
    from PIL import ImageFile

    # With PyTorch 2 beside it, which it does not need here, GluonCV refuses to be imported. And it tells Pillow to take
    # half of a picture for a whole one.
    torch, half_pictures = sys.modules.get("torch"), ImageFile.LOAD_TRUNCATED_IMAGES
    sys.modules["torch"] = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import gluoncv
    except (ImportError, RuntimeError) as error:  # the latter is of MXNet 2
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise ModelError(
            f"GluonCV cannot be imported ({reason}): it needs MXNet 1.9.1, and pip install gluoncv==0.10.5.post0."
        ) from None
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = half_pictures
        del sys.modules["torch"]
        if torch is not None:
            sys.modules["torch"] = torch
    return gluoncv


def zoo_name(name):
    """A zoo network's name, such as ``gluoncv:cifar_resnet20_v1``, from that name in upper or lower case.

    Raises
    ------
    ModelError
        If the zoo has no network of that name, saying which are the nearest, or one that does not classify images.
    """
    zoo, _, wanted = str(name).lower().partition(":")
    if zoo not in _ZOOS:
        raise ModelError(
            f"There is no model zoo {brief(zoo)}; write {' or '.join(f'{zoo}:NAME' for zoo in _ZOOS)}.", "model"
        )
    whose, names_of = _ZOOS[zoo]
    classifiers, others = names_of()
    if wanted not in classifiers:
        nearest = ", ".join(difflib.get_close_matches(wanted, classifiers, cutoff=0))
        if wanted in others:
            raise ModelError(
                f"{wanted} of {whose} cannot be trained here, because in MXNet 1.9.1 it does not give one logit "
                f"per class for a batch of images; the nearest that do are {nearest}.",
                "model",
            )
        raise ModelError(f"There is no network {brief(wanted)} in {whose}; the nearest are {nearest}.", "model")
    return f"{zoo}:{wanted}"


@functools.lru_cache(maxsize=None)
def _gluoncv_names():
    import_gluoncv()
    from gluoncv.model_zoo.model_zoo import _models  # the public list has only the names

    root = "gluoncv.model_zoo."
    # GluonCV's GroupNorm cannot be compiled in MXNet 1.9.1.
    classifiers = [
        name
        for name, build in _models.items()
        if build.__module__[len(root) :] in _CLASSIFIERS and not name.endswith("_gn")
    ]
    return sorted(classifiers), set(_models) - set(classifiers)


@functools.lru_cache(maxsize=None)
def _gluon_names():
    try:
        vision.get_model("")
    except ValueError as error:  # the only place where Gluon lists them
        return str(error).split("\n\t")[1:], ()


# prefix: whose it is, and its names: those that can be trained here, and those that cannot
_ZOOS = {"gluoncv": ("GluonCV's model zoo", _gluoncv_names), "gluon": ("Gluon's model zoo", _gluon_names)}


def zoo_network(name):
    """The record of a zoo's network, by its name from :func:`zoo_name`.

    It is built behind a layer that makes three equal channels of a grey image's one, and leaves those of colour.
    """
    own_name = name.partition(":")[2]
    side = 32 if own_name.startswith("cifar_") else 299 if own_name.startswith("inception") else 224

    def build(*, num_classes=10, image_channels=1, hybrid=True):
        return _build(name, num_classes, image_channels)

    return Network(name, build, side=side)


def _build(name, num_classes, image_channels):
    """The network: an ``nn.HybridSequential`` that takes N×image_channels×H×W ``mx.nd`` arrays, one or three channels,
    and gives N×num_classes logits.

    Its second child is the zoo's own network, for images of three channels, whose parameter files are the zoo's.

    Raises
    ------
    ModelError
        Under ``npx.set_np()``: these networks were not written for its arrays.
    """
    num_classes = whole_number("num_classes", num_classes)
    if mx.util.is_np_array():
        raise ModelError(f"{name} takes mx.nd arrays only: call npx.reset_np() first, and use MXNet 1.9.1.")
    from mxnet.gluon.contrib.nn import HybridConcurrent, Identity  # MXNet 2 has them elsewhere

    zoo, _, own_name = name.partition(":")
    get_model = vision.get_model if zoo == "gluon" else import_gluoncv().model_zoo.get_model
    channels = HybridConcurrent(axis=1)
    channels.add(*(Identity() for _ in range(3 // image_channels)))
    net = nn.HybridSequential()
    net.add(channels, get_model(own_name, classes=num_classes, pretrained=False))
    return net

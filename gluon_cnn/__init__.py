"""The CNN chapters of "Dive into Deep Learning" in Apache MXNet Gluon, as software that runs.

Names, order of arguments and defaults are the book's, so that ``import gluon_cnn as d2l`` serves its cells.
"""

from gluon_cnn import _runtime

try:
    _runtime.import_mxnet()  # before anything below imports mxnet by itself
except ImportError as error:
    if _runtime.is_own_command():
        from gluon_cnn.doctor import end_without_mxnet

        end_without_mxnet(error)
    raise

from gluon_cnn.book import published_runs
from gluon_cnn.data import get_fashion_mnist_labels, load_data_fashion_mnist
from gluon_cnn.device import try_all_gpus, try_gpu
from gluon_cnn.errors import GluonCNNError
from gluon_cnn.models import (
    Residual,
    alexnet,
    corr2d,
    get_model,
    lenet,
    list_models,
    load_matching,
    load_parameters,
    nin,
    nin_block,
    resnet18,
    save_parameters,
    summary,
    vgg,
    vgg11,
    vgg_block,
)
from gluon_cnn.notebook import Animator, set_figsize, show_images, use_svg_display
from gluon_cnn.plot import show_fashion_mnist
from gluon_cnn.training import (
    Accumulator,
    Timer,
    accuracy,
    evaluate_accuracy,
    get_recipe,
    initialize_as_published,
    train_ch5,
    train_ch6,
)
from gluon_cnn.training.loop import evaluate_accuracy_gpu, train

__all__ = [
    "Accumulator",
    "Animator",
    "GluonCNNError",
    "Residual",
    "Timer",
    "accuracy",
    "alexnet",
    "corr2d",
    "evaluate_accuracy",
    "evaluate_accuracy_gpu",
    "get_fashion_mnist_labels",
    "get_model",
    "get_recipe",
    "initialize_as_published",
    "lenet",
    "list_models",
    "load_data_fashion_mnist",
    "load_matching",
    "load_parameters",
    "nin",
    "nin_block",
    "published_runs",
    "resnet18",
    "save_parameters",
    "set_figsize",
    "show_fashion_mnist",
    "show_images",
    "summary",
    "train",
    "train_ch5",
    "train_ch6",
    "try_all_gpus",
    "try_gpu",
    "use_svg_display",
    "vgg",
    "vgg11",
    "vgg_block",
]

"""The CNN chapters of "Dive into Deep Learning" in Apache MXNet Gluon, as software that runs.

Names, order of arguments and defaults are the book's, so that ``import gluon_cnn as d2l`` serves its cells. Importing
the package makes MXNet ready to be imported, so it comes first. Each name below is imported, and MXNet with it, when it
is first used.
"""

import importlib

from gluon_cnn import runtime
from gluon_cnn.errors import GluonCNNError


def _accept_both_releases():
    from gluon_cnn.data.gluon_class import accept_both_releases

    accept_both_releases()


runtime.prepare(_accept_both_releases)  # before anything imports MXNet

#: The module of each public name.
_MODULES = {
    "gluon_cnn.comparison.published": ["published_runs"],
    "gluon_cnn.d2l.animator": ["Animator"],
    "gluon_cnn.d2l.classes.board": ["ProgressBoard"],
    "gluon_cnn.d2l.classes.data": ["DataModule", "FashionMNIST"],
    "gluon_cnn.d2l.classes.hyperparameters": ["HyperParameters", "add_to_class"],
    "gluon_cnn.d2l.classes.linear": ["LinearRegression", "LinearRegressionScratch", "SyntheticRegressionData"],
    "gluon_cnn.d2l.classes.initial": ["init_cnn"],
    "gluon_cnn.d2l.classes.module": ["SGD", "Classifier", "Module", "nn_Module"],
    "gluon_cnn.d2l.classes.networks": ["LeNet", "ResNeXtBlock", "SoftmaxRegression"],
    "gluon_cnn.d2l.classes.trainer": ["Trainer"],
    "gluon_cnn.d2l.figures": ["set_figsize", "show_fashion_mnist", "show_images", "use_svg_display"],
    "gluon_cnn.d2l.linear": ["evaluate_loss", "linreg", "load_array", "sgd", "squared_loss", "synthetic_data"],
    "gluon_cnn.d2l.measures": ["Accumulator", "Benchmark", "Timer", "accuracy", "benchmark"],
    "gluon_cnn.d2l.plots": ["plot", "plt", "semilogy", "set_axes"],
    "gluon_cnn.d2l.several_devices": [
        "evaluate_accuracy_gpus",
        "get_dataloader_workers",
        "split_batch",
        "train_batch_ch13",
        "train_ch13",
    ],
    "gluon_cnn.d2l.softmax": ["predict_ch3", "train_ch3", "train_epoch_ch3"],
    "gluon_cnn.d2l.training": ["evaluate_accuracy", "evaluate_accuracy_gpu", "train", "train_ch5", "train_ch6"],
    "gluon_cnn.data": ["get_fashion_mnist_labels"],
    "gluon_cnn.data.batches": ["load_data_fashion_mnist"],
    "gluon_cnn.data.load_folder": ["load_data_folder"],
    "gluon_cnn.models": ["get_model", "list_models"],
    "gluon_cnn.models.alexnet": ["alexnet"],
    "gluon_cnn.models.alexnet2012": ["alexnet2012"],
    "gluon_cnn.models.batch_norm": ["BatchNorm", "lenet_bn"],
    "gluon_cnn.models.correlation": ["corr2d"],
    "gluon_cnn.models.densenet": ["conv_block", "dense_block", "densenet", "transition_block"],
    "gluon_cnn.models.googlenet": ["googlenet", "inception"],
    "gluon_cnn.models.lenet": ["lenet"],
    "gluon_cnn.models.local_response": ["LocalResponseNorm"],
    "gluon_cnn.models.nin": ["nin", "nin_block"],
    "gluon_cnn.models.nin2013": ["nin2013"],
    "gluon_cnn.models.parameters": ["load_matching", "load_parameters", "save_parameters"],
    "gluon_cnn.models.resnet": ["Residual", "resnet", "resnet18", "resnet_block"],
    "gluon_cnn.models.summary": ["summary"],
    "gluon_cnn.models.vgg": ["vgg", "vgg11", "vgg_block"],
    "gluon_cnn.runtime.devices": ["try_all_gpus", "try_gpu"],
    "gluon_cnn.training.initial_weights": ["initialize_as_published"],
    "gluon_cnn.training.recipes": ["get_recipe"],
    "gluon_cnn.training.run": ["load_run"],
}
#: The book's names for functions of arrays and devices. ``from gluon_cnn import *`` leaves them out, because ``abs``,
#: ``log`` and others are also Python's and NumPy's.
ARRAY_NAMES = [
    "abs", "arange", "argmax", "astype", "batch_matmul", "concat", "cos", "cosh", "cpu", "exp", "expand_dims", "eye",
    "float32", "gpu", "int32", "int64", "linspace", "log", "matmul", "meshgrid", "normal", "num_gpus", "numpy", "ones",
    "ones_like", "rand", "randn", "reduce_mean", "reduce_sum", "repeat", "reshape", "sigmoid", "sin", "sinh", "size",
    "stack", "swapaxes", "tanh", "tensor", "to", "transpose", "zeros", "zeros_like",
]  # fmt: skip
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}
_PACKAGES = ("comparison", "d2l", "data", "inspection", "interop", "models", "training")

#: Without the present edition's ``Trainer``, because that name is also Gluon's.
__all__ = sorted({*_MODULE_OF, GluonCNNError.__name__} - {"Trainer"})

_MODULE_OF.update(dict.fromkeys(ARRAY_NAMES, "gluon_cnn.d2l.arrays"))


def __getattr__(name):
    if name in _PACKAGES:
        return importlib.import_module(f"gluon_cnn.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    except ModuleNotFoundError as error:
        if error.name == "mxnet":
            runtime.import_mxnet()  # which says what to install
        raise
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_MODULE_OF, *__all__})

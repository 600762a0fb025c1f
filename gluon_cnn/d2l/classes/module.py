"""Networks with their loss, optimiser and curves, as the English edition's classes have them."""

import math

import mxnet as mx
from mxnet import gluon
from mxnet.gluon import nn

from gluon_cnn.checks import MOST, brief, number, whole_number
from gluon_cnn.d2l.classes.board import ProgressBoard
from gluon_cnn.d2l.classes.hyperparameters import HyperParameters
from gluon_cnn.d2l.classes.initial import check_initialized, is_initialized
from gluon_cnn.d2l.epochs import devices_of
from gluon_cnn.d2l.linear import sgd
from gluon_cnn.errors import DataError, ModelError, SettingError
from gluon_cnn.training.metrics import answers

__all__ = ["SGD", "Classifier", "Module", "nn_Module"]

nn_Module = nn.Block  # the book's name for every framework's


class Module(nn.Block, HyperParameters):
    """A model: a network ``net``, its loss, its optimiser and its curves (book, section 3.2 of the English edition
    since 1.0).

    A subclass makes ``net`` in ``__init__``, or defines ``forward``, and keeps its learning rate as ``lr``.

    Parameters
    ----------
    plot_train_per_epoch, plot_valid_per_epoch : number
        How many points a curve gets in an epoch, of training and of validation.

    Attributes
    ----------
    board : ProgressBoard
    trainer : Trainer
        The one that trains it.
    """

    _made_in_init = ("_children", "_reg_params", "_params", "board")

    def __init__(self, plot_train_per_epoch=2, plot_valid_per_epoch=1):
        super().__init__()
        self.save_hyperparameters()
        self.board = ProgressBoard()

    def loss(self, y_hat, y):
        """What training makes small: an array of one number."""
        raise ModelError(f"{type(self).__name__} has no loss: define loss(self, y_hat, y), or make it a Classifier.")

    def forward(self, X):
        """The network's output for a batch."""
        return self._network()(X)

    def _network(self):
        net = getattr(self, "net", None)
        if not isinstance(net, nn.Block):
            raise ModelError(f"{type(self).__name__} has no network: make self.net in __init__, or define forward.")
        return net

    def plot(self, key, value, train):
        """Give the curve ``train_KEY`` or ``val_KEY`` a value of this step; the board takes the mean of several.

        Raises
        ------
        SettingError
            If no trainer trains this model.
        """
        trainer = getattr(self, "trainer", None)
        if trainer is None:
            raise SettingError(f"{type(self).__name__} has no trainer, which counts its steps: call the trainer's fit.")
        self.board.xlabel = "epoch"
        if train:
            x, batches = trainer.train_batch_idx / trainer.num_train_batches, trainer.num_train_batches
            points = number("plot_train_per_epoch", self.plot_train_per_epoch)
        else:
            x, batches = trainer.epoch + 1, trainer.num_val_batches
            points = number("plot_valid_per_epoch", self.plot_valid_per_epoch)
        value = value.detach() if hasattr(value, "detach") else value  # which else keeps the step's gradients' arrays
        self.board.draw(x, value, ("train_" if train else "val_") + key, every_n=max(1, int(batches / points)))

    def training_step(self, batch):
        """The loss of a batch, whose last array is what to predict; called while MXNet records."""
        inputs, label = _inputs_and_label(batch)
        loss = self.loss(self(*inputs), label)
        self.plot("loss", loss, train=True)
        return loss

    def validation_step(self, batch):
        """Take the loss of a batch of the validation part."""
        inputs, label = _inputs_and_label(batch)
        self.plot("loss", self.loss(self(*inputs), label), train=False)

    def configure_optimizers(self):
        """Plain SGD of all :meth:`parameters`, with the learning rate ``self.lr``."""
        if not hasattr(self, "lr"):
            raise SettingError(
                f"{type(self).__name__} has no lr: keep it with save_hyperparameters, or define configure_optimizers."
            )
        parameters, lr = self.parameters(), number("lr", self.lr)
        if isinstance(parameters, list):
            return SGD(parameters, lr)
        return gluon.Trainer(parameters, "sgd", {"learning_rate": lr})

    def parameters(self):
        """Gluon's parameters by name, or, if there are none, those of :meth:`get_scratch_params` with gradients."""
        parameters = self.collect_params()  # of which a subclass may make a list
        if not isinstance(parameters, list) and parameters.keys():
            return parameters
        return [array for array in self.get_scratch_params() if array.grad is not None]

    def get_scratch_params(self):
        """The arrays that are attributes of this model and of the models in it, as a list."""
        found = []
        for name, value in _arrays_and_modules(self):
            found += value.get_scratch_params() if name is None else [value]
        return found

    def set_scratch_params_device(self, device):
        """Move the arrays among the attributes of this model and of the models in it to a device."""
        for name, value in _arrays_and_modules(self):
            if name is None:
                value.set_scratch_params_device(device)
            elif value.context != device:
                moved = value.as_in_context(device)
                if value.grad is not None:
                    moved.attach_grad()
                setattr(self, name, moved)

    def apply_init(self, inputs, init=None):
        """Show the network its inputs, so that its layers have shapes, then let ``init`` initialise each block.

        Parameters
        ----------
        inputs : sequence of array
        init : callable, optional
            Such as :func:`gluon_cnn.init_cnn`.

        Raises
        ------
        SettingError
            If they are no such inputs, or ``init`` cannot be called.
        """
        if not isinstance(inputs, (list, tuple)) or not inputs or not all(map(_is_filled, inputs)):
            raise SettingError(f"inputs is {brief(inputs)}; it must be a list of the network's inputs, arrays.")
        if init is not None and not callable(init):
            raise SettingError(f"init is {brief(init)}; it must be a function of a block, such as init_cnn.")
        for parameter in self.collect_params().values():
            if not is_initialized(parameter):
                parameter.initialize()
        self(*inputs)
        if init is not None:
            self._network().apply(init)


class Classifier(Module):
    """A model for classes, with its loss and accuracy (book, section 4.3 of the English edition since 1.0)."""

    def validation_step(self, batch):
        """Take the loss and the accuracy of a batch of the validation part."""
        inputs, label = _inputs_and_label(batch)
        Y_hat = self(*inputs)
        self.plot("loss", self.loss(Y_hat, label), train=False)
        self.plot("acc", self.accuracy(Y_hat, label), train=False)

    def accuracy(self, Y_hat, Y, averaged=True):
        """The share of predictions that are right, or for each 1 if it is and 0 if not.

        Parameters
        ----------
        Y_hat : array
            ...×classes scores.
        Y : array
            As many labels.
        averaged : bool

        Raises
        ------
        ModelError
            If there are not as many labels, or no scores.
        """
        Y_hat, Y = _flat(Y_hat, Y)
        right = (answers(Y_hat, Y).astype("float32") == Y.astype("float32")).astype("float32")
        return right.mean() if averaged else right

    def loss(self, Y_hat, Y, averaged=True):
        """Softmax and cross-entropy: the mean, or a number for each label; arguments as of :meth:`accuracy`."""
        loss = gluon.loss.SoftmaxCrossEntropyLoss()(*_flat(Y_hat, Y))
        return loss.mean() if averaged else loss

    def layer_summary(self, X_shape):
        """Print the output shape of each layer of ``net`` for random input of a shape.

        Raises
        ------
        SettingError
            If ``X_shape`` is no shape, or too large.
        ModelError
            If such an input does not fit a layer.
        """
        if not isinstance(X_shape, (list, tuple)) or not X_shape:
            raise SettingError(f"X_shape is {brief(X_shape)}; it must be sizes such as (1, 1, 28, 28).")
        X_shape = tuple(whole_number("X_shape", size) for size in X_shape)
        if math.prod(X_shape) > MOST:
            raise SettingError(f"X_shape is {brief(X_shape)}, too many numbers for an array: use a smaller one.")
        net = self._network()
        check_initialized(self)
        normal = mx.np.random.normal if mx.util.is_np_array() else mx.nd.random.normal
        X = normal(0, 1, X_shape, ctx=devices_of(self)[0])
        for layer in net if isinstance(net, (nn.Sequential, nn.HybridSequential)) else [net]:
            shape, kind = X.shape, type(layer).__name__
            try:
                X = layer(X)
                X.wait_to_read()
            except (mx.MXNetError, ValueError) as error:
                reason = str(error).strip().splitlines()[-1].strip().rstrip(".")
                raise ModelError(f"An input of shape {shape} does not fit {kind} ({reason}): use another.") from None
            print(kind, "output shape:\t", X.shape)


class SGD(HyperParameters):
    """Plain SGD on arrays (book, section 3.4 of the English edition since 1.0).

    Parameters
    ----------
    params : sequence of array
        With gradients.
    lr : float

    Raises
    ------
    SettingError
        If they are no such arrays.
    """

    def __init__(self, params, lr):
        if not isinstance(params, (list, tuple)) or any(getattr(each, "grad", None) is None for each in params):
            raise SettingError(f"params is {brief(params)}; it must be a list of arrays, each after attach_grad().")
        self.save_hyperparameters()

    def step(self, batch_size=1):
        """Take a step; the gradients are taken as they are, whatever the batch's size."""
        sgd(self.params, number("lr", self.lr), 1)


def _inputs_and_label(batch):
    """What a batch gives the network, and what to predict, its last array."""
    if (
        not isinstance(batch, (list, tuple))
        or len(batch) < 2
        or not all(_is_filled(each) and each.shape for each in batch)
    ):
        raise DataError(f"A batch is {brief(batch)}: let the loader give arrays of MXNet, inputs and then labels.")
    return batch[:-1], batch[-1]


def _is_filled(array):
    return isinstance(array, mx.nd.NDArray) and 0 not in array.shape


def _flat(Y_hat, Y):
    """N×classes scores and N labels."""
    if not (_is_filled(Y_hat) and _is_filled(Y)) or not Y_hat.shape:
        raise ModelError(
            f"Scores {brief(Y_hat)} and labels {brief(Y)} cannot be compared: give arrays of MXNet that are not empty."
        )
    scores, labels = Y_hat.reshape((-1, Y_hat.shape[-1])), Y.reshape((-1,))
    if len(scores) != len(labels):
        raise ModelError(
            f"Scores of shape {Y_hat.shape} do not fit labels of shape {Y.shape}: give a label for each set of scores."
        )
    return scores, labels


def _arrays_and_modules(module):
    """Each array among a module's attributes with its name, and each module among them, or in a list there, with
    None."""
    for name, value in list(vars(module).items()):
        if isinstance(value, mx.nd.NDArray):
            yield name, value
        for each in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(each, Module):
                yield None, each

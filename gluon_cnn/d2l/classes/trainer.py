"""The English edition's trainer."""

from types import SimpleNamespace

import mxnet as mx
from mxnet import autograd, gluon

from gluon_cnn.checks import brief, number, whole_number
from gluon_cnn.d2l.classes.data import DataModule
from gluon_cnn.d2l.classes.hyperparameters import HyperParameters
from gluon_cnn.d2l.classes.initial import check_initialized
from gluon_cnn.d2l.classes.module import Module
from gluon_cnn.data.batches import Batches
from gluon_cnn.errors import DataError, ModelError, SettingError
from gluon_cnn.runtime.devices import try_all_gpus
from gluon_cnn.training.loop import one_ahead
from gluon_cnn.training.metrics import Pace

__all__ = ["Trainer"]


class Trainer(HyperParameters):
    """What trains a model on data (book, section 3.2 of the English edition since 1.0).

    Within an epoch Python waits for the device after the first step, and from then on after every half second or so
    of work, so that it hears Ctrl-C.

    Parameters
    ----------
    max_epochs : int
    num_gpus : int
        How many GPUs to ask for. As in the book, the first one trains; without a GPU that computes, the CPU.
    gradient_clip_val : float
        The largest norm of all gradients together, to which they are scaled down; 0 for any.

    Attributes
    ----------
    gpus : list of mx.Context
    epoch, train_batch_idx, val_batch_idx : int
        The epoch under way, from 0, and the batches so far.

    Raises
    ------
    SettingError
        If a number is out of range.
    """

    _made_in_init = ("max_epochs", "gpus", "gradient_clip_val")

    def __init__(self, max_epochs, num_gpus=0, gradient_clip_val=0):
        max_epochs, num_gpus = whole_number("max_epochs", max_epochs), whole_number("num_gpus", num_gpus, smallest=0)
        gradient_clip_val = number("gradient_clip_val", gradient_clip_val)
        self.save_hyperparameters()
        found = try_all_gpus() if num_gpus else []
        self.gpus = [device for device in found if device.device_type == "gpu"][:num_gpus]

    @property
    def _device(self):
        return self.gpus[0] if self.gpus else mx.cpu()

    def fit(self, model, data):
        """Train a model, and validate it after each epoch; its board shows how.

        Parameters
        ----------
        model : Module
        data : DataModule

        Raises
        ------
        SettingError
            If they are not such objects.
        DataError
            If there are no batches, nobody knows how many, or they are no arrays.
        ModelError
            If the model is not initialised, or it, its loss and the batches do not fit each other.
        """
        if not isinstance(model, Module) or not isinstance(data, DataModule):
            raise SettingError(
                f"fit takes a Module and a DataModule, in this order, not {brief(model)} and {brief(data)}."
            )
        self.prepare_data(data)
        self.prepare_model(model)
        self.optim = model.configure_optimizers()
        if not hasattr(self.optim, "step"):
            raise ModelError(
                f"{type(model).__name__}'s configure_optimizers gives {brief(self.optim)}: let it return an optimizer "
                "with a step method, such as gluon.Trainer."
            )
        self.train_batch_idx = self.val_batch_idx = 0
        for epoch in range(self.max_epochs):
            self.epoch = epoch
            try:
                self.fit_epoch()
            except (mx.MXNetError, UserWarning) as error:  # UserWarning: Gluon's for a layer that forward left out
                name, reason = type(model).__name__, brief(str(error).strip().splitlines()[-1].strip())
                raise ModelError(
                    f"{name} cannot be trained on these batches ({reason}): give inputs that fit its layers, and a "
                    "loss from its output in which every layer takes part and parameters have gradients (grad_req)."
                ) from error

    def prepare_data(self, data):
        """Get the loaders of some data, and count their batches."""
        self.train_dataloader, self.val_dataloader = data.train_dataloader(), data.val_dataloader()
        self.num_train_batches = _number_of_batches("train_dataloader", self.train_dataloader)
        self.num_val_batches = 0
        if self.val_dataloader is not None:
            self.num_val_batches = _number_of_batches("val_dataloader", self.val_dataloader)
        for loader in (self.train_dataloader, self.val_dataloader):
            if isinstance(loader, Batches):
                loader.ctx = self._device  # to which it takes bytes

    def prepare_model(self, model):
        """Take a model to the device."""
        model.trainer = self
        model.board.xlim = [0, self.max_epochs]
        check_initialized(model)
        parameters = model.parameters()
        for parameter in () if isinstance(parameters, list) else parameters.values():
            if parameter.list_ctx() != [self._device]:
                parameter.reset_ctx(self._device)
        model.set_scratch_params_device(self._device)
        self.model = model

    def prepare_batch(self, batch):
        """A batch on the device."""
        if not isinstance(batch, (list, tuple)):
            raise DataError(f"A batch is {brief(batch)}: let the loader give tuples of arrays, inputs and then labels.")
        return [part.as_in_context(self._device) if hasattr(part, "as_in_context") else part for part in batch]

    def fit_epoch(self):
        """Take a step with each training batch, then show the model each validation batch."""
        for batch in self._batches("train_dataloader"):
            with autograd.record():
                loss = self.model.training_step(batch)
            self._step(loss)
            self.train_batch_idx += 1
        if self.val_dataloader is None:
            return
        for batch in self._batches("val_dataloader"):
            self.model.validation_step(batch)
            self.val_batch_idx += 1

    def _batches(self, name):
        given = 0
        for batch in one_ahead(getattr(self, name), _pace()):
            given += 1
            yield self.prepare_batch(batch)
        if not given:
            raise DataError(f"{name} gave no batch in epoch {self.epoch}: let it begin anew in every epoch.")

    def _step(self, loss):
        if not isinstance(loss, mx.nd.NDArray):
            name = type(self.model).__name__
            raise ModelError(f"{name}'s training_step gives {brief(loss)}: let it return the loss, an array.")
        loss.backward()
        if self.gradient_clip_val > 0:
            self.clip_gradients(self.gradient_clip_val, self.model)
        self.optim.step(1)

    def clip_gradients(self, grad_clip_val, model):
        """Scale the gradients of a model down until their norm, of all together, is at most ``grad_clip_val``."""
        parameters = model.parameters()
        if not isinstance(parameters, list):
            parameters = [each.data() for each in parameters.values() if each.grad_req != "null"]
        gradients = [parameter.grad.as_nd_ndarray() for parameter in parameters]
        gluon.utils.clip_global_norm(gradients, grad_clip_val, check_isfinite=False)  # which would wait


def _pace():
    """What to call after each step, which waits for the device now and then."""
    return Pace().reader(SimpleNamespace(read=mx.nd.waitall))


def _number_of_batches(name, loader):
    try:
        batches = len(loader)
    except TypeError:
        raise DataError(
            f"{name} gives {brief(loader)}, which has no len(): give a loader, such as get_tensorloader makes, or a "
            "list of batches."
        ) from None
    if not batches:
        raise DataError(f"{name} gives no batches: there are no examples in it.")
    return batches

"""A run: its directory, and its trained network."""

import dataclasses
import logging
from typing import NamedTuple

import mxnet as mx
from mxnet import gluon
from scipy.special import softmax

from gluon_cnn.checks import choice, whole_number
from gluon_cnn.data import DATA_SETS, FASHION_MNIST
from gluon_cnn.data.folder_files import few
from gluon_cnn.data.inputs import Inputs
from gluon_cnn.errors import CheckpointError, DataError, RunError
from gluon_cnn.models.pretrained import pretrained_name
from gluon_cnn.runtime.devices import as_text, parse_context
from gluon_cnn.training.checkpoint import load_network
from gluon_cnn.training.checkpoints import best_checkpoint, last_checkpoint, refuse_other_recipe
from gluon_cnn.training.directory import CONFIG, RunDirectory
from gluon_cnn.training.initial_weights import forward_zeros
from gluon_cnn.training.loop import count_correct
from gluon_cnn.training.manifest import read_state
from gluon_cnn.training.onednn import for_inference, for_training
from gluon_cnn.training.recipes import check_recipe, fixed_values
from gluon_cnn.training.setup import build_network, load_data
from gluon_cnn.training.ten_crop import refuse_one_view, ten_crop_accuracy
from gluon_cnn.training.train_run import train_run
from gluon_cnn.training.weights import open_weights

__all__ = ["Evaluation", "Run", "load_run"]

log = logging.getLogger(__name__)


class Evaluation(NamedTuple):
    """Top-1 accuracy as a fraction, and the number of test images."""

    accuracy: float
    images: int


def load_run(directory):
    """The run that a directory holds, or ``pretrained:nin``, a trained network in the package.

    Returns
    -------
    Run
        Has ``.recipe``, ``.history``, ``.network()``, ``.evaluate()`` and ``.resume()``; but a network in the package
        cannot be resumed.

    Raises
    ------
    RunError
        If the directory holds no run.
    ModelError
        If the package has no such network.
    """
    network = pretrained_name(directory)
    if network is None:
        return Run.open(directory)
    from gluon_cnn.training.pretrained import PretrainedRun  # which imports this module

    return PretrainedRun(network)


class Run(RunDirectory):
    """A run's directory, see :class:`gluon_cnn.training.directory.RunDirectory`, and its network."""

    #: What was done to weights of other pictures that this process took, in words for the log.
    converted = ()

    def checkpoint(self, which="last"):
        """The directory of the ``last`` checkpoint, or of the ``best`` by test accuracy; RunError if there is none."""
        self.refuse_other_framework()
        find = {"last": last_checkpoint, "best": best_checkpoint}[choice("which", which, ("last", "best"))]
        checkpoint = find(self.checkpoints)
        if checkpoint is None:
            raise RunError(f"{self.directory} has no checkpoint yet: resume its training.", "resume")
        return checkpoint

    def state(self, which="last"):
        """Where the training stood at a checkpoint, a :class:`gluon_cnn.training.manifest.State`."""
        return read_state(self.checkpoint(which))

    @property
    def inputs(self):
        """What the network takes, and how stored images become that, :class:`gluon_cnn.data.inputs.Inputs`."""
        return Inputs(self.dataset or FASHION_MNIST, self.recipe.side)

    def network(self, ctx=None, which="last"):
        """The trained network, ready to use.

        Parameters
        ----------
        ctx : str, mx.Context or list of mx.Context, optional
            Where its parameters are put: ``"gpu:0,1"`` and the like, see
            :func:`gluon_cnn.runtime.devices.parse_context`; the first GPU that computes by default, else the CPU.
        which : {"last", "best"}
            Which checkpoint.

        Returns
        -------
        Block
            Takes batches of :attr:`inputs`, N×C×H×W arrays; gives N×classes logits.

        Raises
        ------
        RunError, CheckpointError, DeviceError, ModelError
            If there is no checkpoint, or it, the device, or the copy of a network of your own cannot be used.
        """
        self.checkpoint(which)  # before anything is built
        check_recipe(self.recipe)  # whether the copy of a network of your own is as it was
        net = build_network(self.recipe, self.dataset or FASHION_MNIST, hybrid=True)
        devices = _devices(ctx)
        self._load(net, devices, which)
        self._refuse_other_channels(net, devices[0])
        if isinstance(net, gluon.HybridBlock):
            net.hybridize(static_alloc=True)
        return net

    def _load(self, net, devices, which):
        checkpoint = self.checkpoint(which)
        try:
            refuse_other_recipe(checkpoint, load_network(checkpoint, net, devices), fixed_values(self.recipe))
        except CheckpointError:
            if checkpoint.is_dir():
                raise
            self._load(net, devices, which)  # another process trains the run, and keeps newer ones in its place

    def _refuse_other_channels(self, net, device):
        """RunError if a network does not take the images that config.json says it was trained on."""
        if DATA_SETS[self.recipe.data].info is not None:  # whose number of channels is known
            return
        try:
            forward_zeros(net, (1, *self.inputs.shape), device).wait_to_read()
        except mx.MXNetError:
            images = f"images of {'×'.join(map(str, self.inputs.shape))}, as its {CONFIG} says: restore {CONFIG}."
            raise RunError(f"The network of {self.directory} does not take {images}") from None

    def evaluate(self, ctx=None, which="last", *, data_dir=None, release=None, ten_crop=False):
        """Measure the test accuracy of a checkpoint, as the test pass of an epoch does, or over ten views of an image.

        Parameters
        ----------
        ctx, which
            As for :meth:`network`.
        data_dir : path, optional
            Where the data set is, if not where the run had it.
        release : {"first", "second"}, optional
            Which release of Fashion-MNIST, if not the one that it was trained on.
        ten_crop : bool, default False
            Average the probabilities of the four corners and the middle of each image, and of their mirror images
            (Krizhevsky et al., 2012, section 4.1). For networks whose images are cut out of larger ones.

        Returns
        -------
        Evaluation

        Raises
        ------
        SettingError
            With ``ten_crop``, if images are not cut out of larger ones; otherwise as :meth:`network` and :meth:`data`.
        """
        devices = _devices(ctx)
        data = self.data(devices[0], data_dir, release)
        if ten_crop:
            refuse_one_view(data.info, self.recipe.side)
        net = self.network(devices, which)
        images = len(data.test.labels)
        trained = for_training(net, self.recipe, devices)  # so that it computes what the test pass of an epoch did
        with for_inference(net, self.recipe, devices, images, trained) as fastest:
            if not ten_crop:
                return Evaluation(count_correct(fastest, data.test, devices).accuracy, images)
            return Evaluation(ten_crop_accuracy(lambda X: softmax(fastest(X).asnumpy(), axis=1), data.test), images)

    def data(self, device, data_dir=None, release=None, **changes):
        """The data set that the run was trained on, as it is there now, as its network takes it.

        Parameters
        ----------
        device : mx.Context
        data_dir, release
            As for :meth:`evaluate`.
        **changes
            Other values of the recipe's settings, such as ``test_size=None`` for all test images.

        Returns
        -------
        gluon_cnn.training.setup.Data

        Raises
        ------
        DataError
            If it cannot be read, or has other classes.
        """
        recipe = self.recipe_of_data(release, **changes)
        check_recipe(recipe)
        options = {"trained_on": self.dataset, "memory": self.settings.data_bytes}
        data = load_data(recipe, data_dir or self.settings.data_dir, device, **options)
        self.refuse_other_classes(data.info)
        if DATA_SETS[recipe.data].info is None and data.info.sha256 != self.dataset.sha256:
            log.warning(f"{data.info.name} has other files than those that {self.directory} was begun with")
        if data.left_out:
            log.warning(data.left_out)
        return data

    def recipe_of_data(self, release=None, **changes):
        """The recipe with which the run's data set is read again, in the release and the colours that it had."""
        if release:
            changes["release"] = release
        if self.dataset and DATA_SETS[self.recipe.data].has_pictures:
            changes["image_channels"] = self.dataset.channels
        return dataclasses.replace(self.recipe, **changes)

    def refuse_other_classes(self, dataset):
        """DataError if a DatasetInfo has other classes than the run was trained on."""
        if self.dataset and dataset.classes != self.dataset.classes:
            raise DataError(
                f"{dataset.name} has the classes {few(dataset.classes)}, but {self.directory} was trained on "
                f"{few(self.dataset.classes)}: name the data set that it was trained on.",
                "data_dir",
            )

    def prepare_resume(self, wanted, settings):
        """Take over what may change when a run is resumed: the epochs, which may grow, and how it is computed.

        Parameters
        ----------
        wanted : dict
            Some of the recipe's settings, as they are asked for now; ``model`` without the folder of its file.
        settings : Settings

        Raises
        ------
        RunError
            If anything else of the recipe is asked for than the run began with.
        """
        wanted = dict(wanted)
        epochs = whole_number("epochs", wanted.pop("epochs", self.recipe.epochs))
        if epochs < self.recipe.epochs:
            raise RunError(
                f"{self.directory} was begun for {self.recipe.epochs} epochs, and cannot be resumed for {epochs}: ask "
                "for more, or leave them out.",
                "epochs",
            )
        if wanted.pop("source", self.recipe.source) != self.recipe.source:
            raise RunError(
                f"The file of {self.recipe.name} has changed since {self.directory} was begun: restore it from its "
                "copy there, or choose another directory.",
                "out",
            )
        self.refuse_other_recipe(wanted)
        if not self.recipe.epochs_may_grow and epochs > self.recipe.epochs:
            raise RunError(
                f"{self.directory} was begun with the schedule {self.recipe.lr_schedule} over {self.recipe.epochs} "
                "epochs, which more epochs would change: leave them out, or choose another directory.",
                "epochs",
                "out",
            )
        before, now = self.settings.kvstore, settings.kvstore
        if "dist_async" in (before, now) and before != now:
            raise RunError(
                f"{self.directory} was begun with kvstore {before}: resume it with that, or choose another directory.",
                "kvstore",
                "out",
            )
        self.recipe = dataclasses.replace(self.recipe, epochs=epochs)
        self.settings = settings

    def resume(self, *, epochs=None, ctx=None, quiet=False, open_weights=open_weights):
        """Train the run to its last epoch, from its last checkpoint, to the same bits as without a stop.

        Parameters
        ----------
        epochs : int, optional
            More epochs than the run began with.
        ctx : str, mx.Context or list of mx.Context, optional
            By default, where it was trained before.
        quiet : bool
            Show no progress.
        open_weights : callable, optional
            As for :func:`gluon_cnn.training.train_run.train_run`; needed before the first checkpoint only.

        Returns
        -------
        list of EpochResult
            Errors are those of :func:`gluon_cnn.training.train_run.train_run`.
        """
        settings = dataclasses.replace(self.settings, ctx=self.settings.ctx if ctx is None else as_text(ctx))
        self.prepare_resume({} if epochs is None else {"epochs": epochs}, settings)
        command = f"gluon_cnn.load_run({str(self.directory)!r}).resume()"
        return train_run(self, command=command, resume=True, quiet=quiet, open_weights=open_weights)


def _devices(ctx):
    return parse_context("auto" if ctx is None else as_text(ctx))

"""The epochs that the book's training functions share, on the same loop as runs (:mod:`gluon_cnn.training.loop`)."""

import operator
import time

import mxnet as mx
from mxnet import gluon

from gluon_cnn.d2l.animator import Animator
from gluon_cnn.errors import DataError
from gluon_cnn.runtime.notebook import in_notebook
from gluon_cnn.training.history import COLUMNS, EpochResult
from gluon_cnn.training.loop import test_epoch, train_epoch
from gluon_cnn.training.metrics import Pace, Sums

__all__ = ["History", "devices_of", "epochs", "printed", "summarized"]

_AGAIN = "pass a list of batches or a loader, which begin anew in every epoch"
_POINTS = 5  # of a curve in an epoch


class History(list):
    """The EpochResults of a training: a list that shows itself as the training's lines, or as a table in a notebook."""

    def __repr__(self):
        return "\n".join(map(str, self)) or "no epochs"

    def _repr_html_(self):
        heads = "".join(f"<th>{column.words}</th>" for column in COLUMNS)
        return f"<table><tr>{heads}</tr>{''.join(map(_row, self))}</table>"


def _row(result):
    cells = ((getattr(result, column.name), column.write) for column in COLUMNS)
    return f"<tr>{''.join('<td></td>' if v is None else f'<td>{v:{write}}</td>' for v, write in cells)}</tr>"


def printed(results):
    """The history of a training, whose epochs are printed as they end."""
    history = History()
    for result in results:
        history.append(result)
        print(result)
    return history


def summarized(results, device):
    """The history of a training, whose end is printed as the English edition does, with the speed on a device."""
    history = History(results)
    r = history[-1]
    print(f"loss {r.train_loss:.3f}, train acc {r.train_acc:.3f}, test acc {r.test_acc:.3f}")
    speed = len(history) / sum(1 / result.examples_per_sec for result in history)
    print(f"{speed:.1f} examples/sec on {device}")
    return history


def epochs(
    num_epochs,
    net,
    train_iter,
    test_iter,
    trainer,
    devices,
    *,
    batch_size=None,
    loss=None,
    split=None,
    draw=False,
):
    """Train and evaluate; yields each epoch's result.

    Parameters
    ----------
    num_epochs : int
    net, train_iter, trainer, devices, batch_size, loss, split
        As in :func:`gluon_cnn.training.loop.train_epoch`.
    test_iter : iterable of (X, y)
    draw : bool
        Whether to draw the curves while it trains, in a notebook.

    Raises
    ------
    DataError
        If a part has no images in an epoch.
    """
    for name, images in (("train_iter", train_iter), ("test_iter", test_iter)):
        if num_epochs > 1 and _gives_out_once(images):
            raise DataError(f"{name} gives its images only once, and there are {num_epochs} epochs: {_AGAIN}.", name)
    curves = _Curves(num_epochs, train_iter, draw and in_notebook())
    train_pace, test_pace = Pace(), Pace()
    for epoch in range(1, num_epochs + 1):
        start = time.perf_counter()
        trained, tested = Sums(), Sums()
        after_step = curves.watch(epoch, trained, train_pace.reader(trained))
        options = {"after_step": after_step, "batch_size": batch_size, "loss": loss, "split": split}
        train_epoch(net, train_iter, trainer, devices, trained, **options)
        _refuse_empty("train_iter", trained.read(), epoch)
        train_seconds = time.perf_counter() - start - curves.seconds
        test_epoch(net, test_iter, devices, tested, after_step=test_pace.reader(tested), split=split)
        _refuse_empty("test_iter", tested.read(), epoch)
        seconds = time.perf_counter() - start - curves.seconds
        speed, dead = trained.images / train_seconds, len(tested.dead_classes)
        result = EpochResult(epoch, trained.mean_loss, trained.accuracy, tested.accuracy, seconds, speed, dead)
        curves.end(result)
        yield result


class _Curves:
    """Loss and accuracies, drawn at each fifth of an epoch and at its end; nothing where they are not wanted.

    Attributes
    ----------
    seconds : float
        What drawing has taken in this epoch.
    """

    def __init__(self, num_epochs, train_iter, wanted):
        legend = ["train loss", "train acc", "test acc"]
        self._animator = Animator("epoch", legend=legend, xlim=[0, num_epochs]) if wanted else None
        self._steps = operator.length_hint(train_iter, 0)  # 0 where it does not say
        self.seconds = 0.0

    def watch(self, epoch, sums, after_step):
        """What to call after each step of an epoch, in place of ``after_step``."""
        self.seconds, steps = 0.0, self._steps
        if not self._animator:
            return after_step

        def draw_now_and_then():
            after_step()
            done = sums.steps
            if done < steps and done * _POINTS // steps > (done - 1) * _POINTS // steps:
                sums.read()
                self._draw(epoch - 1 + done / steps, (sums.mean_loss, sums.accuracy, None))

        return draw_now_and_then

    def end(self, result):
        """Draw the end of an epoch."""
        if self._animator:
            self._draw(result.epoch, (result.train_loss, result.train_acc, result.test_acc))

    def _draw(self, x, y):
        start = time.perf_counter()
        self._animator.add(x, y)
        self.seconds += time.perf_counter() - start


def devices_of(net):
    """Where a network's parameters are; MXNet's current context for one without any, such as a function."""
    parameters = list(net.collect_params().values()) if isinstance(net, gluon.Block) else []
    return parameters[0].list_ctx() if parameters else [mx.context.current_context()]


def _gives_out_once(images):
    """Whether this is one of Python's own iterators, such as a generator; others may begin anew by themselves.

    Nothing is iterated for it: a loader would draw the order of an epoch.
    """
    return hasattr(images, "__next__") and type(images).__module__ in ("builtins", "itertools")


def _refuse_empty(name, sums, epoch):
    if not sums.images:
        raise DataError(f"{name} gave no images in epoch {epoch}, because it is empty or used up: {_AGAIN}.", name)

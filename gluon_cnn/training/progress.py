"""Where a run stands: a bar on a terminal, elsewhere a line now and then."""

import logging
import sys
import time

from gluon_cnn.training.metrics import Pace

__all__ = ["Progress"]

log = logging.getLogger(__name__)

LINE_EVERY = 30.0  # seconds between two lines, where there is no terminal


class Progress:
    """Shows images done, images a second, the running loss, and the time left.

    Parameters
    ----------
    what : str
        Such as ``epoch 2/5``.
    images : int
        Of this pass over the data.
    done : int
        Of these, before this process began.
    images_after : int, optional
        In a training pass, those to be trained on after it, for the time left of the whole run.
    quiet : bool
        Show nothing.
    """

    def __init__(self, what, images, *, done=0, images_after=None, quiet=False):
        from tqdm import tqdm  # here, where an import that fails on a variable can be explained

        self._what, self._images, self._images_after = what, images, images_after
        self._done, self._began = done, time.monotonic()
        self._next_line = self._began + LINE_EVERY
        on_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._lines = not quiet and not on_terminal
        self._pace = Pace()  # also where nothing is shown, so that Ctrl-C is heard, and few batches are ahead
        self._bar = tqdm(
            desc=what,
            file=sys.stderr,
            total=images,
            initial=done,
            unit=" images",
            unit_scale=True,
            dynamic_ncols=True,
            leave=False,
            disable=quiet or not on_terminal,
        )

    def step(self, sums):
        """Take note of one more step; when it is time, wait for the device, show ``sums`` and return True."""
        if not self._pace.due():
            return False
        sums.read()
        self._pace.waited()
        if sums.images == self._done:  # this worker's part of a short batch may be empty
            return True
        speed = (sums.images - self._done) / (time.monotonic() - self._began)
        training = self._images_after is not None
        left = self._bar.format_interval((self._images + (self._images_after or 0) - sums.images) / speed)
        if training:
            self._bar.set_postfix_str(f"loss {sums.mean_loss:.4f}, whole run {left} left", refresh=False)
        self._bar.update(sums.images - self._bar.n)
        if self._lines and time.monotonic() >= self._next_line:
            self._next_line += LINE_EVERY
            loss = f"loss {sums.mean_loss:.4f}, " if training else ""
            log.info(
                f"{self._what}: {sums.images:,} of {self._images:,} images, {loss}{speed:.1f} images/s, {left} left"
            )
        return True

    def close(self):
        """Take the bar away."""
        self._bar.close()

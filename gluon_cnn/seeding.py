"""One seed: every stream of random numbers follows from it, from what the stream is for, and from where
the run stands, so that a run that is resumed draws what it would have drawn."""

import mxnet as mx
import numpy as np

__all__ = ["AUGMENTATION", "ORDER", "WEIGHTS", "numpy_stream", "seed_mxnet"]

# What a stream is for. The numbers are part of every run's result: add, never change.
ORDER, AUGMENTATION, OPERATORS, WEIGHTS = range(4)


def numpy_stream(seed, purpose, *position):
    """A NumPy generator for one purpose at one position (epoch, batch) of a run.

    ``RandomState``, because NumPy promises that its streams never change from version to version.
    """
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence([seed, purpose, *position])))


def seed_mxnet(seed, *position, purpose=OPERATORS):
    """Seed MXNet's generators, dropout's among them, for one position of a run."""
    state = np.random.SeedSequence([seed, purpose, *position]).generate_state(1)[0]
    mx.random.seed(int(state & 0x7FFFFFFF))

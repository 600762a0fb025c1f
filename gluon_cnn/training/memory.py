"""A device that is out of memory: MXNet's error, and what to do."""

import contextlib
import re

import mxnet as mx

from gluon_cnn.errors import DeviceError
from gluon_cnn.runtime.devices import number_of_gpus
from gluon_cnn.training.recipes import get_recipe

__all__ = ["advice_on_memory", "is_out_of_memory"]

# CUDA's error, those of its libraries, and MXNet's own and C++'s for the CPU.
_OUT_OF_MEMORY = re.compile("out of memory|_ALLOC_FAILED|Failed to allocate CPU Memory|bad_alloc")


def is_out_of_memory(error):
    """Whether an error of MXNet's says that a device, or the CPU, has no memory left for an array."""
    return isinstance(error, mx.MXNetError) and bool(_OUT_OF_MEMORY.search(str(error)))


@contextlib.contextmanager
def advice_on_memory(recipe, devices):
    """Turn MXNet's error for a device without memory left into a DeviceError that says what to do."""
    try:
        yield
    except mx.MXNetError as error:
        if not is_out_of_memory(error):
            raise
        size, side = recipe.batch_size, recipe.side
        on = ", ".join(map(str, devices))
        settings = ["resume"]
        if size == 1:
            smaller = "begin a run with smaller images"
            settings.append("side")
        else:
            smaller = f"begin a run with batches of {size // 2}, which changes the result"
            settings.append("batch_size")
        if recipe.edition and size == get_recipe(recipe.model, recipe.edition).batch_size:
            smaller += " (it is not the book's recipe then, and is not compared)"
        if devices[0].device_type == "gpu" and number_of_gpus() > len(devices):
            more = ",".join(map(str, range(len(devices) + 1)))
            smaller += f", or split each batch over more GPUs, such as gpu:{more}, which keeps the recipe"
            settings.append("ctx")
        raise DeviceError(
            f"{on} ran out of memory with batches of {size} images of {side}×{side}: make room there and resume the "
            f"run; or {smaller}.",
            *settings,
        ) from error

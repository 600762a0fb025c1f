"""Stored images as a network takes them: float32, on a device."""

import functools

import mxnet as mx
import numpy as np

__all__ = ["in_array_mode", "on_device", "to_batch"]


def to_batch(images, resize=None, ctx=None, *, crop=None, mean=None, deviation=None):
    """Turn stored images into what a network takes, on a device.

    Parameters
    ----------
    images : np.ndarray
        uint8 N×H×W, or N×H×W×3.
    resize : int or (int, int), optional
        Height and width in pixels to which they are resized, bilinearly; of a pair the width comes first.
    ctx : mx.Context, optional
        MXNet's current context by default.
    crop : int, optional
        Height and width in pixels of what is cut out of the middle.
    mean, deviation : tuple of float, optional
        Of each channel, of numbers in [0, 1].

    Returns
    -------
    mx.nd.NDArray or mx.np.ndarray
        float32 N×1×H'×W' or N×3×H'×W' in [0, 1]; minus the mean, divided by the deviation.
    """
    ctx = ctx or mx.context.current_context()
    images = images[..., np.newaxis] if images.ndim == 3 else images
    if crop is not None:
        images = _middle(images, crop)
    if resize is None and ctx.device_type == "cpu":  # NumPy takes a sixth of MXNet's time
        return in_array_mode(on_device(_scaled(images, mean, deviation), ctx))
    # On a GPU MXNet's resize cuts grey levels off where the CPU's rounds them: 2 of 5 pixels that are not black come
    # out one level darker. So the CPU resizes, as the book's loader did.
    batch = on_device(images, ctx if resize is None or ctx.device_type == "cpu" else mx.cpu())
    if resize is not None:
        size = resize if isinstance(resize, tuple) else (resize, resize)
        batch = mx.nd.image.resize(batch, size=size, interp=1)  # bilinear, as Resize does it
    batch = batch.as_in_context(ctx)
    # What ToTensor computes, looked up: a cast and a division take twice as long, and a GPU could round them otherwise.
    # For one channel, its change of N×H×W×1 to N×1×H×W moves nothing.
    _, height, width, channels = batch.shape
    levels = _levels(ctx, channels, mean, deviation)
    planes = [batch] if channels == 1 else [batch.slice_axis(axis=3, begin=i, end=i + 1) for i in range(channels)]
    found = [mx.nd.take(*pair) for pair in zip(levels, (plane.reshape((0, 1, height, width)) for plane in planes))]
    return in_array_mode(found[0] if channels == 1 else mx.nd.concat(*found, dim=1))


def _scaled(images, mean, deviation):
    """float32 N×C×H×W in [0, 1], normalised, of uint8 N×H×W×C."""
    planes = np.moveaxis(images, 3, 1)
    scaled = np.true_divide(planes, 255, out=np.empty(planes.shape, np.float32), dtype=np.float32)
    if mean is not None:
        scaled -= np.array(mean, np.float32)[:, np.newaxis, np.newaxis]
        scaled /= np.array(deviation, np.float32)[:, np.newaxis, np.newaxis]
    return scaled


@functools.lru_cache(maxsize=64)
def _levels(ctx, channels, mean, deviation):
    """For each channel the float32 number that stands for each byte, on a device, as the CPU computes it."""
    levels = np.repeat(np.arange(256, dtype=np.uint8)[:, np.newaxis, np.newaxis], channels, axis=2)
    table = _scaled(levels[np.newaxis], mean, deviation)[0, :, :, 0]
    return [mx.nd.array(row, ctx=mx.cpu()).as_in_context(ctx) for row in table]


def _middle(images, side):
    """The ``side``×``side`` pixels in the middle of images N×H×W×C."""
    top, left = ((size - side) // 2 for size in images.shape[1:3])
    return images[:, top : top + side, left : left + side]


def on_device(values, ctx):
    # Without a copy on the CPU: mx.nd.array would copy on this thread, and wait its turn behind the
    # steps under way.
    array = mx.nd.from_numpy(np.ascontiguousarray(values), zero_copy=True)
    return array.as_in_context(ctx or mx.context.current_context())


def in_array_mode(array):
    return array.as_np_ndarray() if mx.util.is_np_array() else array

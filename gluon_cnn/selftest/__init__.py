"""A self-test of a device: whether what is computed there is right, the same each time, and how fast."""

import os

from gluon_cnn.selftest.batches import check_batches
from gluon_cnn.selftest.dropout import check_dropout
from gluon_cnn.selftest.layers import check_layers
from gluon_cnn.selftest.networks import check_mixed_precision, check_networks
from gluon_cnn.selftest.runs import check_runs

__all__ = ["run_checks"]


def run_checks(device):
    """Try a device, the quickest things first.

    Each layer's forward and backward pass is held against NumPy, batches against the CPU's, dropout against its seed,
    a run that is stopped, and one in another process, against one without a stop, and networks against the CPU. On a
    GPU, layers and a network are tried in mixed precision too, in which this process computes from then on.

    Parameters
    ----------
    device : mx.Context

    Yields
    ------
    gluon_cnn.selftest.check.Check
        As each ends.
    """
    yield from check_layers(device, "float32", _meaning(device))
    yield from check_batches(device)
    yield from check_dropout(device)
    yield from check_runs(device)
    yield from check_networks(device)
    if device.device_type == "gpu":  # the CPU has no kernels for it; last, as what is least needed
        yield from check_layers(device, "float16", _meaning(device))
        yield from check_mixed_precision(device)


def _meaning(device):
    """What a layer means that computes something else."""
    tf32 = os.environ.get("NVIDIA_TF32_OVERRIDE")
    if device.device_type == "gpu" and tf32 != "0":
        found = f"is {tf32}" if tf32 is not None else "is not set"
        return f"NVIDIA_TF32_OVERRIDE {found}, so dense layers and convolutions may be rounded to TF32: set it to 0."
    return (
        "The device computes this layer wrongly: do not trust what is trained here; use another device, and report it."
    )

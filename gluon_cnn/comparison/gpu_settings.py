"""Settings of a run on a GPU with which it computes otherwise than the published runs, or than itself."""

from gluon_cnn.checks import brief

__all__ = ["settings_in_words", "settings_off"]

#: For each variable its values as this package sets it, and what another value means.
_MEANING = {
    "NVIDIA_TF32_OVERRIDE": (
        ("0",),
        "on GPUs since Ampere, convolutions and dense layers were computed in TF32, and those of the published runs in "
        "float32",
    ),
    "MXNET_ENFORCE_DETERMINISM": (("1", "true"), "a run with the same seed can end in other bits"),
}


def settings_off(runs):
    """What of the GPU's settings was off in a process that trained one of some runs.

    Returns
    -------
    dict
        A part of a comparison: ``gpu_settings_off``, a list of texts, each once, with what it means. It is empty for
        runs on the CPU, for runs that began before this was recorded, and where nothing was off.
    """
    off = {}
    for settings in (process.gpu_settings for run in runs for process in run.processes):
        for name, (values, meaning) in _MEANING.items() if settings else ():
            value = settings.get(name)
            if (value or "").lower() not in values:
                off[f"{name} was {'not set' if value is None else brief(value)}: {meaning}"] = None
    return {"gpu_settings_off": list(off)} if off else {}


def settings_in_words(comparison):
    """The line of a comparison about these settings, in a list; none if nothing was off."""
    off = comparison.get("gpu_settings_off")
    return [f"GPU: {'; '.join(off)}"] if off else []

"""Which wheels of MXNet are installed, and what to install."""

import re

__all__ = ["INSTALL_HINT", "install_hint", "mxnet_wheels", "two_wheels"]


def install_hint(extra):
    """What to type for an extra of this package, which no index has."""
    return f'pip install ".[{extra}]" in a clone of gluon-cnn'


INSTALL_HINT = (
    f'{install_hint("cpu")}, or ".[cu112]" for an NVIDIA GPU, or ".[own-mxnet]" beside another build of MXNet'
)


def mxnet_wheels():
    """The installed wheels that bring the folder ``mxnet``: their versions by their names, sorted by name."""
    from importlib import metadata  # here, because it is slow to import and `import gluon_cnn` does not need it

    found = {str(wheel.metadata["Name"]).lower(): wheel.version for wheel in metadata.distributions()}
    return {name: found[name] for name in sorted(found) if re.fullmatch(r"mxnet(-cu\d+)?(-?mkl|-native)?", name)}


def two_wheels(wheels):
    """What is wrong with several of :func:`mxnet_wheels`, and what to do, as half sentences; None if there are not."""
    if len(wheels) < 2:
        return None
    wrong = f"{' and '.join(wheels)} are installed over each other, in the same folder"
    return wrong, f"pip uninstall -y {' '.join(wheels)}, then {INSTALL_HINT}"

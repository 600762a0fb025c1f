"""Which wheels of MXNet are installed, and what to install."""

import re

__all__ = ["INSTALL_HINT", "install_hint", "is_installed", "mxnet_wheels"]


def install_hint(extra):
    """What to type for an extra of this package, which no index has."""
    return f'pip install ".[{extra}]" in a clone of gluon-cnn'


INSTALL_HINT = f'{install_hint("cpu")}, or ".[cu112]" for an NVIDIA GPU'


def mxnet_wheels():
    """The installed wheels that bring the folder ``mxnet``: their versions by their names, sorted by name."""
    from importlib import metadata  # here, because it is slow to import and `import gluon_cnn` does not need it

    found = {str(wheel.metadata["Name"]).lower(): wheel.version for wheel in metadata.distributions()}
    return {name: found[name] for name in sorted(found) if re.fullmatch(r"mxnet(-cu\d+)?(-?mkl|-native)?", name)}


def is_installed(wheel):
    """Whether the wheel of that name is installed."""
    from importlib import metadata

    try:
        metadata.version(wheel)
    except metadata.PackageNotFoundError:
        return False
    return True

"""Whether somebody sees what is shown: in a notebook."""

import sys

__all__ = ["in_notebook"]


def in_notebook():
    """Whether this process is a notebook's kernel, without importing IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")

"""Everything around MXNet: what it needs before it can be imported, threads, devices, and what an installation lacks.

README.md, beside this file, has a paragraph on each trick: the limitation of MXNet that it works around, what was
measured, and how to see it. Importing this package does not import MXNet; ``array_mode`` and ``devices`` do.
"""

from gluon_cnn.runtime.cores import usable_cores
from gluon_cnn.runtime.environment import ALWAYS_READ, check_variables
from gluon_cnn.runtime.importing import import_mxnet, prepare
from gluon_cnn.runtime.installation import INSTALL_HINT, install_hint
from gluon_cnn.runtime.openmp import prepare_to_fork, run_on_engine_thread, set_threads, threads, threads_chosen_by_user

__all__ = [
    "ALWAYS_READ",
    "INSTALL_HINT",
    "check_variables",
    "import_mxnet",
    "install_hint",
    "prepare",
    "prepare_to_fork",
    "run_on_engine_thread",
    "set_threads",
    "threads",
    "threads_chosen_by_user",
    "usable_cores",
]

"""A run's ``data.json``: the files of a data set of one's own, so that a resumed run can say which of them changed.

Nothing here needs MXNet.
"""

import json
from typing import Dict

from gluon_cnn.data.folder_files import few
from gluon_cnn.decoding import convert, read_json
from gluon_cnn.errors import Malformed, RunError
from gluon_cnn.files import write_atomically
from gluon_cnn.training.directory import RunDirectory

__all__ = ["keep_files", "refuse_other_data"]

LISTING = "data.json"
_DIGITS = 16  # of each file's SHA-256; config.json has that of all together
_LARGEST = 64 << 20  # bytes, about 800,000 files; of more a run does not say which changed


def keep_files(run, files):
    """Write the names and hashes of a data set's files, or None, into a run's directory, if they are not there yet."""
    path = run.directory / LISTING
    if files is None or path.exists():
        return
    text = json.dumps({name: digest[:_DIGITS] for name, digest in files.items()}, indent=0) + "\n"
    if len(text) <= _LARGEST:
        with run.writing(path) as there, write_atomically(there) as temporary:
            temporary.write_text(text, encoding="ascii")


def refuse_other_data(run, sha256, files=None):
    """RunError if a run was begun with other data than there are now.

    Parameters
    ----------
    run : RunDirectory
    sha256 : str
        Of the data set.
    files : dict, optional
        The SHA-256 of each file by name, to say what changed.
    """
    begun = RunDirectory.open(run.directory).dataset
    if sha256 == begun.sha256:
        return
    changes = _changes(run, files or {})
    what = f" ({changes})" if changes else ""
    raise RunError(
        f"{run.directory} was begun with other files of {begun.name} than there are now{what}: restore them, or choose "
        "another directory.",
        "data_dir",
        "out",
    )


def _changes(run, files):
    """What changed since a run was begun, in words; empty if that is not known."""
    try:
        before = convert(read_json(run.directory / LISTING, _LARGEST), Dict[str, str])
    except (OSError, Malformed):
        return ""
    kinds = {
        "new": [name for name in files if name not in before],
        "gone": [name for name in before if name not in files],
        "changed": [name for name, digest in files.items() if before.get(name, digest[:_DIGITS]) != digest[:_DIGITS]],
    }
    return "; ".join(f"{kind}: {few(sorted(names))}" for kind, names in kinds.items() if names)

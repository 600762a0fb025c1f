"""The pictures that lie in a folder, in the order of their names."""

import os
from pathlib import Path

from gluon_cnn.errors import ImageError
from gluon_cnn.files import reason_of

__all__ = ["pictures_in"]

_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def pictures_in(folder):
    """The paths of the pictures in a folder, by the ends of their names, sorted, without hidden ones; and how many
    folders it has, which are passed over.

    Raises
    ------
    ImageError
        If the folder cannot be read, or has none.
    """
    try:
        entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
        folders = sum(entry.is_dir() for entry in entries)
        names = sorted(entry.name for entry in entries if entry.name.lower().endswith(_ENDINGS) and not entry.is_dir())
    except OSError as error:
        raise ImageError(f"{folder} cannot be read ({reason_of(error)}): let yourself read it.") from None
    if not names:
        inside = " outside its folders" if folders else ""
        raise ImageError(
            f"{folder} holds no picture ({', '.join(_ENDINGS)}){inside}: name a folder with pictures in it."
        )
    return [str(Path(folder) / name) for name in names], folders

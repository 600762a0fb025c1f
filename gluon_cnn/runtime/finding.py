"""What the doctor says of one thing."""

from typing import NamedTuple

__all__ = ["Finding"]


class Finding(NamedTuple):
    """One line: what was looked at, what was found, ``ok``, ``warning`` or ``problem``, and what to do."""

    name: str
    value: str
    state: str = "ok"
    advice: str = ""

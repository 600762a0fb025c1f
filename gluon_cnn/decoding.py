"""Files of ours that anybody may have changed since: read within bounds, and decoded into the types that say what a
file holds.

A type stands beside the thing that it describes; msgspec holds the content against it. Whatever is wrong becomes a
:class:`gluon_cnn.errors.Malformed`, and the reader of each file says which file it is and what to do.
"""

import dataclasses
import json
import math
import sys
from typing import Tuple

import msgspec
from msgspec import Meta

from gluon_cnn.checks import MOST, range_of
from gluon_cnn.errors import GluonCNNError, Malformed
from gluon_cnn.files import open_regular, reason_of

if sys.version_info >= (3, 9):
    from typing import Annotated
else:
    from typing_extensions import Annotated

__all__ = [
    "LARGEST_FILE",
    "Amount",
    "Annotated",
    "Count",
    "Finite",
    "Fraction",
    "Names",
    "Pair",
    "Word",
    "convert",
    "decode_json",
    "read_json",
    "read_text",
    "refuse_repeated",
    "within",
]

#: Bytes of a file that does not grow with the epochs of a run.
LARGEST_FILE = 8 << 20
_DEEPEST = 20  # levels of lists in lists
_LONGEST = 1 << 15  # characters of a text, which a command line may have

#: How many there are of something.
Count = Annotated[int, Meta(ge=0, le=MOST)]
#: A number that float32 can hold.
Finite = Annotated[float, Meta(ge=-3.5e38, le=3.5e38)]
#: An accuracy.
Fraction = Annotated[float, Meta(ge=0, le=1)]
#: A number of 0 or more, such as seconds.
Amount = Annotated[float, Meta(ge=0, le=1e15)]
#: Names of classes, of which there is one at least. Whether two are the same :func:`refuse_repeated` says.
Names = Annotated[Tuple[Annotated[str, Meta(min_length=1)], ...], Meta(min_length=1)]
#: A name such as PyTorch.
Word = Annotated[str, Meta(pattern=r"\A[A-Za-z][A-Za-z0-9.+-]{0,30}\Z")]
#: Two values of any kind.
Pair = Annotated[list, Meta(min_length=2, max_length=2)]


def within(setting):
    """The type of a whole number in the range of a setting, see :data:`gluon_cnn.checks.RANGES`."""
    least, most = range_of(setting)
    return Annotated[int, Meta(ge=least, le=most)]


def refuse_repeated(names):
    """ValueError, which :func:`convert` understands, if two of some names are the same."""
    seen = set()
    for name in names:
        if name in seen:
            raise ValueError(f"it has two classes {ascii(name)[:80]}")
        seen.add(name)


def read_text(path, most=LARGEST_FILE):
    """The text of a file in UTF-8, with a byte order mark or without.

    Parameters
    ----------
    path : path
    most : int
        Bytes that it may have.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is none.
    Malformed
        If it is not a regular file, too large, not UTF-8, or cannot be read.
    """
    try:
        with open_regular(path) as file:
            content = file.read(most + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except (OSError, ValueError) as error:  # a path with a NUL is a ValueError
        raise Malformed(f"it cannot be opened: {reason_of(error)}") from None
    if len(content) > most:
        raise Malformed(f"it has more than {most:,} bytes")
    if b"\0" in content:
        raise Malformed("it is not text, because it has a NUL")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Malformed("it is not text in UTF-8") from None


def read_json(path, most=LARGEST_FILE):
    """What a JSON file holds, as :func:`decode_json` gives it; errors are those of :func:`read_text` too."""
    return decode_json(read_text(path, most))


def decode_json(text):
    """What a text in JSON stands for: dictionaries, lists, texts, finite numbers, booleans and None.

    Raises
    ------
    Malformed
        If it is not JSON, or has a number that is not finite or too large to count with, lists that are nested more
        than 20 levels deep, or text that no command, path or name can have.
    """
    try:
        content = json.loads(text, parse_int=_whole, parse_float=_finite, parse_constant=_finite)
    except RecursionError:
        raise Malformed("its lists are nested too deeply") from None
    except ValueError as error:
        raise Malformed(f"it is not JSON: {error}") from None
    level = [content]
    for _ in range(_DEEPEST):
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return content
    raise Malformed(f"its lists are nested more than {_DEEPEST} levels deep")


def convert(content, kind, *, strict=True):
    """What a file holds as a value of a type: a class, or another type that msgspec knows.

    Parameters
    ----------
    content
        Of JSON, or of a table.
    kind : type
    strict : bool, default True
        Take no text for a number.

    Raises
    ------
    Malformed
        Says where it is not what it should be, such as ``$.recipe.epochs``.
    """
    try:
        found = msgspec.convert(content, kind, strict=strict)
    except (msgspec.ValidationError, ValueError, TypeError, RecursionError) as error:
        raise Malformed(str(error)) from None
    except GluonCNNError as error:  # of a class that checks its values itself
        raise Malformed(str(error).rstrip("."), *error.settings) from None
    _refuse_unknown(content, found, "$")
    return found


def _refuse_unknown(content, found, where):
    """Malformed for a name that a dataclass does not have, because what it stands for would be lost. msgspec's own
    Structs choose for themselves."""
    if isinstance(found, list):
        for number, (given, value) in enumerate(zip(content, found)):
            _refuse_unknown(given, value, f"{where}[{number}]")
        return
    names = getattr(found, "__struct_fields__", None)
    if dataclasses.is_dataclass(found):
        names = [field.name for field in dataclasses.fields(found)]
        unknown = next((name for name in content if name not in names), None)
        if unknown is not None:
            raise Malformed(f"Object has an unknown field {ascii(unknown)[:80]} - at `{where}`")
    for name in names or ():
        if isinstance(content, dict) and name in content:
            _refuse_unknown(content[name], getattr(found, name), f"{where}.{name}")


def _inside(value):
    """What a value is made of; Malformed for a text that nothing of ours can have."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        try:
            value.encode("utf-8", "surrogateescape")  # the bytes of a path need not be UTF-8
        except UnicodeEncodeError:
            raise Malformed("it has text that is not Unicode") from None
        if "\0" in value or len(value) > _LONGEST:
            raise Malformed("it has text with a NUL" if "\0" in value else f"it has text of {len(value):,} characters")
    return ()


def _whole(digits):
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:  # Python would take long over the longest
        raise Malformed(f"it has a whole number of {len(digits)} digits, which is too large")
    return int(digits)


def _finite(number):
    if not math.isfinite(float(number)):
        raise Malformed(f"it has the number {number[:20]}, which is not finite")
    return float(number)

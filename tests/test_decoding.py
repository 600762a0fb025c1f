"""Files that may hold anything: read within bounds, and decoded into types."""

import dataclasses
import json
from typing import List, Optional

import msgspec
import pytest

from gluon_cnn.decoding import Count, Fraction, convert, decode_json, read_json, read_text, within
from gluon_cnn.errors import Malformed, SettingError


@dataclasses.dataclass(frozen=True)
class Part:
    share: Fraction
    many: Optional[Count] = None

    def __post_init__(self):
        if self.share == 0.5:
            raise SettingError("share is 0.5; it must be another.", "share")


class Whole(msgspec.Struct):
    parts: List[Part]
    side: within("side") = 1


def test_content_becomes_its_type():
    found = convert({"parts": [{"share": 1}, {"share": 0.25, "many": 3}], "more": 1}, Whole)
    assert found == Whole([Part(1.0), Part(0.25, 3)])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "Object missing required field `parts`"),
        ({"parts": [{"share": 1}, {"share": 2}]}, r"Expected `float` <= 1\.0 - at `\$\.parts\[1\]\.share`"),
        ({"parts": [{"share": 1, "colour": 0}]}, r"Object has an unknown field 'colour' - at `\$\.parts\[0\]`"),
        ({"parts": [{"share": 1, "\udcff": 0}]}, "surrogates not allowed|unknown field"),
        ({"parts": [{"share": 0.5}]}, r"share is 0\.5; it must be another$"),
        ({"parts": [{"share": float("nan")}]}, "Expected `float`"),
        ({"parts": [], "side": 10_001}, "Expected `int` <= 10000"),
        ([], "Expected `object`, got `array`"),
    ],
)
def test_wrong_content_says_where(content, reason):
    with pytest.raises(Malformed, match=reason):
        convert(content, Whole)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is not JSON"),
        ("[1,]", "it is not JSON"),
        ("NaN", "it has the number NaN, which is not finite"),
        ("[-Infinity]", "not finite"),
        ("1e999", "it has the number 1e999, which is not finite"),
        ("9" * 5000, "it has a whole number of 5000 digits, which is too large"),
        (str(2**63), "too large"),
        ('"\\ud800"', "it has text that is not Unicode"),
        ('{"a\\u0000": 1}', "it has text with a NUL"),
        (json.dumps("x" * 40_000), "it has text of 40,000 characters"),
        ("[" * 21 + "]" * 21, "more than 20 levels deep"),
        ("[" * 100_000, "it is not JSON|too deeply"),
        ("[" * 100_000 + "]" * 100_000, "too deeply"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "too deeply"),
    ],
)
def test_text_that_is_refused(text, reason):
    with pytest.raises(Malformed, match=reason):
        decode_json(text)


def test_text_of_ours_is_read_as_it_is():
    # A path need not be UTF-8, and JSON has no other way to hold its bytes.
    content = {"a": [1, -(2**63), 0.5, True, None, "é", "x\udcff\n"], "deep": json.loads("[" * 18 + "]" * 18)}
    assert decode_json(json.dumps(content)) == content


def test_file_is_text_within_bounds(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbf[1]")
    assert (read_text(path), read_json(path)) == ("[1]", [1])
    with pytest.raises(Malformed, match="it has more than 5 bytes"):
        read_text(path, 5)
    for content in (b"\xff", "[1]".encode("utf-16"), b"[1]\0"):
        path.write_bytes(content)
        with pytest.raises(Malformed, match="it is not text"):
            read_text(path)
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "none")
    for other in (tmp_path, f"{path}\0"):
        with pytest.raises(Malformed, match="it cannot be opened"):
            read_text(other)

"""Pictures in memory or read ahead: the same bytes, threads that end, and errors that are heard."""

import contextlib
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from record_files import encoded

from gluon_cnn.data import held_images
from gluon_cnn.data.held_images import hold
from gluon_cnn.data.pictures import Pictures
from gluon_cnn.data.read_ahead import ReadAhead
from gluon_cnn.errors import DataError
from gluon_cnn.runtime import memory

SIDE = 20


class InMemory(Pictures):
    """Pictures whose files are in a list."""

    def __init__(self, contents, names=None):
        super().__init__(names or [f"picture {index}" for index in range(len(contents))], [0] * len(contents))
        self.contents = list(contents)

    def encoded(self, index):
        return self.contents[index]

    def take(self, indices):
        return InMemory([self.contents[index] for index in indices], [self.names[index] for index in indices])


@pytest.fixture
def pictures():
    """30 pictures, of which two cannot be read."""
    contents = [encoded(index, index % 4, kind="JPEG" if index % 2 else "PNG") for index in range(30)]
    contents[3], contents[29] = b"text", contents[29][:300]
    return InMemory(contents)


def pieces(number, size=7):
    order = np.random.RandomState(0).permutation(number)
    return [order[start : start + size] for start in range(0, number, size)]


@pytest.mark.parametrize("channels", [1, 3])
def test_same_bytes_wherever_they_are(pictures, channels):
    held, ahead = (hold(pictures, SIDE, channels, budget) for budget in (10**9, 0))
    assert isinstance(held.images, np.ndarray)
    assert not held.images.flags.writeable
    assert isinstance(ahead.images, ReadAhead)
    assert held.images.shape == ahead.images.shape == (28, SIDE, SIDE, *([3] if channels == 3 else []))
    for indices, images in zip(pieces(28), ahead.images.batches(pieces(28))):
        assert (images == held.images[indices]).all()
    for index in (5, slice(3, 9), slice(None), np.array([1, 1, 4])):
        assert (ahead.images[index] == held.images[index]).all()


def test_pictures_that_cannot_be_read_are_left_out(pictures):
    for budget in (10**9, 0):
        held = hold(pictures, SIDE, 3, budget)
        assert held.kept.tolist() == [index for index in range(30) if index not in (3, 29)]
        assert [line.split(" cannot be read")[0] for line in held.unreadable] == ["picture 3", "picture 29"]


def test_words_say_how_much_memory():
    pictures = InMemory([encoded(0)] * 5)
    assert hold(pictures, 1000, 3, 15 * 10**6).words == "in memory, 15.0 MB"
    words = hold(pictures, 1000, 3, 14 * 10**6).words
    assert words == "read ahead, because in memory they would take 15.0 MB, and may take 14.0 MB"


def test_share_of_what_is_free_is_the_limit(monkeypatch):
    monkeypatch.setattr(held_images, "free_memory", lambda: 1000)
    assert held_images.spendable() == 500
    assert held_images.spendable(7) == 7


@pytest.mark.parametrize("taken", [1, 3])
def test_threads_end_with_the_iterator(pictures, taken):
    images = hold(pictures, SIDE, 3, 0).images
    before = set(threading.enumerate())
    with contextlib.closing(images.batches(pieces(28))) as batches:
        for _ in range(taken):
            next(batches)
    assert set(threading.enumerate()) == before


def test_few_batches_wait(pictures):
    images = ReadAhead(pictures, SIDE, 3, ahead=3 * 7 * 3 * SIDE**2)
    asked = []
    wanted = (asked.append(1) or np.arange(7) % 3 for _ in range(50))
    with contextlib.closing(images.batches(wanted)) as batches:
        next(batches)
        assert len(asked) == 3
        next(batches)
        assert len(asked) == 4


def test_error_in_a_thread_names_the_picture(pictures):
    images = hold(pictures, SIDE, 3, 0).images
    images.pictures.contents[11] = b"text"
    with pytest.raises(DataError, match=f"{images.pictures.names[11]} could be read when the training began"):
        list(images.batches(pieces(28)))


def test_little_memory_is_not_a_damaged_picture(pictures):
    images = hold(pictures, SIDE, 3, 0).images
    with mock.patch("PIL.Image.open", side_effect=MemoryError):
        with pytest.raises(DataError, match="too little memory to decode picture"):
            hold(pictures, SIDE, 3, 0)
        with pytest.raises(DataError, match="too little memory to decode picture"):
            images[0]


def test_missing_picture_ends_the_reading(pictures):
    def gone(index):
        raise DataError("it is gone")

    pictures.encoded = gone
    with pytest.raises(DataError, match="it is gone"):
        hold(pictures, SIDE, 3)


ENDLESS = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
sys.path[:0] = sys.argv[1].split(":")
import itertools
import numpy as np
from test_read_ahead import InMemory, encoded
from gluon_cnn.data.read_ahead import ReadAhead
images = ReadAhead(InMemory([encoded(0)] * 50), 20, 3)
for number, _ in enumerate(images.batches(itertools.repeat(np.arange(50)))):
    if number == 3:
        print("reads", flush=True)
"""


def test_ctrl_c_ends_the_threads():
    places = ":".join([str(Path(__file__).parent), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, places], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "reads\n"
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in error
    assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize(
    ("line", "files", "expected"),
    [
        (
            "0::/job",
            {"job/memory.max": "1000", "job/memory.current": "300", "job/memory.stat": "anon 1\ninactive_file 50\n"},
            750,
        ),
        ("0::/", {"memory.max": "max", "memory.current": "300", "memory.stat": ""}, float("inf")),
        (
            "4:memory:/a",
            {
                "memory/a/memory.limit_in_bytes": "500",
                "memory/a/memory.usage_in_bytes": "100",
                "memory/a/memory.stat": "total_inactive_file 7\n",
            },
            407,
        ),
        ("3:cpu:/", {}, float("inf")),
    ],
)
def test_cgroups_limit_the_memory(tmp_path, line, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "self").write_text(line + "\n")
    assert memory._cgroups(tmp_path / "self", tmp_path) == expected


def test_limit_of_the_process_counts(monkeypatch):
    def limits(kind):
        return (10**9 if kind == resource.RLIMIT_AS else resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    monkeypatch.setattr(memory.resource, "getrlimit", limits)
    assert memory.free_memory() < 10**9

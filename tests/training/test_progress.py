"""Progress: a bar on a terminal, lines elsewhere, nothing where quiet was asked for."""

import fcntl
import os
import pty
import struct
import subprocess
import termios

import pytest
from runs import CLI, SMALL_RUN

from gluon_cnn.training import progress as module
from gluon_cnn.training.metrics import Sums
from gluon_cnn.training.progress import Progress


def sums_of(images, loss):
    """Sums that are read already."""
    return Sums(loss=loss, correct=0, images=images, steps=1)


@pytest.fixture
def now(monkeypatch):
    """A clock: its one item is the time in seconds."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_lines_without_a_terminal(caplog, now):
    with caplog.at_level("INFO", logger="gluon_cnn"):
        progress = Progress("epoch 2/5", 6000, images_after=18_000)
        now[0] += 20
        progress.step(sums_of(1000, 2000.0))
        assert caplog.messages == []
        now[0] += 20
        progress.step(sums_of(2000, 5000.0))
    assert caplog.messages == ["epoch 2/5: 2,000 of 6,000 images, loss 2.5000, 50.0 images/s, 07:20 left"]


def test_pass_over_test_images_shows_no_loss(caplog, now):
    with caplog.at_level("INFO", logger="gluon_cnn"):
        progress = Progress("testing", 1000)
        now[0] += 50
        progress.step(sums_of(500, 0.0))
    assert caplog.messages == ["testing: 500 of 1,000 images, 10.0 images/s, 00:50 left"]


def test_quiet_says_nothing(caplog, now):
    with caplog.at_level("INFO", logger="gluon_cnn"):
        progress = Progress("epoch 1/1", 1000, images_after=0, quiet=True)
        now[0] += 100
        assert progress.step(sums_of(500, 1.0))
    assert caplog.messages == []


def test_bar_on_a_terminal(tmp_path):
    """In a process with a real pseudo-terminal."""
    main_end, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))  # rows and columns
    command = [*CLI, "train", "lenet", *SMALL_RUN, "--out", str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        shown = b""
        while True:
            try:
                block = os.read(main_end, 4096)
            except OSError:  # the other end is closed
                break
            shown += block
    os.close(main_end)
    text = shown.decode()
    assert process.returncode == 0
    assert "epoch 1/1" in text
    assert "images/s" in text
    assert "epoch 1, loss" in text

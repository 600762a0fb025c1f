"""The end of a parameter server whose job is gone."""

import os
import socket
import sys
import threading

import pytest

from gluon_cnn.runtime.server import end_with_scheduler


def test_server_ends_when_its_scheduler_is_gone(monkeypatch, capsys):
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()

    def scheduler():
        listener.accept()[0].close()
        listener.close()

    monkeypatch.setattr(os, "_exit", sys.exit)
    threading.Thread(target=scheduler).start()
    with pytest.raises(SystemExit, match="1"):
        end_with_scheduler(address, every=0.1)
    assert "the scheduler of this server's job is gone" in capsys.readouterr().err

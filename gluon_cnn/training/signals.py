"""Signals that stop a run between two steps."""

import signal
import threading

__all__ = ["NotedSignals"]


class NotedSignals:
    """A context that notes SIGINT and SIGTERM instead of letting them end a step half-way.

    Attributes
    ----------
    received : int or None
        The first signal that came.
    """

    def __init__(self):
        self.received = None
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():  # Python allows handlers nowhere else
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, _frame):
        self.received = self.received or number

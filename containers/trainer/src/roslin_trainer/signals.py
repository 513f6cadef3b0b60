"""SIGTERM: at once where nothing is lost, at the end of the step while training."""

import signal
from contextlib import contextmanager

from roslin_trainer.errors import interrupted

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignal:
    def __init__(self):
        self.requested = False
        self._deferred = False
        for number in STOP_SIGNALS:
            signal.signal(number, self._handle)

    @contextmanager
    def deferred(self):
        """Within, a signal only sets `requested`: the caller ends its step and saves."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def _handle(self, number, frame):
        # A second signal must not break off the checkpoint that the first one asked for.
        first, self.requested = not self.requested, True
        if first and not self._deferred:
            raise interrupted()

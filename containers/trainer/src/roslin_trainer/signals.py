"""Being told to stop: at once where nothing is lost, at the end of the step while training."""

import json
import signal
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from roslin_trainer.errors import interrupted
from roslin_trainer.files import write_whole

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# How soon after a plain SIGTERM a run must be gone. If it is killed sooner, a save cut short loses nothing.
STOP_SECONDS = 100.0


@dataclass(frozen=True)
class StopNotice:
    """Why to stop, and the Unix time by which the process must be gone."""

    reason: str
    ends_at: float

    @property
    def seconds_left(self) -> float:
        return self.ends_at - time.time()

    def write(self, file: Path) -> None:
        """For the ranks: a signal carries no words."""
        write_whole(file, json.dumps(asdict(self)))


class StopSignal:
    """`notice_file` is where a supervisor writes what it knows before it passes the signal on."""

    def __init__(self, notice_file: Path | None = None):
        self.requested = False
        self._notice: StopNotice | None = None
        self._notice_file = notice_file
        self._deferred = False
        for number in STOP_SIGNALS:
            signal.signal(number, self._handle)

    @property
    def notice(self) -> StopNotice | None:
        """None until told to stop."""
        if self._notice_file and self._notice_file.exists():
            return StopNotice(**json.loads(self._notice_file.read_text()))
        return self._notice

    def announce(self, notice: StopNotice) -> None:
        """What is known of a stop beyond the signal, which the caller sends afterwards."""
        self._notice = notice

    @contextmanager
    def deferred(self):
        """Within, a signal only sets `requested`: the caller ends its step and saves.

        A signal that changed nothing there is heeded at the end: what follows could not be stopped any more.
        """
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
        if self.requested:
            raise interrupted(self.notice.reason)

    def _handle(self, number, frame):
        # A second signal must not break off the checkpoint that the first one asked for.
        first, self.requested = not self.requested, True
        if self._notice is None:
            name = signal.Signals(number).name
            self._notice = StopNotice(f"it was told to stop ({name})", time.time() + STOP_SECONDS)
        if first and not self._deferred:
            raise interrupted(self._notice.reason)

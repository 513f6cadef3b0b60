"""Ends a process that makes no progress: a stuck collective waits for ever, at full price."""

import os
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field

from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ExitCode

# The first of anything compiles, allocates and connects.
FIRST_SECONDS = 1800.0
LEAST_SECONDS = {"step": 60.0, "held-out loss": 600.0, "checkpoint": 1800.0}
SLOWEST_FACTOR = 10.0
RECENT = 50


@dataclass
class LearnedLimits:
    """How long an activity may take: ten times the slowest of its recent ones, but at least its floor."""

    first_seconds: float = FIRST_SECONDS
    least_seconds: dict[str, float] = field(default_factory=lambda: dict(LEAST_SECONDS))

    def __post_init__(self):
        self._recent: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=RECENT))

    def took(self, activity: str, seconds: float) -> None:
        self._recent[activity].append(seconds)

    def seconds(self, activity: str) -> float:
        recent = self._recent[activity]
        if not recent:
            return max(self.first_seconds, self.least_seconds[activity])
        return max(self.least_seconds[activity], SLOWEST_FACTOR * max(recent))

    def reason(self, activity: str) -> str:
        recent = self._recent[activity]
        return f"the slowest recent one took {max(recent):.1f} s" if recent else "it was the first one"


def limits_of_environment() -> LearnedLimits:
    """ROSLIN_HANG_SECONDS replaces the floor of every activity: for tests, and machines known to stall."""
    floor = os.environ.get("ROSLIN_HANG_SECONDS")
    return (
        LearnedLimits(least_seconds=dict.fromkeys(LEAST_SECONDS, float(floor))) if floor else LearnedLimits()
    )


class Watchdog:
    """Watches one activity at a time, from a thread of its own: the main one may be stuck in C code."""

    def __init__(
        self,
        on_hang: Callable[[TrainerError], None],
        limits: LearnedLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        poll_seconds: float = 0.5,
    ):
        """`on_hang` must end the process; it runs in the watchdog's thread."""
        self._on_hang = on_hang
        self._limits = limits or limits_of_environment()
        self._clock = clock
        self._poll_seconds = poll_seconds
        # Activity, when it began, and its limit; replaced whole, so that the thread sees no half of it.
        self._current: tuple[str, float, float] | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def __enter__(self) -> "Watchdog":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._closed.set()

    @contextmanager
    def watching(self, activity: str):
        started = self._clock()
        self._current = (activity, started, self._limits.seconds(activity))
        try:
            yield
            self._limits.took(activity, self._clock() - started)
        finally:
            self._current = None

    def _run(self) -> None:
        while not self._closed.wait(self._poll_seconds):
            current = self._current
            if current and self._clock() - current[1] > current[2]:
                activity, _, limit = current
                self._on_hang(hung(activity, limit, self._limits.reason(activity)))
                return


def hung(activity: str, limit_seconds: float, reason: str) -> TrainerError:
    return TrainerError(
        ExitCode.HUNG,
        "HUNG",
        f"No end of a {activity} in {limit_seconds:.0f} s; {reason}.",
        "Read the stacks of all ranks in the run's log: where they wait tells who does not come. "
        "Then start the run again: it goes on from the newest complete checkpoint.",
    )

"""A job that has not ended, and what of it no API shows."""

import threading
from dataclasses import dataclass, field
from typing import Any, Protocol

from roslin_emulator.chaos.rules import NoCapacity
from roslin_emulator.scope import Scope


class Stoppable(Protocol):
    def stop(self) -> None: ...


@dataclass(eq=False)
class LiveJob:
    """`ended` is set when its record says so, `stopped` when its process is gone: not the same thing when the
    emulator stops, since that leaves the record alone.
    """

    record: dict[str, Any]
    scope: Scope
    # Anything that can be told to stop: of a job of several nodes, all of them.
    process: Stoppable | None = None
    stop_reason: str | None = None
    # What its container is told that another of the same job is not.
    environment: dict[str, str] = field(default_factory=dict)
    # Its place among the RUNNABLE jobs of its queue, from 0, and since when it has it (epoch milliseconds).
    place: int | None = None
    at_place_since: int = 0
    # Why it gets no machine, and what ends its wait.
    blockage: NoCapacity | None = None
    time_limit: threading.Timer | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)

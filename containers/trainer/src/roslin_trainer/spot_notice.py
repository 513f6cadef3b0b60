"""The notice that Spot takes the machine back, about two minutes before it does.

Source: AWS, EC2 User Guide, "Spot Instance interruption notices".
"""

import json
import threading
from collections.abc import Callable
from datetime import datetime

from roslin_trainer.instance_metadata import open_metadata
from roslin_trainer.log import log
from roslin_trainer.signals import StopNotice

POLL_SECONDS = 5.0
NOTICE = "spot/instance-action"
REBALANCE = "events/recommendations/rebalance"


class SpotWatch:
    """Polls in a background thread. Silent and off where there is no metadata service, or none is wanted."""

    def __init__(self, on_notice: Callable[[StopNotice], None], poll_seconds: float = POLL_SECONDS):
        self._on_notice = on_notice
        self._poll_seconds = poll_seconds
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spot-watch", daemon=True)

    def __enter__(self) -> "SpotWatch":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._closed.set()

    def _run(self) -> None:
        metadata = open_metadata()
        if metadata is None:
            return
        is_rebalance_known = False
        while not self._closed.wait(self._poll_seconds):
            try:
                if notice := metadata.get(NOTICE):
                    self._on_notice(_stop_notice(notice))
                    return
                if not is_rebalance_known and (recommendation := metadata.get(REBALANCE)):
                    is_rebalance_known = True
                    log(f"Spot may soon take the machine back (rebalance recommendation {recommendation})")
            except (OSError, ValueError, KeyError):
                # The service was busy or said nonsense: the next answer counts.
                continue


def _stop_notice(document: str) -> StopNotice:
    """From `{"action": "terminate", "time": "2026-11-24T10:00:00Z"}`."""
    notice = json.loads(document)
    ends_at = datetime.fromisoformat(notice["time"].replace("Z", "+00:00"))
    return StopNotice(f"Spot takes the machine back at {notice['time']}", ends_at.timestamp())

"""stops/<job>.json: who ends a job by hand may want no checkpoint of it (`cancel --now`)."""

import json
import threading
from collections.abc import Callable

from roslin_trainer.errors import TrainerError, interrupted
from roslin_trainer.log import log
from roslin_trainer.nodes import job_id
from roslin_trainer.signals import StopSignal
from roslin_trainer.storage import Folder

POLL_SECONDS = 0.1


def forbids_checkpoint(run_folder: Folder) -> bool:
    """Whether the job is to end at once. Where storage does not say so, it saves first."""
    job = job_id()
    if not job:
        return False
    try:
        return json.loads(run_folder.read(f"stops/{job}.json") or "{}").get("checkpoint") is False
    except Exception as error:
        log(f"stops/{job}.json cannot be read: {error}; the job saves a checkpoint before it ends")
        return False


def ended_at_once() -> TrainerError:
    return interrupted("it was to end at once, without a checkpoint")


class StopWatch:
    """For a process that trains by itself: its main thread may be deep in a step, so another one looks."""

    def __init__(self, stop: StopSignal, run_folder: Folder, end: Callable[[], None]):
        """`end` must end the process; it runs in the watching thread."""
        self._stop = stop
        self._folder = run_folder
        self._end = end
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stop-watch", daemon=True)

    def __enter__(self) -> "StopWatch":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(POLL_SECONDS):
            if self._stop.requested:
                if forbids_checkpoint(self._folder):
                    self._end()
                return

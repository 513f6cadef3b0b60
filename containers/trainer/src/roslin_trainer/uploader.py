"""Uploads folders in a background thread while training goes on."""

import queue
import threading
from collections.abc import Callable


class Uploader:
    """Runs uploads one after the other. A failed one is raised by the next call of `submit` or `close`."""

    def __init__(self):
        # One waiting at most: more would only fill the scratch disk.
        self._work: queue.Queue[Callable[[], None] | None] = queue.Queue(maxsize=1)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="uploader", daemon=True)
        self._thread.start()

    @property
    def unfinished(self) -> int:
        """Uploads that run or wait."""
        return self._work.unfinished_tasks

    def submit(self, upload: Callable[[], None]) -> None:
        """Waits where one upload runs and another waits already."""
        self._raise_error()
        self._work.put(upload)

    def close(self, last: Callable[[], None] | None = None) -> None:
        """Waits until all is uploaded, and `last` after it."""
        if last:
            self._work.put(last)
        self._work.put(None)
        self._thread.join()
        self._raise_error()

    def _run(self) -> None:
        while upload := self._work.get():
            try:
                if not self._error:
                    upload()
            except Exception as error:
                self._error = error
            finally:
                self._work.task_done()

    def _raise_error(self) -> None:
        if self._error:
            raise self._error

"""Uploads folders in a background thread while training goes on."""

import itertools
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


class Uploader:
    """Runs uploads one after the other. A failed one is raised by the next call of `submit` or `close`."""

    def __init__(self, signs: Path):
        """`signs` has a file for each upload that runs or waits: another process may want to wait for it."""
        signs.mkdir(exist_ok=True)
        self._signs = (signs / str(number) for number in itertools.count())
        # One waiting at most: more would only fill the scratch disk.
        self._work: queue.Queue[tuple[Callable[[], None], Path] | None] = queue.Queue(maxsize=1)
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
        self._put(upload)

    def close(self, last: Callable[[], None] | None = None) -> None:
        """Waits until all is uploaded, and `last` after it."""
        if last:
            self._put(last)
        self._work.put(None)
        self._thread.join()
        self._raise_error()

    def _put(self, upload: Callable[[], None]) -> None:
        sign = next(self._signs)
        # On a full disk there may be none; the upload counts for more.
        with suppress(OSError):
            sign.touch()
        self._work.put((upload, sign))

    def _run(self) -> None:
        while work := self._work.get():
            upload, sign = work
            try:
                if not self._error:
                    upload()
            except Exception as error:
                self._error = error
            finally:
                sign.unlink(missing_ok=True)
                self._work.task_done()

    def _raise_error(self) -> None:
        if self._error:
            raise self._error

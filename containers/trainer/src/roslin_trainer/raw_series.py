"""The numbers of every single step, compressed: metrics.json keeps only a thinned picture of them."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

from roslin_trainer.storage import Folder

SERIES_FOLDER = "metrics"
ROWS_IN_MEMORY = 1000


class RawSeries:
    """One file an attempt, `metrics/series-0001.jsonl.gz`, with one JSON object a step."""

    def __init__(self, run_folder: Folder, scratch: Path):
        self._folder = run_folder.child(SERIES_FOLDER)
        earlier = [path for path in self._folder.paths() if path.startswith("series-")]
        self.name = f"series-{len(earlier) + 1:04}.jsonl.gz"
        self._file = scratch / self.name
        self._rows: list[str] = []

    def add(self, row: dict[str, float | None]) -> None:
        self._rows.append(json.dumps(row, separators=(",", ":"), allow_nan=False))
        if len(self._rows) >= ROWS_IN_MEMORY:
            self.flush()

    def flush(self) -> None:
        """To the scratch disk, as one more member of the gzip file."""
        if not self._rows:
            return
        with gzip.open(self._file, "at") as file:
            file.write("\n".join(self._rows) + "\n")
        self._rows = []

    def snapshot(self) -> Callable[[], None]:
        """The upload of all rows so far, for another thread: this one may go on adding."""
        self.flush()
        content = self._file.read_bytes() if self._file.exists() else b""
        return lambda: self._folder.write(self.name, content) if content else None

"""Saves checkpoints: written to the scratch disk by all ranks, uploaded beside the steps that follow."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from roslin_trainer.checkpoint import STATE_FOLDER, CheckpointStore, Position, write_position
from roslin_trainer.checkpoint_interval import CheckpointInterval
from roslin_trainer.checkpoint_parts import Parts
from roslin_trainer.engine import Engine
from roslin_trainer.errors import disk_full, is_disk_full
from roslin_trainer.log import log
from roslin_trainer.nodes import Place
from roslin_trainer.uploader import Uploader


class CheckpointSaver:
    """All ranks make the same calls; the leader of each node uploads, the first of all commits."""

    def __init__(
        self,
        engine: Engine,
        store: CheckpointStore,
        place: Place,
        parts: Parts,
        interval: CheckpointInterval,
        folder: Path,
        uploads: Path,
    ):
        self._engine = engine
        self._store = store
        self._place = place
        self._parts = parts
        self._interval = interval
        self._folder = folder
        self._uploader = Uploader(uploads)
        # Stays on the disk until the next one is on its way: publishing reads the last one there.
        self._uploaded: Path | None = None
        self._upload_seconds: float | None = None
        self._log(f"checkpoints: at each epoch's end, and every {interval.seconds:.0f} s: {interval.reason}")

    def is_due(self) -> bool:
        """Whether to save within an epoch. Never where it would wait for the upload before it."""
        return self._uploader.unfinished == 0 and self._interval.is_due()

    @property
    def expected_seconds(self) -> float | None:
        """From the start of a save to its end in storage, as the last ones went; None before the first."""
        if self._upload_seconds is None:
            return None
        return self._interval.save_seconds + self._upload_seconds * (1 + self._uploader.unfinished)

    def save(
        self, name: str, epoch: float, position: Position, also_upload: Callable[[], None] = lambda: None
    ) -> None:
        started = time.monotonic()
        before = self._interval.seconds
        local = self._folder / name
        try:
            self._write(local, position)
        except Exception as error:
            if is_disk_full(error):
                # Known now alone: the end of an upload makes room again.
                raise disk_full(error) from error
            raise
        written = time.monotonic() - started
        if self._place.is_leader:
            self._uploader.submit(lambda: self._upload(local, name, position.step, epoch, also_upload))
        # A leader may have waited for an earlier upload: no rank begins a step that another cannot join.
        self._engine.all_sum([0.0])
        self._interval.saved(written)
        if not before / 2 < self._interval.seconds < before * 2:
            self._log(f"checkpoints: now every {self._interval.seconds:.0f} s: {self._interval.reason}")

    def close(self, also_upload: Callable[[], None] | None) -> None:
        """Waits for the uploads."""
        self._uploader.close(also_upload)

    def _write(self, local: Path, position: Position) -> None:
        (local / STATE_FOLDER).mkdir(parents=True, exist_ok=True)
        self._engine.save_weights(local)
        self._engine.save_state(local / STATE_FOLDER)
        if self._engine.rank == 0:
            write_position(local, position)

    def _upload(
        self, local: Path, name: str, step: int, epoch: float, also_upload: Callable[[], None]
    ) -> None:
        started = time.monotonic()
        if self._uploaded:
            shutil.rmtree(self._uploaded)
            self._uploaded = None
        if self._place.node == 0:
            self._store.commit(local, name, step, epoch, self._parts)
        else:
            self._store.upload_part(local, name, self._parts, self._place.node)
        self._uploaded = local
        also_upload()
        self._upload_seconds = time.monotonic() - started
        self._interval.uploaded(self._upload_seconds)

    def _log(self, line: str) -> None:
        if self._engine.rank == 0:
            log(line)

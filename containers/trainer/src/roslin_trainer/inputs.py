"""What a step reads: fetched to the scratch disk, where an earlier step has written it."""

import time
from pathlib import Path

from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.manifest import fetch_folder, read_manifest
from roslin_trainer.storage import open_folder


class Inputs:
    """What the train step keeps on the scratch disk, for all ranks of this machine.

    `checkpoint` is the one to resume from, `checkpoints` has what this attempt writes, and `uploads` a file
    for each upload that runs or waits.
    """

    def __init__(self, scratch: Path, started_at: float | None = None):
        """`started_at` is the Unix time at which the attempt began."""
        self.scratch = scratch
        self.started_at = time.time() if started_at is None else started_at
        self.base = scratch / "base"
        self.rows = scratch / "rows"
        self.checkpoint = scratch / "checkpoint"
        self.checkpoints = scratch / "checkpoints"
        self.ranks = scratch / "ranks"
        self.uploads = scratch / "uploads"
        self.stop_notice = scratch / "stop.json"
        self.price = scratch / "price"

    def pid_file(self, rank: int) -> Path:
        return self.ranks / f"{rank}.pid"

    def error_file(self, rank: int) -> Path:
        return self.ranks / f"{rank}.error.json"

    def room_file(self, rank: int) -> Path:
        """Keeps room for the rank's error where the disk is full."""
        return self.ranks / f"{rank}.room"

    def stacks_file(self, rank: int) -> Path:
        return self.ranks / f"{rank}.stacks"


def fetch_complete(uri: str, target: Path) -> Path:
    """A folder that Prepare has completed. Raises TrainerError NOT_PREPARED where it has not."""
    folder = open_folder(uri)
    manifest = read_manifest(folder)
    if manifest is None:
        raise TrainerError(
            ExitCode.USER_ERROR,
            "NOT_PREPARED",
            f"There is no complete folder at {uri}.",
            "Run the prepare step of this plan first.",
        )
    return fetch_folder(folder, manifest, target)

"""A step's folder on the scratch disk."""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from roslin_trainer.log import log

PREFIX = "roslin-"
LOCK_FILE = "lock"


def scratch_root() -> Path:
    return Path(os.environ.get("ROSLIN_SCRATCH_DIR", tempfile.gettempdir()))


class Scratch:
    """Goes with its step. What a killed one could not remove, the next step on the machine does.

    Each folder has a locked file, and a process's locks end with it. A name of its own for each attempt, for
    nodes of one job may share a disk: on one's own machine they do.
    """

    def __init__(self, run_id: str, step: str):
        root = scratch_root()
        root.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(root)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{run_id}-{step}-", dir=root))
        unnamed = self.folder / "unnamed"
        self._lock = os.open(unnamed, os.O_CREAT | os.O_WRONLY)
        # A file system without locks has none for others either: what is left there stays.
        with suppress(OSError):
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        # Locked before others know it: none of them takes a folder that begins for one that was left.
        unnamed.rename(self.folder / LOCK_FILE)

    def remove(self) -> None:
        remove_folder(self.folder)
        os.close(self._lock)


def remove_folder(folder: Path) -> None:
    """Its lock last: a kill may come before all is gone, and the next step must find the rest."""
    for path in folder.glob("*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(root: Path) -> None:
    for path in root.glob(f"{PREFIX}*/{LOCK_FILE}"):
        try:
            with path.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_folder(path.parent)
        except OSError:
            # In use, another user's, or just gone.
            continue
        log(f"removed what a killed step had left: {path.parent}")

"""Checkpoints: committed by a manifest, found again, and removed when no longer needed."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from roslin_trainer.log import log
from roslin_trainer.manifest import (
    MANIFEST,
    DamagedFolder,
    Manifest,
    commit_folder,
    fetch_folder,
    read_manifest,
)
from roslin_trainer.storage import Folder

# Weights lie at the top, as peft and Transformers load them; what only a resume needs lies in here.
STATE_FOLDER = "state"
POSITION_FILE = f"{STATE_FOLDER}/position.json"


@dataclass(frozen=True)
class Checkpoint:
    name: str
    folder: Folder
    manifest: Manifest

    @property
    def epoch(self) -> float:
        return self.manifest.epoch


@dataclass(frozen=True)
class Position:
    """Where training stands: optimizer steps done, and the metrics up to there."""

    step: int
    metrics: dict


def epoch_name(epoch: int) -> str:
    return f"epoch-{epoch:04}"


def step_name(step: int) -> str:
    return f"step-{step:06}"


def is_weights(path: str) -> bool:
    return not path.startswith(f"{STATE_FOLDER}/")


def write_position(folder: Path, position: Position) -> None:
    (folder / POSITION_FILE).write_text(json.dumps({"step": position.step, "metrics": position.metrics}))


def read_position(folder: Path) -> Position:
    return Position(**json.loads((folder / POSITION_FILE).read_text()))


class CheckpointStore:
    """The `checkpoints/` folder of a run."""

    def __init__(self, run_folder: Folder, keep_epochs: frozenset[int]):
        self._folder = run_folder.child("checkpoints")
        self._keep_epochs = keep_epochs

    def complete(self) -> list[Checkpoint]:
        """Those with a manifest, oldest first."""
        names = {path.split("/")[0] for path in self._folder.paths() if path.endswith(f"/{MANIFEST}")}
        checkpoints = []
        for name in names:
            folder = self._folder.child(name)
            manifest = read_manifest(folder)
            if manifest:
                checkpoints.append(Checkpoint(name, folder, manifest))
        return sorted(checkpoints, key=lambda checkpoint: (checkpoint.epoch, checkpoint.name))

    def of_epoch(self, epoch: int) -> Checkpoint | None:
        return next(
            (checkpoint for checkpoint in self.complete() if checkpoint.name == epoch_name(epoch)), None
        )

    def fetch_newest(self, target: Path) -> Path | None:
        """Downloads the newest complete one whose files are as its manifest says."""
        for checkpoint in reversed(self.complete()):
            try:
                return fetch_folder(checkpoint.folder, checkpoint.manifest, target)
            except DamagedFolder as error:
                log(f"checkpoint {checkpoint.name} is damaged and left aside: {error}")
                shutil.rmtree(target)
        return None

    def commit(self, local: Path, name: str, epoch: float) -> None:
        """Uploads a checkpoint, then removes those that it makes superfluous, and the local copy."""
        commit_folder(local, self._folder.child(name), "checkpoint", epoch)
        shutil.rmtree(local)
        log(f"checkpoint {name}: complete in {self._folder.uri}")
        self._remove(lambda checkpoint: checkpoint.epoch < epoch and not self._is_kept(checkpoint))

    def _is_kept(self, checkpoint: Checkpoint) -> bool:
        return any(checkpoint.name == epoch_name(epoch) for epoch in self._keep_epochs)

    def _remove(self, superfluous: Callable[[Checkpoint], bool]) -> None:
        for checkpoint in self.complete():
            if superfluous(checkpoint):
                # The manifest first: half a checkpoint must not look like a whole one.
                checkpoint.folder.delete([MANIFEST, *(file.path for file in checkpoint.manifest.files)])

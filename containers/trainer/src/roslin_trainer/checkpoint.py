"""Checkpoints: committed by a manifest, found again, and removed when no longer needed."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from roslin_trainer.checkpoint_parts import Parts
from roslin_trainer.layout import Layout
from roslin_trainer.log import log
from roslin_trainer.manifest import (
    MANIFEST,
    DamagedFolder,
    Manifest,
    commit_manifest,
    fetch_folder,
    read_manifest,
    upload_folder,
)
from roslin_trainer.storage import Folder

# Weights lie at the top, as peft and Transformers load them; what only a resume needs lies in here.
STATE_FOLDER = "state"
# Beside a manifest that names other files than there are: all nodes must then resume from the one before.
DAMAGED_MARK = "damaged"
NAME = re.compile(r"(epoch|step)-(\d+)")
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
    """Where training stands: optimizer steps done, the metrics up to there, and the time that it took.

    `layout` is that of the state beside it, None in older checkpoints.
    """

    step: int
    metrics: dict
    elapsed_seconds: float
    layout: Layout | None = None


def epoch_name(epoch: int) -> str:
    return f"epoch-{epoch:04}"


def step_name(step: int) -> str:
    return f"step-{step:06}"


def is_before(name: str, step: int, epoch: float) -> bool:
    """Whether a checkpoint of this name is older than that of a step, which ends `epoch` epochs."""
    match = NAME.fullmatch(name)
    return bool(match) and int(match[2]) < (step if match[1] == "step" else epoch)


def is_weights(path: str) -> bool:
    return not path.startswith(f"{STATE_FOLDER}/")


# DeepSpeed's names of what one rank alone reads again, and ours.
RANK_FILE = re.compile(r"(?:^|/)(?:(?:bf16_)?zero_pp_rank_|rank-)(\d+)[_-]")


def is_read_by(ranks: range) -> Callable[[str], bool]:
    """Which files of a checkpoint these ranks need: the state of the others is left where it is."""

    def is_read(path: str) -> bool:
        match = None if is_weights(path) else RANK_FILE.search(path)
        return match is None or int(match[1]) in ranks

    return is_read


def write_position(folder: Path, position: Position) -> None:
    (folder / POSITION_FILE).write_text(json.dumps(asdict(position)))


def read_position(folder: Path) -> Position:
    value = json.loads((folder / POSITION_FILE).read_text())
    layout = value.pop("layout", None)
    return Position(**value, layout=Layout(**layout) if layout else None)


class CheckpointStore:
    """The `checkpoints/` folder of a run."""

    def __init__(self, run_folder: Folder, keep_epochs: frozenset[int]):
        self._folder = run_folder.child("checkpoints")
        self._kept_names = {epoch_name(epoch) for epoch in keep_epochs}

    def complete(self) -> list[Checkpoint]:
        """Those with a manifest and not marked as damaged, oldest first."""
        paths = set(self._folder.paths())
        names = {path.split("/")[0] for path in paths if path.endswith(f"/{MANIFEST}")}
        checkpoints = []
        for name in names:
            if f"{name}/{DAMAGED_MARK}" in paths:
                continue
            folder = self._folder.child(name)
            manifest = read_manifest(folder)
            if manifest:
                checkpoints.append(Checkpoint(name, folder, manifest))
        return sorted(checkpoints, key=lambda checkpoint: (checkpoint.epoch, checkpoint.name))

    def of_epoch(self, epoch: int) -> Checkpoint | None:
        return next(
            (checkpoint for checkpoint in self.complete() if checkpoint.name == epoch_name(epoch)), None
        )

    def fetch_newest(self, target: Path, wanted: Callable[[str], bool] = lambda path: True) -> Path | None:
        """Downloads the newest complete one whose files are as its manifest says."""
        for checkpoint in reversed(self.complete()):
            try:
                return fetch_folder(checkpoint.folder, checkpoint.manifest, target, wanted)
            except DamagedFolder as error:
                log(f"checkpoint {checkpoint.name} is damaged and left aside: {error}")
                checkpoint.folder.write(DAMAGED_MARK, str(error).encode())
                shutil.rmtree(target)
        return None

    def commit(self, local: Path, name: str, step: int, epoch: float, parts: Parts) -> None:
        """Uploads a checkpoint, then removes those that it makes superfluous."""
        folder = self._folder.child(name)
        # One of this name may lie there: it must not pass for complete while it is overwritten.
        folder.delete([MANIFEST, DAMAGED_MARK])
        files = upload_folder(local, folder)
        commit_manifest(folder, "checkpoint", epoch, [*files, *parts.of_others(folder)])
        parts.remove(folder)
        log(f"checkpoint {name}: complete in {self._folder.uri}")
        self._remove_before(step, epoch)

    def upload_part(self, local: Path, name: str, parts: Parts, node: int) -> None:
        """What the ranks of another node than the main one have written."""
        folder = self._folder.child(name)
        parts.write(folder, node, upload_folder(local, folder))

    def _remove_before(self, step: int, epoch: float) -> None:
        """What is half-uploaded or damaged too, but nothing of later steps: that may be on its way from
        another node of this attempt. An attempt that still wrote an older one would be behind this one.
        """
        older = {checkpoint.name for checkpoint in self.complete() if checkpoint.epoch < epoch}
        paths = self._folder.paths()
        for name in {path.split("/")[0] for path in paths} - self._kept_names:
            is_complete = f"{name}/{MANIFEST}" in paths and f"{name}/{DAMAGED_MARK}" not in paths
            if name in older or (not is_complete and is_before(name, step, epoch)):
                self._remove([path for path in paths if path.startswith(f"{name}/")])

    def _remove(self, paths: list[str]) -> None:
        """The manifest first, a mark of damage last: half a checkpoint must not look like a whole one."""
        order = {MANIFEST: 0, DAMAGED_MARK: 2}
        self._folder.delete(sorted(paths, key=lambda path: order.get(path.partition("/")[2], 1)))

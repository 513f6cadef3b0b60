"""A checkpoint that several machines write: each has only the files of its own ranks on its disk.

Every machine uploads its files and then says so in `parts/node-0001.json`, with their hashes. The main one
waits for all of these, and commits the checkpoint with one manifest of all files.
"""

import json
import time
from dataclasses import asdict

from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.manifest import ManifestFile
from roslin_trainer.storage import Folder

POLL_SECONDS = 0.5
# Machines of one kind upload as much each, at much the same speed.
PATIENCE_SECONDS = 900.0


class Parts:
    """`attempt` tells this attempt's parts from those that an earlier one left behind half-done."""

    def __init__(self, node_count: int, attempt: int):
        self.node_count = node_count
        self.attempt = attempt

    def write(self, folder: Folder, node: int, files: tuple[ManifestFile, ...]) -> None:
        content = {"attempt": self.attempt, "files": [asdict(file) for file in files]}
        folder.write(_name(node), json.dumps(content).encode())

    def of_others(self, folder: Folder) -> list[ManifestFile]:
        """Waits for the parts of all nodes but the main one. Raises TrainerError STORAGE_UNAVAILABLE."""
        files = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        for node in range(1, self.node_count):
            while (part := self._read(folder, node)) is None:
                if time.monotonic() > deadline:
                    raise _missing(folder, node)
                time.sleep(POLL_SECONDS)
            files.extend(part)
        return files

    def remove(self, folder: Folder) -> None:
        folder.delete([_name(node) for node in range(1, self.node_count)])

    def _read(self, folder: Folder, node: int) -> list[ManifestFile] | None:
        part = json.loads(folder.read(_name(node)) or "{}")
        if part.get("attempt") != self.attempt:
            return None
        return [ManifestFile(**file) for file in part["files"]]


def _name(node: int) -> str:
    return f"parts/node-{node:04}.json"


def _missing(folder: Folder, node: int) -> TrainerError:
    return TrainerError(
        ExitCode.STORAGE,
        "STORAGE_UNAVAILABLE",
        f"Node {node} has not uploaded its part of {folder.uri}.",
        "Read that node's log; the next attempt goes on from the checkpoint before.",
    )

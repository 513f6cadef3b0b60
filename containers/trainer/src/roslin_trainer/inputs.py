"""Fetches what an earlier step has written."""

from pathlib import Path

from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.manifest import fetch_folder, read_manifest
from roslin_trainer.storage import open_folder


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

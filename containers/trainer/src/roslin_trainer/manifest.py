"""manifest.json: written last, so a folder without one is not complete."""

import hashlib
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from roslin_trainer.host import give_way
from roslin_trainer.storage import Folder, download_files, upload_files

MANIFEST = "manifest.json"
HASH_BLOCK_BYTES = 2**22
HASH_THREADS = 2


class DamagedFolder(Exception):
    """A file is not the one its manifest names, or not there."""


@dataclass(frozen=True)
class ManifestFile:
    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """`epoch` is 0 for what no training made, and has a fraction for a checkpoint within an epoch."""

    kind: str
    epoch: float
    files: tuple[ManifestFile, ...]

    def to_json(self) -> bytes:
        files = [asdict(file) for file in self.files]
        return json.dumps({"kind": self.kind, "epoch": self.epoch, "files": files}, indent=1).encode()


def read_manifest(folder: Folder) -> Manifest | None:
    """None where the folder is not complete."""
    content = folder.read(MANIFEST)
    if content is None:
        return None
    try:
        value = json.loads(content)
        files = tuple(ManifestFile(file["path"], file["bytes"], file["sha256"]) for file in value["files"])
        return Manifest(value["kind"], value["epoch"], files)
    except (ValueError, KeyError, TypeError):
        return None


def describe(path: str, local: Path) -> ManifestFile:
    digest, block = hashlib.sha256(), memoryview(bytearray(HASH_BLOCK_BYTES))
    with local.open("rb", buffering=0) as file:
        # Into the same block: a new one of this size each time costs a third of the hash in page faults.
        while count := file.readinto(block):
            digest.update(block[:count])
    return ManifestFile(path, local.stat().st_size, digest.hexdigest())


def upload_folder(source: Path, folder: Folder) -> tuple[ManifestFile, ...]:
    """Uploads all files of a local folder, and hashes them meanwhile."""
    paths = sorted(path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file())
    with ThreadPoolExecutor(HASH_THREADS, initializer=give_way) as pool:
        files = pool.map(lambda path: describe(path, source / path), paths)
        upload_files(source, paths, folder)
        return tuple(files)


def commit_manifest(folder: Folder, kind: str, epoch: float, files: Iterable[ManifestFile]) -> Manifest:
    manifest = Manifest(kind, epoch, tuple(sorted(files, key=lambda file: file.path)))
    folder.write(MANIFEST, manifest.to_json())
    return manifest


def commit_folder(source: Path, folder: Folder, kind: str, epoch: float) -> Manifest:
    """Uploads all files of a local folder, then their manifest."""
    return commit_manifest(folder, kind, epoch, upload_folder(source, folder))


def fetch_folder(
    folder: Folder, manifest: Manifest, target: Path, wanted: Callable[[str], bool] = lambda path: True
) -> Path:
    """Downloads a complete folder's files. Raises DamagedFolder where one is not as the manifest says."""
    files = {file.path: file for file in manifest.files if wanted(file.path)}
    target.mkdir(parents=True, exist_ok=True)

    def check(path: str) -> None:
        if describe(path, target / path) != files[path]:
            raise DamagedFolder(f"{folder.uri}{path} is not the file its manifest names")

    try:
        # One file is hashed while others still come.
        download_files(folder, list(files), target, check)
    except FileNotFoundError as error:
        raise DamagedFolder(f"a file of the manifest of {folder.uri} is not there: {error}") from error
    return target

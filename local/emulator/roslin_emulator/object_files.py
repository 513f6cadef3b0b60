"""An S3 object on disk is two files, its data and its sidecar, that change as one: kill -9 leaves no half.

The new data waits beside the old under the name that the new sidecar says. To replace the sidecar is to write
the object; the data then takes its place, at once or at the next start.
"""

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

from roslin_emulator.file_body import FileBody

SIDECAR = ".meta.json"
# MiniStack gives no object's file such a name.
UNFINISHED = ".tmp"


def write_file(path: str, data: Any) -> None:
    if isinstance(data, FileBody):
        with contextlib.suppress(OSError):  # a file system without hard links: copy
            data.link_to(path)
            return
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(data)


def write_object(path: str, data: Any, meta: dict[str, Any]) -> None:
    """Without data, that on disk stands."""
    waiting = f"{path}.{secrets.token_hex(4)}{UNFINISHED}"
    sidecar = f"{path}{SIDECAR}{UNFINISHED}"
    try:
        if data is not None:
            write_file(waiting, data)
            meta = {**meta, "waiting": os.path.basename(waiting)}
        write_file(sidecar, json.dumps(meta).encode())
    except BaseException:
        for file in (waiting, sidecar):
            Path(file).unlink(missing_ok=True)
        raise
    os.replace(sidecar, path + SIDECAR)
    if data is not None:
        _take_place(waiting, path)


def _take_place(waiting: str | Path, path: str | Path) -> None:
    os.replace(waiting, path)
    # Of two names of one file, as where an object is copied onto itself, a rename leaves both.
    Path(waiting).unlink(missing_ok=True)


def finish_writes(directory: Path) -> None:
    """What a kill interrupted is done or dropped; before MiniStack reads the objects."""
    for file in directory.rglob(f"*{UNFINISHED}"):
        path = file.with_name(file.name.removesuffix(UNFINISHED)).with_suffix("")
        sidecar = path.with_name(path.name + SIDECAR)
        if sidecar.exists() and json.loads(sidecar.read_bytes()).get("waiting") == file.name:
            _take_place(file, path)
        else:
            file.unlink()

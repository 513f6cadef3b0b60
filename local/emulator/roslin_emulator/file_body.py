"""The body of a large S3 object or part: bytes that stay in a file."""

import hashlib
import mmap
import os
import tempfile
from pathlib import Path
from typing import Any

# Smaller bodies are handled in memory, as MiniStack does.
LARGE_BYTES = 2**20


class FileBody(mmap.mmap):
    """Stands where MiniStack expects bytes: it has a length, slices, and can be hashed and written."""

    path: str
    temporary: bool
    md5: str | None
    # Of a form: what it was read into.
    parts: list[Any]

    @staticmethod
    def open(path: str | Path, temporary: bool = False, md5: str | None = None) -> "FileBody":
        with open(path, "rb") as file:
            body = FileBody(file.fileno(), 0, access=mmap.ACCESS_READ)
        body.path, body.temporary, body.md5 = str(path), temporary, md5
        return body

    def __del__(self) -> None:
        if getattr(self, "temporary", False):
            Path(self.path).unlink(missing_ok=True)

    def link_to(self, target: str) -> None:
        """Give the file a second name. Its content never changes: objects are replaced, not rewritten."""
        Path(target).unlink(missing_ok=True)
        os.link(self.path, target)

    def take_file(self) -> str:
        """The file, for whoever asks to write and to remove; the body is closed."""
        self.temporary = False
        self.close()
        return self.path

    def discard(self) -> None:
        self.close()
        if self.temporary:
            Path(self.take_file()).unlink()


class Spool:
    """Collects a body in a temporary file."""

    def __init__(self) -> None:
        descriptor, self._path = tempfile.mkstemp(prefix="s3-")
        self._file = os.fdopen(descriptor, "wb")
        self._md5 = hashlib.md5(usedforsecurity=False)

    def write(self, data: Any) -> None:
        self._file.write(data)
        self._md5.update(data)

    def finish(self) -> FileBody:
        self._file.close()
        return FileBody.open(self._path, temporary=True, md5=self._md5.hexdigest())

    def discard(self) -> None:
        self._file.close()
        Path(self._path).unlink(missing_ok=True)


def appended(parts: list[Any]) -> FileBody:
    """All in the file of the first, where that is free to take; each other is discarded once it is in."""
    first, *rest = parts
    if isinstance(first, FileBody) and first.temporary:
        path = first.take_file()
    else:
        descriptor, path = tempfile.mkstemp(prefix="s3-")
        os.close(descriptor)
        rest = parts
    try:
        with open(path, "ab") as file:
            for part in rest:
                file.write(part)
                if isinstance(part, FileBody):
                    part.discard()
    except BaseException:
        Path(path).unlink()
        raise
    return FileBody.open(path, temporary=True)

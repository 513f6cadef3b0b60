"""An upload in parts becomes an object in its first part's file: the others are appended, and removed.

MiniStack joined them anew, in the event loop: every other request waited, functions timed out, and the disk
had to hold the object twice.
"""

import asyncio
import contextvars
import errno
import tempfile
from pathlib import Path
from typing import Any

from ministack.services import s3

from roslin_emulator.disk_space import STATUS, s3_error, shortage
from roslin_emulator.file_body import LARGE_BYTES, FileBody, appended
from roslin_emulator.workarounds import replace_source, setting

Answer = tuple[int, dict[str, str], Any]

CALLED_OFF = "The disk of the embedded AWS is full: the upload was called off, begin it anew."

# Of the upload that is being completed.
_whole: contextvars.ContextVar[FileBody | None] = contextvars.ContextVar("whole", default=None)


class Unjoined(Exception):
    """An upload can be completed, as soon as its parts are one body."""

    def __init__(self, parts: list[Any]) -> None:
        self.parts = parts


def _joined(parts: list[Any]) -> Any:
    if whole := _whole.get():
        return whole
    if sum(map(len, parts)) < LARGE_BYTES:
        return b"".join(parts)
    if len(parts) == 1:
        return parts[0]
    raise Unjoined(parts)


def _full(message: str) -> Answer:
    content_type, body = s3_error(message)
    return STATUS, {"Content-Type": content_type}, body


class Uploads:
    def __init__(self) -> None:
        self._joining: dict[str, asyncio.Task[Answer]] = {}

    def install(self) -> None:
        s3._roslin_joined = _joined
        changes = {
            'b"".join(combined_parts)': "_roslin_joined(combined_parts)",
            # The same digest is the part's ETag.
            'hashlib.md5(stored["body"]).digest()': 'bytes.fromhex(stored["etag"].strip(\'"\'))',
            # The second time, the bodies are gone.
            '"Size": len(stored["body"])': '"Size": stored["size"]',
            "sum(len(part_body) for part_body in combined_parts)": (
                'sum(part["Size"] for part in part_records)'
            ),
        }
        replace_source(s3, "_complete_multipart_upload", changes)
        s3._roslin_dispatch = self._dispatch
        replace_source(s3, "handle_request", {"result = _dispatch(": "result = await _roslin_dispatch("})

    async def _dispatch(self, *request: Any) -> Answer:
        upload_id = s3._qp(request[-1], "uploadId")
        # Whatever else is asked of an upload that is being joined is answered by what comes of it.
        if joining := self._joining.get(upload_id):
            await asyncio.wait([joining])
        try:
            return s3._dispatch(*request)
        except Unjoined as unjoined:
            parts = unjoined.parts
        if message := shortage(Path(tempfile.gettempdir()), max(map(len, parts[1:]))):
            return _full(message)
        # A task of its own, which goes on without its client.
        joining = asyncio.create_task(self._complete(upload_id, parts, request))
        self._joining[upload_id] = joining
        joining.add_done_callback(lambda _: self._joining.pop(upload_id))
        return await asyncio.shield(joining)

    async def _complete(self, upload_id: str, parts: list[Any], request: tuple[Any, ...]) -> Answer:
        try:
            whole = await asyncio.to_thread(appended, parts)
            with setting(_whole, whole):
                return s3._dispatch(*request)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            return _full(CALLED_OFF)
        finally:
            # Where it was not completed: some of its parts are gone, and it can never be.
            s3._multipart_uploads.pop(upload_id, None)

"""A form whose file is large: read where it lies, in place of several copies in memory."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from roslin_emulator.file_body import LARGE_BYTES, FileBody, Spool

COPY_BYTES = 2**20

# Name, file name or None, headers, content.
Part = tuple[str, str | None, dict[str, str], Any]


def is_form(headers: dict[str, str]) -> bool:
    return headers.get("content-type", "").startswith("multipart/form-data")


def parser(original: Callable[[str, Any], list[Part]]) -> Callable[[str, Any], list[Part]]:
    """MiniStack's own parser, for forms that are in a file too."""

    def parse(content_type: str, body: Any) -> list[Part]:
        if not isinstance(body, FileBody):
            return original(content_type, body)
        # Asked twice of one request.
        if not hasattr(body, "parts"):
            body.parts = list(_parts(original, content_type, body))
        return body.parts

    return parse


def _parts(original: Callable[[str, Any], list[Part]], content_type: str, body: FileBody) -> Iterator[Part]:
    match = re.search(r'boundary=("?)([^";\s]+)\1', content_type, re.IGNORECASE)
    boundary = b"--" + match.group(2).encode() if match else b""
    start = body.find(boundary) if boundary else -1
    while start >= 0 and (end := body.find(boundary, start + len(boundary))) >= 0:
        head_end = body.find(b"\r\n\r\n", start, end) + 4
        if head_end >= 4:
            # The part's head alone, as a form of its own.
            head = body[start:head_end] + b"\r\n" + boundary + b"--"
            yield from (
                (name, file, headers, _content(body, head_end, end - 2))
                for name, file, headers, _ in original(content_type, head)
            )
        start = end


def _content(body: FileBody, start: int, end: int) -> Any:
    if end - start < LARGE_BYTES:
        return body[start:end]
    spool = Spool()
    for offset in range(start, end, COPY_BYTES):
        spool.write(body[offset : min(end, offset + COPY_BYTES)])
    return spool.finish()

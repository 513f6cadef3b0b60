"""A full disk is said, in the answer to whoever wants to write, before anything is half-written."""

import json
import shutil
from pathlib import Path
from xml.sax.saxutils import escape

# The state itself must still be saved: a run that fails for want of room has to be able to say so.
RESERVE_BYTES = 64 * 2**20
# "Insufficient Storage": the one server error that AWS's SDKs do not try again.
STATUS = 507


def shortage(directory: Path, length: int, state_bytes: int = 0) -> str | None:
    """What is wrong with writing `length` bytes beside a state of such a size; None where there is room."""
    free, needed = shutil.disk_usage(directory).free, length + state_bytes + RESERVE_BYTES
    if free >= needed:
        return None
    left = f"{free / 2**20:.0f} MiB left in {directory}"
    return f"The disk of the embedded AWS is full: {left}, {needed / 2**20:.0f} MiB needed."


def s3_error(message: str) -> tuple[str, bytes]:
    """Content type and body, as S3 words its errors."""
    body = f"<Error><Code>InsufficientStorage</Code><Message>{escape(message)}</Message></Error>"
    return "application/xml", body.encode()


def api_problem(message: str) -> tuple[str, bytes]:
    """Likewise, as a team's API does (core/errors.ts)."""
    problem = {
        "type": "about:blank",
        "title": "Disk full",
        "status": STATUS,
        "code": "DISK_FULL",
        "detail": message,
        "nextStep": "Make room, then run the same command again.",
        "issues": [],
    }
    return "application/problem+json", json.dumps(problem).encode()

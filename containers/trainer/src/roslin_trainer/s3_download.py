"""Objects of S3 in parts, each read from its connection straight into its place in the file."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

from roslin_trainer.host import MIB

# They bring what one interpreter can move.
CONNECTIONS = 8
PART_BYTES = 16 * MIB
# Larger ones cost the interpreter less, but a kernel that caches a file in pieces of what is written at once
# (Linux 6) has to find so much free memory in one piece: with 1 MiB a download took twice as long.
BLOCK_BYTES = MIB // 4
ATTEMPTS = 5
# Of an answer that broke off. A request that fails is sent again by the client itself.
BROKEN = (ConnectionError, TimeoutError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError)


class S3Downloads:
    """Not s3transfer's: there one thread writes all blocks, and up to a thousand wait for it in memory."""

    def __init__(self, client):
        self._client = client
        self._connections = ThreadPoolExecutor(CONNECTIONS)

    def download(self, bucket: str, key: str, target: Path) -> None:
        """The file is at `target` when it is whole, not before. Raises what the client raises."""
        source = {"Bucket": bucket, "Key": key}
        head = self._client.head_object(**source)
        # All parts are of one version, or one of them is refused.
        source["IfMatch"] = head["ETag"]
        size = head["ContentLength"]
        # Under a name of its own: others may download the same file.
        partial = target.with_name(f".{target.name}.{uuid4().hex}")
        partial.touch()

        def read_part(start: int) -> None:
            self._read_part(source, start, min(start + PART_BYTES, size), partial)

        try:
            # The first that fails calls off those that have not begun.
            for _ in self._connections.map(read_part, range(0, size, PART_BYTES)):
                pass
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def _read_part(self, source: dict[str, str], start: int, end: int, partial: Path) -> None:
        """Goes on after the last byte that came where an answer breaks off."""
        block = memoryview(bytearray(BLOCK_BYTES))
        with partial.open("r+b") as file:
            file.seek(start)
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    wanted = f"bytes={file.tell()}-{end - 1}"
                    body = self._client.get_object(**source, Range=wanted)["Body"]
                    while count := body.readinto(block):
                        file.write(block[:count])
                    return
                except BROKEN:
                    if attempt == ATTEMPTS:
                        raise

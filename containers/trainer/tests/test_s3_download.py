"""Downloads from an S3 that breaks off in the middle of an answer: a small server that stands for it."""

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from roslin_trainer import s3_download
from roslin_trainer.s3_download import ATTEMPTS, S3Downloads

PART = 1000
CONTENT = os.urandom(3 * PART + 10)
ETAG = '"version-1"'


class FaultyS3(ThreadingHTTPServer):
    """One object. The first `broken` answers to each part end after half of what they announce."""

    daemon_threads = True

    def __init__(self, broken: int = 0, changes: bool = False, content: bytes = CONTENT):
        super().__init__(("127.0.0.1", 0), Handler)
        self.broken, self.changes, self.content = broken, changes, content
        self.ranges: list[tuple[int, int]] = []
        self.answers_by_end: dict[int, int] = {}


class Handler(BaseHTTPRequestHandler):
    server: FaultyS3
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._start(200, len(self.server.content))

    def do_GET(self):
        if self.server.changes and self.headers["If-Match"] == ETAG:
            self._start(412, 0)
            return
        start, end = (int(number) for number in self.headers["Range"].removeprefix("bytes=").split("-"))
        self.server.ranges.append((start, end))
        part = self.server.content[start : end + 1]
        self._start(206, len(part))
        answers = self.server.answers_by_end.get(end, 0)
        self.server.answers_by_end[end] = answers + 1
        if answers < self.server.broken:
            self.wfile.write(part[: len(part) // 2])
            self.close_connection = True
        else:
            self.wfile.write(part)

    def _start(self, status: int, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", ETAG)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def download(tmp_path, monkeypatch):
    """Downloads the object of such a server to a file, whose path it returns."""
    monkeypatch.setattr(s3_download, "PART_BYTES", PART)
    target = tmp_path / "weights"

    def download(server: FaultyS3):
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{server.server_port}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            S3Downloads(client).download("bucket", "weights", target)
        finally:
            server.shutdown()
            server.server_close()
        return target

    download.target = target
    return download


def test_parts_make_the_file(download):
    server = FaultyS3()
    assert download(server).read_bytes() == CONTENT
    assert list(download.target.parent.iterdir()) == [download.target]
    assert sorted(server.ranges) == [(0, 999), (1000, 1999), (2000, 2999), (3000, 3009)]


def test_an_empty_object_is_an_empty_file(download):
    server = FaultyS3(content=b"")
    assert download(server).read_bytes() == b"" and server.ranges == []


def test_a_part_that_breaks_off_goes_on_after_its_last_byte(download):
    server = FaultyS3(broken=2)
    assert download(server).read_bytes() == CONTENT
    assert sorted(where for where in server.ranges if where[1] == 999) == [(0, 999), (500, 999), (750, 999)]


def test_a_part_that_always_breaks_off_fails_and_leaves_no_file(download):
    server = FaultyS3(broken=ATTEMPTS)
    with pytest.raises(s3_download.BROKEN):
        download(server)
    assert list(download.target.parent.iterdir()) == []
    assert max(server.answers_by_end.values()) == ATTEMPTS


def test_an_object_that_is_replaced_meanwhile_is_not_mixed(download):
    with pytest.raises(ClientError, match="412"):
        download(FaultyS3(changes=True))
    assert list(download.target.parent.iterdir()) == []

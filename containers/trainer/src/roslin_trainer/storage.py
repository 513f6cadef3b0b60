"""Folders on S3 or on the local disk, behind one small interface."""

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Protocol
from urllib.parse import urlparse
from urllib.request import url2pathname

import boto3
from boto3.s3.transfer import S3Transfer, TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from s3transfer.manager import TransferManager

from roslin_trainer.host import MIB, give_way, keep_freed_memory
from roslin_trainer.s3_download import CONNECTIONS, S3Downloads

PARALLEL_FILES = 4
PROBE = "preflight"
# S3's answers for an object that is not there; the numbers are those that come without a body.
MISSING_CODES = frozenset(("NoSuchKey", "404"))
REPLACED_CODES = frozenset(("PreconditionFailed", "412"))
UPLOAD = TransferConfig(
    multipart_threshold=64 * MIB, multipart_chunksize=16 * MIB, max_concurrency=CONNECTIONS
)


class Folder(Protocol):
    """A folder of files, named by paths relative to it with forward slashes."""

    uri: str

    def child(self, path: str) -> "Folder": ...

    def paths(self) -> list[str]:
        """The paths of all files under the folder, sorted; empty where there is no such folder."""

    def read(self, path: str) -> bytes | None:
        """The content, or None where there is no such file."""

    def write(self, path: str, content: bytes) -> None:
        """Replaces the file whole: a reader sees the old content or the new."""

    def upload(self, source: Path, path: str) -> None: ...

    def download(self, path: str, target: Path) -> None:
        """Raises FileNotFoundError where there is no such file, or another takes its place meanwhile."""

    def probe_write(self) -> None:
        """Raises as `write` would where it may not; leaves nothing, and needs no right to delete."""

    def delete(self, paths: list[str]) -> None:
        """Deletes in the order given; a file that is not there is no error."""


class LocalFolder:
    def __init__(self, root: Path):
        self.root = root
        self.uri = str(root)

    def child(self, path: str) -> "LocalFolder":
        return LocalFolder(self.root / path)

    def paths(self) -> list[str]:
        files = (path for path in self.root.rglob("*") if path.is_file())
        return sorted(path.relative_to(self.root).as_posix() for path in files)

    def read(self, path: str) -> bytes | None:
        try:
            return (self.root / path).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: str, content: bytes) -> None:
        partial = self._partial(path)
        partial.write_bytes(content)
        partial.replace(self.root / path)

    def upload(self, source: Path, path: str) -> None:
        partial = self._partial(path)
        shutil.copyfile(source, partial)
        partial.replace(self.root / path)

    def download(self, path: str, target: Path) -> None:
        shutil.copyfile(self.root / path, target)

    def probe_write(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        # Under a name of its own: several nodes on one machine probe at the same time.
        with TemporaryFile(dir=self.root):
            pass

    def delete(self, paths: list[str]) -> None:
        for path in paths:
            (self.root / path).unlink(missing_ok=True)

    def _partial(self, path: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.with_name(f".{target.name}.partial")


class S3Folder:
    def __init__(self, bucket: str, prefix: str):
        self.bucket = bucket
        self.prefix = prefix
        self.uri = f"s3://{bucket}/{prefix}"

    def child(self, path: str) -> "S3Folder":
        return S3Folder(self.bucket, f"{self.prefix}{path.strip('/')}/")

    def paths(self) -> list[str]:
        pages = s3_client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
        keys = (item["Key"] for page in pages for item in page.get("Contents", []))
        # A console's "folder" is an empty object with the prefix's own name.
        return sorted(key[len(self.prefix) :] for key in keys if not key.endswith("/"))

    def read(self, path: str) -> bytes | None:
        try:
            return s3_client().get_object(Bucket=self.bucket, Key=self.prefix + path)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING_CODES:
                return None
            raise

    def write(self, path: str, content: bytes) -> None:
        s3_client().put_object(Bucket=self.bucket, Key=self.prefix + path, Body=content)

    def upload(self, source: Path, path: str) -> None:
        _uploads(s3_client()).upload_file(str(source), self.bucket, self.prefix + path)

    def download(self, path: str, target: Path) -> None:
        try:
            _downloads(s3_client()).download(self.bucket, self.prefix + path, target)
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING_CODES | REPLACED_CODES:
                raise FileNotFoundError(f"{self.uri}{path}: {error}") from error
            raise

    def probe_write(self) -> None:
        # An upload in parts needs the rights of any other, on bucket and key, and can be called off.
        target = {"Bucket": self.bucket, "Key": self.prefix + PROBE}
        upload = s3_client().create_multipart_upload(**target)["UploadId"]
        try:
            s3_client().upload_part(**target, UploadId=upload, PartNumber=1, Body=b"-")
        finally:
            # Who may not call off leaves a byte, which the bucket's lifecycle removes.
            with suppress(ClientError):
                s3_client().abort_multipart_upload(**target, UploadId=upload)

    def delete(self, paths: list[str]) -> None:
        # One by one: the order matters, and a checkpoint has few files.
        for path in paths:
            s3_client().delete_object(Bucket=self.bucket, Key=self.prefix + path)


@cache
def s3_client():
    """One client for all threads (boto3's clients are safe to share, its sessions are not)."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        config=Config(
            retries={"mode": "standard", "total_max_attempts": 5},
            connect_timeout=10,
            read_timeout=60,
            # Their parts, and a question for each file's size.
            max_pool_connections=CONNECTIONS + PARALLEL_FILES,
            # TLS guards the way, the manifest's sha256 the content: a CRC32 would be one more pass.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            # Bucket names are no host names on a loopback address.
            s3={"addressing_style": "path" if endpoint else "auto"},
        ),
    )


@cache
def _uploads(client) -> S3Transfer:
    """Beside training. A file that comes alone has all connections."""
    workers = partial(ThreadPoolExecutor, initializer=give_way)
    # Not boto3's own choice of a manager: the CRT's ignores the embedded AWS's endpoint.
    return S3Transfer(manager=TransferManager(client, UPLOAD, executor_cls=workers))


@cache
def _downloads(client) -> S3Downloads:
    """While training waits for them."""
    keep_freed_memory()
    return S3Downloads(client)


def open_folder(uri: str) -> Folder:
    """`s3://bucket/prefix/`, `file:///path` or a path. The folder need not be there yet."""
    parts = urlparse(uri)
    if parts.scheme == "s3":
        prefix = parts.path.strip("/")
        return S3Folder(parts.netloc, f"{prefix}/" if prefix else "")
    if parts.scheme == "file":
        return LocalFolder(Path(url2pathname(parts.path)))
    return LocalFolder(Path(uri))


def read_file(uri: str) -> bytes | None:
    """The content of one file, or None where there is no such file."""
    folder_uri, _, name = uri.rpartition("/")
    return open_folder(folder_uri or ".").read(name)


def download_files(
    folder: Folder, paths: list[str], target: Path, then: Callable[[str], None] = lambda path: None
) -> None:
    """Files of a folder to the same relative paths under a local folder, in parallel, `then` after each."""

    def download(path: str) -> None:
        local = target / path
        local.parent.mkdir(parents=True, exist_ok=True)
        folder.download(path, local)
        then(path)

    _in_parallel(download, paths)


def upload_files(source: Path, paths: list[str], folder: Folder) -> None:
    """Files of a local folder to the same relative paths under a folder, in parallel."""
    _in_parallel(lambda path: folder.upload(source / path, path), paths)


def _in_parallel(work, paths: list[str]) -> None:
    with ThreadPoolExecutor(PARALLEL_FILES) as pool:
        for _ in pool.map(work, paths):
            pass

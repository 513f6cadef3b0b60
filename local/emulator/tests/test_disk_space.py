"""What a full disk does: it is said, nothing is half-written, and with room again everything goes on."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError

from tests.harness import Emulator

MIB = 2**20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", disk], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("no right to mount a small disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_is_said_to_writers_and_lets_readers_read(small_disk: Path) -> None:
    emulator = Emulator(small_disk).start()
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="before", Body=b"small")
    (small_disk / "filler").write_bytes(bytes(50 * MIB))

    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket="bucket", Key="after", Body=bytes(2 * MIB))
    assert refused.value.response["Error"]["Code"] == "InsufficientStorage"
    assert "The disk of the embedded AWS is full" in refused.value.response["Error"]["Message"]
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 507

    url = f"http://127.0.0.1:{emulator.port}/_aws/execute-api/any/v1/runs"
    with pytest.raises(HTTPError) as problem:
        urllib.request.urlopen(urllib.request.Request(url, data=b"{}", method="POST"))
    body = json.load(problem.value)
    assert (body["code"], body["status"]) == ("DISK_FULL", 507)
    assert "Make room" in body["nextStep"]

    assert s3.get_object(Bucket="bucket", Key="before")["Body"].read() == b"small"
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="bucket")["Contents"]] == ["before"]
    (small_disk / "filler").unlink()
    s3.put_object(Bucket="bucket", Key="after", Body=bytes(2 * MIB))
    assert s3.head_object(Bucket="bucket", Key="after")["ContentLength"] == 2 * MIB
    emulator.stop()

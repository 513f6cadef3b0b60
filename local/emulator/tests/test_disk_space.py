"""What a full disk does: it is said, nothing is half-written, and with room again everything goes on."""

import errno
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError

from roslin_emulator import persistence
from tests.harness import Emulator, wait_until

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


def test_room_is_kept_for_the_state_which_is_written_beside_the_last(small_disk: Path) -> None:
    emulator = Emulator(small_disk).start()
    s3, dynamodb = emulator.client("s3"), emulator.client("dynamodb")
    s3.create_bucket(Bucket="bucket")
    dynamodb.create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for number in range(60):
        item = {"pk": {"S": str(number)}, "text": {"S": "x" * 350_000}}
        dynamodb.put_item(TableName="table", Item=item)
    services = small_disk / "state" / "services"

    def is_saved() -> bool:
        return sum(file.stat().st_size for file in services.glob("dynamodb-*.json")) > 20 * MIB

    wait_until(is_saved, 20, "a large state")
    left = shutil.disk_usage(small_disk).free
    (small_disk / "filler").write_bytes(bytes(left - 70 * MIB))
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket="bucket", Key="key", Body=b"small")
    assert refused.value.response["Error"]["Code"] == "InsufficientStorage"
    emulator.stop()


def test_what_could_not_be_saved_takes_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = persistence.StateStore(tmp_path)
    services = tmp_path / "services"
    services.mkdir()
    states = {"batch": b"small", "logs": b"large"}
    monkeypatch.setattr(store, "_copies", lambda: states)
    store.changed()
    store.save()
    before = sorted(services.iterdir())

    def full(_: int) -> None:
        if any(path.read_bytes() == b"larger" for path in services.iterdir()):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    states.update(batch=b"small, too", logs=b"larger")
    store.changed()
    with pytest.raises(OSError, match="No space"):
        store.save()
    assert sorted(services.iterdir()) == before


def test_what_a_kill_left_of_a_save_is_removed_at_the_next_start(tmp_path: Path) -> None:
    services = tmp_path / "state" / "services"
    services.mkdir(parents=True)
    for name in ("s3-0123.tmp", "s3-0123.json"):
        (services / name).write_bytes(b"half")
    emulator = Emulator(tmp_path).start()
    assert [path for path in services.iterdir() if "0123" in path.name] == []
    emulator.stop()

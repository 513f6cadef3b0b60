"""An object is never half of one version and half of another, whenever its writer is killed."""

import json
import os
import signal
from pathlib import Path

import pytest

from roslin_emulator import object_files
from tests.harness import Emulator


class Killed(BaseException):
    """The process ends; what would tidy up behind it does not run either."""


def killed_at(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the rename of that number."""
    rename, left = os.replace, [number]

    def replace(source: str, target: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        rename(source, target)

    monkeypatch.setattr(os, "replace", replace)


@pytest.mark.parametrize(("rename", "found"), [(1, "old"), (2, "brand-new"), (None, "brand-new")])
def test_a_kill_at_any_rename_leaves_the_old_object_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rename: int | None, found: str
) -> None:
    path = tmp_path / "folder" / "key.json"
    path.parent.mkdir()

    def write(content: str) -> None:
        object_files.write_object(str(path), content.encode(), {"size": len(content)})

    write("old")
    if rename:
        with monkeypatch.context() as patch, pytest.raises(Killed):
            killed_at(rename, patch)
            write("brand-new")
    else:
        write("brand-new")
    object_files.finish_writes(tmp_path)

    sidecar = path.with_name("key.json.meta.json")
    assert path.read_text() == found
    assert json.loads(sidecar.read_text())["size"] == len(found)
    assert sorted(path.parent.iterdir()) == [path, sidecar]


@pytest.mark.parametrize("size", [10, 3 * 2**20])
def test_an_object_whose_data_had_not_taken_its_place_is_read_whole(tmp_path: Path, size: int) -> None:
    emulator = Emulator(tmp_path).start()
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="bucket", Key="key", Body=b"old")
    s3.put_object(Bucket="bucket", Key="key", Body=b"x" * size)
    emulator.stop()
    # As a kill between the two renames leaves it.
    path = tmp_path / "state" / "s3" / "000000000000" / "bucket" / "key"
    sidecar = json.loads(path.with_name("key.meta.json").read_text())
    path.rename(path.with_name(sidecar["waiting"]))
    path.write_bytes(b"old")
    emulator.start()
    assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == b"x" * size
    # Copied onto itself, the data's file is its own copy.
    s3.copy_object(Bucket="bucket", Key="key", CopySource="bucket/key", MetadataDirective="REPLACE")
    emulator.stop(signal.SIGKILL)
    emulator.start()
    assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == b"x" * size
    assert list(path.parent.glob("*.tmp")) == []
    emulator.stop()

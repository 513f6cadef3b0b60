"""What a bucket's lifecycle rules and a log group's retention say goes, on the day that they say."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ministack.services import cloudwatch_logs, s3

from roslin_emulator import lifecycle
from roslin_emulator.lifecycle import KEPT_VERSIONS
from tests.harness import Emulator, wait_until

DAY = 24 * 3600
# infra/constructs/team-bucket.ts
RULES = [
    {"NoncurrentVersionExpiration": {"NoncurrentDays": 30}, "ExpiredObjectDeleteMarker": True},
    {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
    {"Prefix": "runs/", "NoncurrentVersionExpiration": {"NoncurrentDays": 3}},
    {"Prefix": "uploads/", "ExpirationInDays": 5},
]


@pytest.fixture(autouse=True)
def objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """On disk."""
    monkeypatch.setattr(s3, "S3_PERSIST", True)
    monkeypatch.setattr(s3, "DATA_DIR", str(tmp_path))
    s3._buckets["bucket"] = {"created": "now", "objects": {}, "region": None}
    s3._bucket_versioning["bucket"] = "Enabled"
    s3._bucket_lifecycle["bucket"] = lifecycle._rules(
        {"Rules": [{"Status": "Enabled", **rule} for rule in RULES]}
    )
    yield tmp_path
    for store in (s3._buckets, s3._bucket_versioning, s3._bucket_lifecycle):
        del store["bucket"]
    s3._object_versions._data.clear()


def put(key: str, *contents: bytes) -> None:
    for content in contents:
        s3._put_object("bucket", key, content, {})


def delete(key: str) -> None:
    s3._delete_object("bucket", key)


def sweep(days: float) -> None:
    """As it is so many days from now."""
    asyncio.run(lifecycle.sweep(time.time() + days * DAY))


def bodies(key: str) -> list[bytes | str]:
    """Of all versions, the oldest first."""
    versions = s3._object_versions.get(("bucket", key), [])
    bucket = s3._buckets["bucket"]
    return [
        "marker" if version.get("is_delete_marker") else s3._version_body(bucket, "bucket", key, version)
        for version in versions
    ]


def test_a_replaced_version_goes_when_its_days_since_have_passed() -> None:
    put("data/rows", b"one", b"two")
    sweep(29)
    assert bodies("data/rows") == [b"one", b"two"]
    sweep(32)
    assert bodies("data/rows") == [b"two"]
    # The version that is there stays, however old.
    sweep(1000)
    assert bodies("data/rows") == [b"two"]


def test_of_rules_that_overlap_the_earlier_holds() -> None:
    put("runs/one/metrics.json", b"one", b"two")
    sweep(2)
    assert bodies("runs/one/metrics.json") == [b"one", b"two"]
    sweep(5)
    assert bodies("runs/one/metrics.json") == [b"two"]


def test_a_deleted_checkpoint_leaves_no_trace(objects: Path) -> None:
    put("runs/one/checkpoints/1/model", b"weights")
    delete("runs/one/checkpoints/1/model")
    sweep(2)
    assert bodies("runs/one/checkpoints/1/model") == [b"weights", "marker"]
    sweep(5)
    assert bodies("runs/one/checkpoints/1/model") == []
    assert [path for path in objects.rglob("*") if path.is_file()] == []


def test_an_upload_is_deleted_and_later_gone() -> None:
    put("uploads/one", b"rows")
    sweep(4)
    assert "uploads/one" in s3._buckets["bucket"]["objects"]
    sweep(7)
    assert "uploads/one" not in s3._buckets["bucket"]["objects"]
    assert bodies("uploads/one") == [b"rows", "marker"]
    sweep(40)
    assert bodies("uploads/one") == []


def test_an_upload_in_parts_that_was_given_up_is_called_off() -> None:
    s3._create_multipart_upload("bucket", "runs/one/model", {})
    sweep(6)
    assert len(s3._multipart_uploads) == 1
    sweep(9)
    assert len(s3._multipart_uploads) == 0


def test_rules_that_are_off_or_have_another_filter_remove_nothing() -> None:
    rule = {"ExpirationInDays": 1, "Status": "Enabled"}
    tag = {**rule, "TagFilters": [{"Key": "temporary", "Value": "yes"}]}
    rules = [{**rule, "Status": "Disabled"}, tag, {**rule, "ObjectSizeLessThan": 10}]
    s3._bucket_lifecycle["bucket"] = lifecycle._rules({"Rules": rules})
    put("key", b"content")
    sweep(100)
    assert "key" in s3._buckets["bucket"]["objects"]


def test_log_lines_go_when_their_retention_has_passed() -> None:
    now = int(time.time() * 1000)
    for name in ("kept", "short"):
        group = {"logGroupName": name}
        cloudwatch_logs._create_log_group(group)
        cloudwatch_logs._create_log_stream({**group, "logStreamName": "stream"})
        lines = [{"timestamp": now - age * DAY * 1000, "message": f"{age} days old"} for age in (9, 5, 1)]
        cloudwatch_logs._put_log_events({**group, "logStreamName": "stream", "logEvents": lines})
    cloudwatch_logs._put_retention_policy({"logGroupName": "short", "retentionInDays": 7})

    def messages(name: str) -> list[str]:
        stream = cloudwatch_logs._log_groups[name]["streams"]["stream"]
        return [event["message"] for event in stream["events"]]

    sweep(0)
    assert messages("short") == ["5 days old", "1 days old"]
    sweep(3)
    assert messages("short") == ["1 days old"]
    assert len(messages("kept")) == 3


def test_a_key_that_is_overwritten_all_day_keeps_its_newest_versions(emulator: Emulator) -> None:
    client: Any = emulator.client("s3")
    client.create_bucket(Bucket="metrics")
    client.put_bucket_versioning(Bucket="metrics", VersioningConfiguration={"Status": "Enabled"})
    for number in range(KEPT_VERSIONS + 5):
        client.put_object(Bucket="metrics", Key="runs/one/metrics.json", Body=str(number).encode())
    versions = client.list_object_versions(Bucket="metrics")["Versions"]
    assert len(versions) == KEPT_VERSIONS + 1
    first = {"Bucket": "metrics", "Key": versions[-1]["Key"], "VersionId": versions[-1]["VersionId"]}
    assert client.get_object(**first)["Body"].read() == b"4"
    folder = emulator.directory / "state" / "s3" / ".versions" / "000000000000" / "metrics"
    assert len(list(folder.iterdir())) == KEPT_VERSIONS


def test_what_expired_while_nothing_ran_goes_at_the_next_start(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path / "emulator").start()
    client = emulator.client("s3")
    client.create_bucket(Bucket="old")
    client.put_bucket_versioning(Bucket="old", VersioningConfiguration={"Status": "Enabled"})
    expiration = {"NoncurrentVersionExpiration": {"NoncurrentDays": 30}}
    rule = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": ""}, **expiration}
    client.put_bucket_lifecycle_configuration(Bucket="old", LifecycleConfiguration={"Rules": [rule]})
    for body in (b"one", b"two"):
        client.put_object(Bucket="old", Key="key", Body=body)
    emulator.stop()
    sidecar = tmp_path / "emulator" / "state" / "s3" / "000000000000" / "old" / "key.meta.json"
    long_ago = [dict(version, last_modified="2020-01-01T00:00:00.000Z") for version in versions_in(sidecar)]
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "versions": long_ago}))
    emulator.start()
    wait_until(lambda: len(client.list_object_versions(Bucket="old")["Versions"]) == 1, what="one version")
    assert len(versions_in(sidecar)) == 1
    assert client.get_object(Bucket="old", Key="key")["Body"].read() == b"two"
    emulator.stop()


def versions_in(sidecar: Path) -> list[dict[str, Any]]:
    return json.loads(sidecar.read_text())["versions"]


def test_a_template_gives_a_bucket_its_rules(emulator: Emulator) -> None:
    def template(*rules: dict[str, Any]) -> str:
        properties = {"BucketName": "ruled", "LifecycleConfiguration": {"Rules": rules}}
        bucket = {"Type": "AWS::S3::Bucket", "Properties": properties if rules else {"BucketName": "ruled"}}
        return json.dumps({"Resources": {"Bucket": bucket}})

    client, formation = emulator.client("s3"), emulator.client("cloudformation")
    rules = [{"Status": "Enabled", **rule} for rule in RULES]
    formation.create_stack(StackName="ruled", TemplateBody=template(*rules))
    formation.get_waiter("stack_create_complete").wait(StackName="ruled", WaiterConfig={"Delay": 1})
    found = client.get_bucket_lifecycle_configuration(Bucket="ruled")["Rules"]
    assert [rule["Filter"]["Prefix"] for rule in found] == ["", "", "runs/", "uploads/"]
    assert found[0]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert found[0]["Expiration"] == {"ExpiredObjectDeleteMarker": True}
    assert found[3]["Expiration"] == {"Days": 5}
    formation.update_stack(StackName="ruled", TemplateBody=template())
    formation.get_waiter("stack_update_complete").wait(StackName="ruled", WaiterConfig={"Delay": 1})
    with pytest.raises(client.exceptions.ClientError, match="NoSuchLifecycleConfiguration"):
        client.get_bucket_lifecycle_configuration(Bucket="ruled")

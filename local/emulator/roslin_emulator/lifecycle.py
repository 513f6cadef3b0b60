"""What buckets' lifecycle rules and log groups' retention let go is removed; MiniStack only stores them.

And of a key that is overwritten all day, no more than KEPT_VERSIONS old versions are kept, where S3 keeps all
until a rule's day has come: MiniStack writes a key's whole history with each.
"""

import asyncio
import contextlib
import logging
import math
import os
import time
from bisect import bisect_left
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from typing import Any

from ministack.services import cloudwatch_logs, s3
from ministack.services.cloudformation import provisioners

from roslin_emulator.scope import Scope
from roslin_emulator.settings import REGION
from roslin_emulator.workarounds import replace

logger = logging.getLogger("roslin.lifecycle")

SWEEP_SECONDS = 3600
KEPT_VERSIONS = 100
DAY_SECONDS = 24 * 3600
OTHER_FILTERS = ("TagFilters", "ObjectSizeGreaterThan", "ObjectSizeLessThan")

Json = dict[str, Any]


def install() -> None:
    replace(s3, "_record_object_version", _keep_few_versions)
    replace(s3, "_delete_version_file", _leave_no_folders)
    rules = s3._bucket_lifecycle
    configuration = ("LifecycleConfiguration", _rules, rules.__setitem__, lambda name: rules.pop(name, None))
    replace(provisioners, "_S3_BUCKET_CONFIGURATIONS", lambda known: (*known, configuration))


async def sweep_from_time_to_time(on_change: Callable[[], None]) -> None:
    while True:
        try:
            await sweep(time.time())
        except Exception:
            logger.exception("cannot remove what has expired")
        on_change()
        await asyncio.sleep(SWEEP_SECONDS)


async def sweep(now: float) -> None:
    """In the event loop, where all else that changes objects is; it makes way after each key."""
    for (account, name), rules in list(s3._bucket_lifecycle._data.items()):
        with Scope(account, REGION).entered():
            if name in s3._buckets:
                await _sweep_bucket(name, [rule for rule in rules if _applies(rule)], now)
    for _, group in cloudwatch_logs._log_groups.all_items():
        if days := group.get("retentionInDays"):
            _drop_lines(group, (now - days * DAY_SECONDS) * 1000)
            await asyncio.sleep(0)


def _applies(rule: Json) -> bool:
    """One with another filter is left alone: no more is removed than it says."""
    return rule["Status"] == "Enabled" and rule["Filter"].keys() == {"Prefix"}


async def _sweep_bucket(name: str, rules: list[Json], now: float) -> None:
    for upload_id, upload in list(s3._multipart_uploads.items()):
        if upload["bucket"] == name:
            _sweep_upload(upload_id, upload, _of(rules, upload["key"]), now)
    histories = {key for bucket, key in s3._object_versions if bucket == name}
    for key in histories | set(s3._buckets[name]["objects"]):
        if name in s3._buckets:
            _sweep_key(name, key, _of(rules, key), now)
        await asyncio.sleep(0)


def _of(rules: list[Json], key: str) -> list[Json]:
    return [rule for rule in rules if key.startswith(rule["Filter"]["Prefix"])]


def _sweep_upload(upload_id: str, upload: Json, rules: list[Json], now: float) -> None:
    for rule in rules:
        days = rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
        if days and _has_passed(upload["created"], days, now):
            s3._multipart_uploads.pop(upload_id, None)


def _sweep_key(name: str, key: str, rules: list[Json], now: float) -> None:
    bucket = s3._buckets[name]
    for rule in rules:
        days = rule.get("Expiration", {}).get("Days")
        current = bucket["objects"].get(key)
        if days and current and _has_passed(current["last_modified"], days, now):
            s3._delete_object(name, key)
    versions = s3._object_versions.get((name, key), [])
    for rule in rules:
        expired = _expired_versions(versions, rule.get("NoncurrentVersionExpiration"), now)
        if expired:
            _forget(name, key, expired)
            s3._persist_version_state(name, key, bucket)
    is_marker_alone = len(versions) == 1 and versions[0].get("is_delete_marker")
    if is_marker_alone and any(rule.get("Expiration", {}).get("ExpiredObjectDeleteMarker") for rule in rules):
        s3._delete_object_version(bucket, name, key, versions[0]["version_id"])


def _expired_versions(versions: list[Json], expiration: Json | None, now: float) -> list[Json]:
    """Of each version, the next one's date says when it was replaced."""
    if not expiration:
        return []
    replaced = list(pairwise(versions))
    replaced = replaced[: len(replaced) - expiration.get("NewerNoncurrentVersions", 0)]
    days = expiration["NoncurrentDays"]
    return [version for version, next_one in replaced if _has_passed(next_one["last_modified"], days, now)]


def _has_passed(since: str, days: int, now: float) -> bool:
    """S3 counts to the midnight (UTC) after so many days."""
    due = datetime.fromisoformat(since.replace("Z", "+00:00")).timestamp() + days * DAY_SECONDS
    return math.ceil(due / DAY_SECONDS) * DAY_SECONDS <= now


def _forget(name: str, key: str, gone: list[Json]) -> None:
    ids = {version["version_id"] for version in gone}
    versions = s3._object_versions[name, key]
    versions[:] = [version for version in versions if version["version_id"] not in ids]
    for version_id in ids:
        s3._delete_version_file(name, key, version_id)
        for store in (s3._object_tags, s3._object_acl, s3._object_annotations):
            store.pop((name, key, None if version_id == "null" else version_id), None)


def _drop_lines(group: Json, oldest_ms: float) -> None:
    for stream in list(group["streams"].values()):
        with cloudwatch_logs._log_events_lock:
            lines = stream["events"]
            del lines[: bisect_left(lines, oldest_ms, key=lambda line: line["timestamp"])]


def _keep_few_versions(original: Callable[..., str | None]) -> Callable[..., str | None]:
    def record(name: str, key: str, *args: Any) -> str | None:
        version_id = original(name, key, *args)
        versions = s3._object_versions.get((name, key), [])
        if excess := versions[: -KEPT_VERSIONS - 1]:
            _forget(name, key, excess)
        return version_id

    return record


def _leave_no_folders(original: Callable[..., None]) -> Callable[..., None]:
    """Of each version, the folders that held its file stayed."""

    def delete(name: str, key: str, version_id: str) -> None:
        original(name, key, version_id)
        with contextlib.suppress(OSError):  # the first that is not empty
            os.removedirs(os.path.dirname(s3._version_disk_path(name, key, version_id)))

    return delete


# CloudFormation, which ignored a bucket's rules


def _rules(configuration: Json) -> list[Json]:
    """As S3's API has them; numbers may come as text."""
    return [_rule(properties) for properties in configuration.get("Rules", [])]


def _rule(properties: Json) -> Json:
    others = {name: properties[name] for name in OTHER_FILTERS if name in properties}
    rule: Json = {
        "Status": properties["Status"],
        "Filter": {"Prefix": properties.get("Prefix", ""), **others},
    }
    if "Id" in properties:
        rule["ID"] = properties["Id"]
    if days := properties.get("ExpirationInDays"):
        rule["Expiration"] = {"Days": int(days)}
    elif str(properties.get("ExpiredObjectDeleteMarker")).lower() == "true":
        rule["Expiration"] = {"ExpiredObjectDeleteMarker": True}
    for name in ("NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"):
        if name in properties:
            rule[name] = {key: int(value) for key, value in properties[name].items()}
    if transitions := properties.get("Transitions"):
        rule["Transitions"] = [
            {"Days": int(each["TransitionInDays"]), "StorageClass": each["StorageClass"]}
            for each in transitions
        ]
    return rule

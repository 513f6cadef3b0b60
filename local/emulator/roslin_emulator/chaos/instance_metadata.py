"""The instance metadata service (version 2: a token by PUT, then GET) of machines that will be taken away.

Source: AWS, EC2 User Guide, "Instance metadata categories" and "Spot Instance interruption notices".
"""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from roslin_emulator.chaos.rules import JobFacts

PATH = "/_roslin/instance-metadata/"
TOKEN_HEADER = "x-aws-ec2-metadata-token"
Answer = tuple[int, str]


@dataclass
class _Instance:
    facts: JobFacts
    region: str
    ends_at: float | None = None


class InstanceMetadata:
    def __init__(self) -> None:
        self._instances: dict[str, _Instance] = {}
        self._tokens: set[str] = set()

    def add(self, instance_id: str, facts: JobFacts, region: str) -> None:
        self._instances[instance_id] = _Instance(facts, region)

    def announce(self, instance_id: str, ends_at: float) -> None:
        """`ends_at`: when the machine goes, epoch seconds."""
        self._instances[instance_id].ends_at = ends_at

    def remove(self, instance_id: str) -> None:
        self._instances.pop(instance_id, None)

    def answer(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        instance_id, _, document = path.removeprefix(PATH).partition("/")
        if method == "PUT" and document == "latest/api/token":
            token = secrets.token_urlsafe(16)
            self._tokens.add(token)
            return 200, token
        instance = self._instances.get(instance_id)
        if headers.get(TOKEN_HEADER) not in self._tokens:
            return 401, "Unauthorized"
        found = _documents(instance_id, instance).get(document) if instance and method == "GET" else None
        return (404, "Not Found") if found is None else (200, found)


def _documents(instance_id: str, instance: _Instance) -> dict[str, str]:
    instance_type = instance.facts.instance_types[0] if instance.facts.instance_types else "unknown"
    zone = f"{instance.region}a"
    identity: dict[str, Any] = {
        "instanceId": instance_id,
        "instanceType": instance_type,
        "availabilityZone": zone,
        "region": instance.region,
    }
    documents = {
        "latest/meta-data/instance-id": instance_id,
        "latest/meta-data/instance-type": instance_type,
        "latest/meta-data/instance-life-cycle": instance.facts.purchase,
        "latest/meta-data/placement/availability-zone": zone,
        "latest/meta-data/placement/region": instance.region,
        "latest/dynamic/instance-identity/document": json.dumps(identity),
    }
    if instance.ends_at is not None:
        # Whole seconds, and never later than it happens.
        at = datetime.fromtimestamp(int(instance.ends_at), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        documents["latest/meta-data/spot/instance-action"] = json.dumps({"action": "terminate", "time": at})
        documents["latest/meta-data/spot/termination-time"] = at
    return documents

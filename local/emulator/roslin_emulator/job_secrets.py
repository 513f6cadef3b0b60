"""The secrets of a container, read when its job starts: only its process has them, in its environment."""

from typing import Any

from ministack.services import secretsmanager

REASON = "ResourceInitializationError: unable to pull secrets or registry auth"
ARN_PARTS = 7


class SecretsError(Exception):
    """What ECS says where a secret cannot be read."""


def secret_values(container: dict[str, Any]) -> dict[str, str]:
    """Environment name → value, of a job's `secrets`: [{name, valueFrom}]."""
    return {entry["name"]: _value(entry["valueFrom"]) for entry in container.get("secrets") or []}


def _value(value_from: str) -> str:
    # After the ARN may come a JSON key, a stage and a version; our templates name whole secrets.
    arn, rest = ":".join(value_from.split(":")[:ARN_PARTS]), value_from.split(":")[ARN_PARTS:]
    if any(rest):
        raise SecretsError(f"{REASON}: the embedded AWS gives whole secrets only, not {value_from}")
    value = secretsmanager.resolve_secret_string(arn)
    if value is None:
        raise SecretsError(f"{REASON}: unable to retrieve secret from asm: {arn} was not found")
    return value

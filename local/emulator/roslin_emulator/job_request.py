"""From a SubmitJob request and its job definition to the job that DescribeJobs shows."""

import json
import re
import time
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import batch

from roslin_emulator.node_request import node_properties

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
SHARE = re.compile(r"[A-Za-z0-9]{1,255}")
OVERRIDES_BYTES = 8192
LEAST_TIMEOUT_SECONDS = 60
LEGACY_REQUIREMENTS = (("vcpus", "VCPU"), ("memory", "MEMORY"))
COPIED_FROM_DEFINITION = (
    "image",
    "jobRoleArn",
    "executionRoleArn",
    "volumes",
    "mountPoints",
    "ulimits",
    "logConfiguration",
    "secrets",
    "linuxParameters",
    "user",
    "privileged",
    "instanceType",
    "readonlyRootFilesystem",
)


class BatchError(Exception):
    """A request that Batch refuses with a ClientException."""


def now_ms() -> int:
    return int(time.time() * 1000)


def find_definition(reference: str) -> dict[str, Any]:
    """By ARN, name:revision, or name (its latest active revision)."""
    name, _, revision = reference.split("job-definition/")[-1].partition(":")
    for definition in reversed(batch._job_definitions.get(name) or []):
        if revision in ("", str(definition["revision"])) and definition["status"] == "ACTIVE":
            return definition
    raise BatchError(f"JobDefinition {reference} does not exist or is not active")


def find_queue(reference: str) -> dict[str, Any]:
    queue = batch._job_queues.get(reference.split("job-queue/")[-1])
    if queue is None:
        raise BatchError(f"JobQueue {reference} does not exist")
    return queue


def _merged(base: list[dict[str, str]] | None, override: list[dict[str, str]] | None, key: str) -> list[Any]:
    return list({entry[key]: entry for entry in [*(base or []), *(override or [])]}.values())


def _with_parameters(command: list[str], parameters: dict[str, str]) -> list[str]:
    return [parameters.get(word[5:], word) if word.startswith("Ref::") else word for word in command]


def _container(base: dict[str, Any], overrides: dict[str, Any], parameters: dict[str, str]) -> dict[str, Any]:
    container = {key: base[key] for key in COPIED_FROM_DEFINITION if key in base}
    # vcpus and memory are the older way to say what resourceRequirements says.
    legacy = [{"type": kind, "value": str(base[key])} for key, kind in LEGACY_REQUIREMENTS if key in base]
    requirements = _merged(legacy, base.get("resourceRequirements"), "type")
    return {
        **container,
        "command": _with_parameters(overrides.get("command") or base.get("command") or [], parameters),
        "environment": _merged(base.get("environment"), overrides.get("environment"), "name"),
        "resourceRequirements": _merged(requirements, overrides.get("resourceRequirements"), "type"),
    }


def _retry_strategy(request: dict[str, Any], definition: dict[str, Any]) -> dict[str, Any]:
    strategy = request.get("retryStrategy") or definition.get("retryStrategy") or {}
    attempts = int(strategy.get("attempts", 1))
    rules = strategy.get("evaluateOnExit") or []
    if not 1 <= attempts <= 10:
        raise BatchError(f"retryStrategy.attempts is {attempts}; it must be from 1 to 10")
    if len(rules) > 5:
        raise BatchError(f"retryStrategy.evaluateOnExit has {len(rules)} rules; at most 5 are allowed")
    return {"attempts": attempts, "evaluateOnExit": rules}


def _what_runs(
    request: dict[str, Any], definition: dict[str, Any], parameters: dict[str, str]
) -> dict[str, Any]:
    """The job's container, or the properties of its nodes."""
    single, multiple = "containerOverrides", "nodeOverrides"
    wanted, unwanted = (multiple, single) if "nodeProperties" in definition else (single, multiple)
    if request.get(unwanted):
        raise BatchError(f"{unwanted} must not be given for a job definition of type {definition['type']}")
    overrides = request.get(wanted) or {}
    if len(json.dumps(overrides)) > OVERRIDES_BYTES:
        raise BatchError(f"Container Overrides length must be at most {OVERRIDES_BYTES}")
    if wanted == single:
        return {"container": _container(definition["containerProperties"], overrides, parameters)}

    def container(base: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        return _container(base, given, parameters)

    return {"nodeProperties": node_properties(definition, overrides, container, BatchError)}


def _checked_timeout(timeout: dict[str, Any]) -> dict[str, Any]:
    seconds = timeout.get("attemptDurationSeconds")
    if seconds is not None and seconds < LEAST_TIMEOUT_SECONDS:
        raise BatchError(
            f"timeout.attemptDurationSeconds is {seconds}; it must be at least {LEAST_TIMEOUT_SECONDS}"
        )
    return timeout


def _check_share(queue: dict[str, Any], share: str | None) -> None:
    if share is None and queue.get("schedulingPolicyArn"):
        raise BatchError(
            f"JobQueue {queue['jobQueueName']} has a fair-share policy: a shareIdentifier is required"
        )
    if share is not None and not queue.get("schedulingPolicyArn"):
        raise BatchError(
            f"JobQueue {queue['jobQueueName']} has no fair-share policy: it takes no shareIdentifier"
        )
    if share is not None and not SHARE.fullmatch(share):
        raise BatchError(f"shareIdentifier {share!r} must be 1-255 letters and digits")


def build_job(request: dict[str, Any]) -> dict[str, Any]:
    name = request.get("jobName") or ""
    if not NAME.fullmatch(name):
        raise BatchError(f"jobName {name!r} must be 1-128 letters, digits, hyphens or underscores")
    queue = find_queue(request.get("jobQueue") or "")
    if queue["state"] != "ENABLED":
        raise BatchError(f"JobQueue {queue['jobQueueName']} is {queue['state']}; it takes no jobs")
    _check_share(queue, request.get("shareIdentifier"))
    definition = find_definition(request.get("jobDefinition") or "")
    if "arrayProperties" in request or not {"containerProperties", "nodeProperties"} & set(definition):
        raise BatchError("the embedded AWS runs jobs of one container a machine; no array jobs")
    for dependency in request.get("dependsOn") or []:
        if dependency.get("jobId") not in batch._jobs:
            raise BatchError(f"dependsOn names job {dependency.get('jobId')}, which does not exist")
    parameters = {**(definition.get("parameters") or {}), **(request.get("parameters") or {})}
    job_id = new_uuid()
    job = {
        "jobArn": batch._job_arn(job_id),
        "jobId": job_id,
        "jobName": name,
        "jobQueue": queue["jobQueueArn"],
        "jobDefinition": definition["jobDefinitionArn"],
        "status": "SUBMITTED",
        "attempts": [],
        "createdAt": now_ms(),
        "dependsOn": request.get("dependsOn") or [],
        "parameters": parameters,
        "retryStrategy": _retry_strategy(request, definition),
        **_what_runs(request, definition, parameters),
        "platformCapabilities": definition.get("platformCapabilities") or ["EC2"],
        "propagateTags": bool(request.get("propagateTags", definition.get("propagateTags", False))),
        "tags": request.get("tags") or {},
        "isCancelled": False,
        "isTerminated": False,
    }
    if timeout := request.get("timeout") or definition.get("timeout"):
        job["timeout"] = _checked_timeout(timeout)
    if "shareIdentifier" in request:
        job["shareIdentifier"] = request["shareIdentifier"]
    if "schedulingPriorityOverride" in request:
        job["schedulingPriority"] = request["schedulingPriorityOverride"]
    return job

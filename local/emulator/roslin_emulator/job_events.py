"""Batch's events on the default bus of EventBridge: "Job State Change" and "Job Queue Blocked"."""

import json
import logging
from typing import Any

from ministack.services import eventbridge

logger = logging.getLogger("roslin.batch")


def emit(job: dict[str, Any]) -> None:
    _publish(job, "Batch Job State Change", [job["jobArn"]])


def emit_blocked(job: dict[str, Any]) -> None:
    """The job's statusReason says why its queue is blocked."""
    _publish(job, "Batch Job Queue Blocked", [job["jobArn"], job["jobQueue"]])


def _publish(job: dict[str, Any], detail_type: str, resources: list[str]) -> None:
    # AWS adds the job's ARN to the tags of an event, and to nothing else.
    detail = {**job, "tags": {"resourceArn": job["jobArn"], **job["tags"]}}
    entry = {
        "Source": "aws.batch",
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
        "Resources": resources,
    }
    try:
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
    except Exception:
        # A target that cannot be reached must not change what becomes of the job.
        logger.exception("cannot publish the state of job %s", job["jobId"])

"""Batch's "Job State Change" events on the default bus of EventBridge."""

import json
import logging
from typing import Any

from ministack.services import eventbridge

logger = logging.getLogger("roslin.batch")


def emit(job: dict[str, Any]) -> None:
    # AWS adds the job's ARN to the tags of an event, and to nothing else.
    detail = {**job, "tags": {"resourceArn": job["jobArn"], **job["tags"]}}
    entry = {
        "Source": "aws.batch",
        "DetailType": "Batch Job State Change",
        "Detail": json.dumps(detail),
        "Resources": [job["jobArn"]],
    }
    try:
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
    except Exception:
        # A target that cannot be reached must not change what becomes of the job.
        logger.exception("cannot publish the state of job %s", job["jobId"])

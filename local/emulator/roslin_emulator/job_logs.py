"""A job's output in CloudWatch Logs."""

import time
from typing import Any

from ministack.services import cloudwatch_logs

DEFAULT_GROUP = "/aws/batch/job"


def group_of(container: dict[str, Any]) -> str:
    configuration = container.get("logConfiguration") or {}
    return (configuration.get("options") or {}).get("awslogs-group") or DEFAULT_GROUP


def open_stream(group: str, stream: str) -> None:
    # Both answer "already exists" where that is so.
    cloudwatch_logs._create_log_group({"logGroupName": group})
    cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})


def put_lines(group: str, stream: str, lines: list[str]) -> None:
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": line} for line in lines]
    cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": events})

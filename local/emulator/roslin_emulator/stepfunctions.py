"""Step Functions' optimised integration with Batch: submitJob and submitJob.sync."""

import json
from typing import Any

from ministack.services import stepfunctions as sfn

from roslin_emulator import workarounds
from roslin_emulator.aws_case import camel, pascal
from roslin_emulator.chaos import faults
from roslin_emulator.chaos.rules import FailRequest, RequestFacts
from roslin_emulator.chaos.state import Chaos
from roslin_emulator.job_request import BatchError, build_job
from roslin_emulator.jobs import JobRunner

RESOURCE = "arn:aws:states:::batch:submitJob"
POLL_SECONDS = 0.1


def _stop_reason() -> str | None:
    execution, timed_out = workarounds.current_execution.get(), workarounds.task_timed_out.get()
    if timed_out is not None and timed_out.is_set():
        return "The Step Functions task timed out"
    if execution is not None and execution["status"] != "RUNNING":
        return f"The Step Functions execution is {execution['status']}"
    return None


def _fail_on_purpose(chaos: Chaos, arguments: dict[str, Any]) -> None:
    """As Step Functions names a Batch that fails: what its model does not know is an AWSBatchException."""
    request = RequestFacts("batch", "SubmitJob", "", json.dumps(arguments))
    rule = chaos.take(FailRequest, lambda rule: rule.applies_to(request))
    if rule is None:
        return
    fault = faults.find("batch", "throttled" if rule.error == "throttled" else "internal-error")
    name = "Batch.ServerException" if fault.code == "ServerException" else "Batch.AWSBatchException"
    cause = f"{fault.message} (Service: AWSBatch; Status Code: {fault.status}; Error Code: {fault.code})"
    raise sfn._ExecutionError(name, cause)


def install(runner: JobRunner, chaos: Chaos) -> None:
    def submit(resource: str, arguments: dict[str, Any]) -> dict[str, Any]:
        _fail_on_purpose(chaos, arguments)
        try:
            record = build_job(camel(arguments))
        except BatchError as error:
            raise sfn._ExecutionError("Batch.ClientException", str(error)) from error
        job = runner.submit(record)
        if not resource.endswith(".sync"):
            return {"JobArn": record["jobArn"], "JobId": record["jobId"], "JobName": record["jobName"]}
        while not job.ended.wait(POLL_SECONDS):
            if reason := _stop_reason():
                runner.terminate(record["jobId"], reason)
                raise sfn._ExecutionError(workarounds.STOPPED, reason)
        result = pascal(record)
        if record["status"] == "FAILED":
            raise sfn._ExecutionError("States.TaskFailed", json.dumps(result))
        return result

    sfn._SERVICE_DISPATCH[RESOURCE] = submit

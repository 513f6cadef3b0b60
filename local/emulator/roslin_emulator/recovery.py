"""What a start does with the unfinished work of the emulator before it: it is ended, and announced."""

import logging
from typing import Any

from ministack.services import batch, cloudformation, lambda_svc, s3
from ministack.services import stepfunctions as sfn

from roslin_emulator import job_events, workarounds
from roslin_emulator.job_request import now_ms
from roslin_emulator.jobs import TERMINAL
from roslin_emulator.scope import Scope
from roslin_emulator.settings import REGION

logger = logging.getLogger("roslin.recovery")

# Begins as AWS's reason for a reclaimed instance does, so that the same evaluateOnExit rules know it.
JOB_REASON = "Host EC2 (embedded AWS) terminated: the emulator was stopped"
EXECUTION_ERROR = "Roslin.EmulatorRestarted"
EXECUTION_CAUSE = "The embedded AWS was restarted while the execution was running"
# What MiniStack's own restore makes of a running execution.
UPSTREAM_ERROR = "States.ServiceRestart"

# Events come at least once: an end this short before the last snapshot may have been heard by nobody.
MAYBE_UNHEARD_SECONDS = 60
UNHAPPY_ENDS = ("FAILED", "TIMED_OUT", "ABORTED")

STACK_STATUS_AFTER = {
    "CREATE_IN_PROGRESS": "ROLLBACK_COMPLETE",
    "ROLLBACK_IN_PROGRESS": "ROLLBACK_COMPLETE",
    "DELETE_IN_PROGRESS": "DELETE_FAILED",
}


class Recovery:
    def __init__(self) -> None:
        self._jobs: list[dict[str, Any]] = []
        self._executions: list[dict[str, Any]] = []

    def end_unfinished(self, saved_buckets: set[tuple[str, str]], saved_at: float) -> None:
        """Before the first request is served. `saved_at`: when the state was written, epoch seconds."""
        self._drop_unsaved_buckets(saved_buckets)
        recently_ms = (saved_at - MAYBE_UNHEARD_SECONDS) * 1000
        for job in batch._jobs.all_values():
            if job["status"] not in TERMINAL:
                self._end_job(job)
            elif job.get("stoppedAt", 0) >= recently_ms:
                self._jobs.append(job)
        for execution in sfn._executions.all_values():
            if execution.get("error") == UPSTREAM_ERROR:
                execution["events"] = execution["events"][:]
                workarounds.end_execution(
                    execution, "ABORTED", "ExecutionAborted", EXECUTION_ERROR, EXECUTION_CAUSE
                )
                self._executions.append(execution)
            elif execution["status"] in UNHAPPY_ENDS:
                if sfn._iso_to_epoch_ms(execution["stopDate"]) >= recently_ms:
                    self._executions.append(execution)
        for stack in cloudformation._stacks.all_values():
            self._end_deployment(stack)
        for function in lambda_svc._functions.all_values():
            self._settle_function(function)

    def announce(self) -> None:
        """Once the server answers, since the functions that hear of it call back."""
        for job in self._jobs:
            with Scope.of_arn(job["jobArn"]).entered():
                job_events.emit(job)
        for execution in self._executions:
            with Scope.of_arn(execution["executionArn"]).entered():
                sfn._emit_execution_status_event(execution)

    def _drop_unsaved_buckets(self, saved: set[tuple[str, str]]) -> None:
        """Objects are on disk at once, the rest of the state seconds later. A bucket that only its objects
        tell of belongs to a deployment that is lost, and would stand in the way of the next one."""
        for account, name in set(s3._buckets._data) - saved:
            logger.warning("bucket %s was not saved before the emulator was killed", name)
            del s3._buckets._data[account, name]
            for key in [key for key in s3._object_versions._data if key[0] == account and key[1][0] == name]:
                del s3._object_versions._data[key]
            with Scope(account, REGION).entered():
                s3._delete_persisted_bucket(name)

    def _end_job(self, job: dict[str, Any]) -> None:
        if job["status"] == "RUNNING":
            own = job.get("container", {})
            container = {name: own[name] for name in ("logStreamName", "taskArn") if name in own}
            job["attempts"].append(
                {
                    "container": {**container, "networkInterfaces": []},
                    "startedAt": job["startedAt"],
                    "stoppedAt": now_ms(),
                    "statusReason": JOB_REASON,
                }
            )
        job.update(status="FAILED", statusReason=JOB_REASON, stoppedAt=now_ms())
        self._jobs.append(job)

    def _end_deployment(self, stack: dict[str, Any]) -> None:
        """A stack left in progress could never be deployed again."""
        status = stack["StackStatus"]
        if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            stack["StackStatus"] = STACK_STATUS_AFTER.get(status, "UPDATE_ROLLBACK_COMPLETE")
            stack["StackStatusReason"] = "The embedded AWS was restarted during the deployment"
            logger.warning("stack %s was being deployed: %s", stack["StackName"], stack["StackStatus"])

    def _settle_function(self, function: dict[str, Any]) -> None:
        """The thread that would have made it Active is gone."""
        configurations = [function, *(function.get("versions") or {}).values()]
        for configuration in (entry.get("config") or {} for entry in configurations):
            if configuration.get("State") == "Pending":
                configuration["State"] = "Active"
            if configuration.get("LastUpdateStatus") == "InProgress":
                configuration["LastUpdateStatus"] = "Successful"

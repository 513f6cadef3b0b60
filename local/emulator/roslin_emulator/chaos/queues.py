"""Queues whose first job gets no machine: Batch says why, to everyone, and ends the wait when it may."""

import threading
from collections.abc import Callable
from typing import Any

from roslin_emulator import job_events
from roslin_emulator.chaos.jobs import JobChaos, compute_environment, facts
from roslin_emulator.chaos.rules import NoCapacity
from roslin_emulator.job_request import find_queue
from roslin_emulator.live_job import LiveJob

# Batch's words while a job is stuck. Source: AWS Batch User Guide, "Jobs stuck in a RUNNABLE status".
BLOCKED = {
    "insufficient-capacity": (
        "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - "
        "Service cannot fulfill the capacity requested for instance type {types}"
    ),
    "max-vcpus": (
        "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - "
        "CE(s) associated with the job queue cannot meet the CPU requirement of the job."
    ),
    "no-matching-instance": (
        "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU) "
        "is higher than that can be met by the CE(s) attached to the job queue."
    ),
    # Batch cannot tell a quota from other causes; only the compute environment's instances say it.
    "vcpu-quota": "UNDETERMINED - Batch job is blocked, root cause is undetermined.",
}
# EC2's words for VcpuLimitExceeded.
VCPU_LIMIT_EXCEEDED = (
    "You have requested more vCPU capacity than your current vCPU limit of 0 allows for the instance bucket "
    "that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request "
    "to request an adjustment to this limit."
)


class BlockedQueues:
    """`give_up(job, reason)`: the job has waited as long as its queue allows."""

    def __init__(self, chaos: JobChaos, give_up: Callable[[LiveJob, str], None]) -> None:
        self._chaos = chaos
        self._give_up = give_up

    def is_blocked(self, job: LiveJob) -> bool:
        """Of the first job of its queue; the queue's other jobs wait behind it."""
        if job.blockage is None:
            job.blockage = self._chaos.blockage(job.record)
            if job.blockage:
                self._block(job, job.blockage)
        return job.blockage is not None

    def release(self, job: LiveJob) -> None:
        """When it leaves the queue, or the rule has been taken away."""
        if job.blockage is None or (job.place is not None and self._chaos.is_blocking(job.blockage)):
            return
        if job.time_limit:
            job.time_limit.cancel()
        if job.blockage.reason == "vcpu-quota":
            _say_in_environment(job.record, "ComputeEnvironment is ready")
        job.record.pop("statusReason", None)
        job.blockage = job.time_limit = None

    def _block(self, job: LiveJob, rule: NoCapacity) -> None:
        record = job.record
        reason = BLOCKED[rule.reason].format(types=f"[{', '.join(facts(record).instance_types)}]")
        record["statusReason"] = reason
        if rule.reason == "vcpu-quota":
            _say_in_environment(record, VCPU_LIMIT_EXCEEDED)
        job_events.emit_blocked(record)
        cause = reason.partition(" - ")[0]
        for action in find_queue(record["jobQueue"]).get("jobStateTimeLimitActions") or []:
            if action["reason"] == cause:
                seconds = self._chaos.wait_seconds(float(action["maxTimeSeconds"]))
                job.time_limit = threading.Timer(seconds, self._give_up, (job, cause))
                job.time_limit.daemon = True
                job.time_limit.start()
                return


def _say_in_environment(record: dict[str, Any], status_reason: str) -> None:
    """Where a person looks who cannot tell from the job."""
    if environment := compute_environment(record["jobQueue"].rsplit("/", 1)[-1]):
        environment["statusReason"] = status_reason

"""Jobs that get no machine, lose it, are killed or never start."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from roslin_emulator.chaos.instance_metadata import InstanceMetadata
from roslin_emulator.chaos.jobs import JobChaos
from roslin_emulator.chaos.rules import TimeOut
from roslin_emulator.chaos.state import Chaos
from tests.harness import Batch, Emulator, make_recorder, make_rule, recorded, wait_until

SLEEP = "import time; time.sleep(60)"
LIMITS = [
    {"reason": reason, "state": "RUNNABLE", "maxTimeSeconds": 600, "action": "CANCEL"}
    for reason in ("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY", "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT")
]


@pytest.fixture(autouse=True)
def calm(emulator: Emulator) -> Iterator[None]:
    yield
    emulator.chaos()


@pytest.fixture(scope="module")
def spot(batch: Batch) -> str:
    """A queue of Spot machines whose jobs may wait 600 s."""
    resources = {"type": "SPOT", "maxvCpus": 96, "instanceTypes": ["p4d.24xlarge"], "subnets": []}
    batch.client.create_compute_environment(
        computeEnvironmentName="spot-env", type="MANAGED", computeResources=resources
    )
    queue = batch.client.create_job_queue(
        jobQueueName="spot-queue",
        priority=1,
        computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "spot-env"}],
    )["jobQueueArn"]
    batch.client.update_job_queue(jobQueue=queue, jobStateTimeLimitActions=LIMITS)
    batch.define("brief", "print('ran')")
    batch.define("long", SLEEP)
    return queue


def submit(batch: Batch, definition: str, queue: str, **parameters: str) -> str:
    request = {"jobName": "job", "jobQueue": queue, "jobDefinition": definition, "parameters": parameters}
    return batch.client.submit_job(**request)["jobId"]


def test_no_capacity_blocks_the_queue_until_its_time_limit(
    emulator: Emulator, batch: Batch, spot: str
) -> None:
    target = make_recorder(emulator, "blocked-events")
    make_rule(emulator, "blocked", {"detail-type": ["Batch Job Queue Blocked"]}, target)
    emulator.chaos({"kind": "no-capacity", "instanceType": "p4d.24xlarge", "times": 1}, timeScale=0.001)
    stuck, behind = submit(batch, "brief", spot), submit(batch, "brief", spot)
    elsewhere = submit(batch, "brief", batch.queue)
    said = (
        "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - "
        "Service cannot fulfill the capacity requested for instance type [p4d.24xlarge]"
    )
    job = batch.job(stuck)
    assert (job["status"], job["statusReason"]) == ("RUNNABLE", said)
    assert batch.ended(elsewhere)["status"] == "SUCCEEDED"
    assert batch.job(behind)["status"] == "RUNNABLE"
    job = batch.ended(stuck)
    assert job["status"] == "FAILED"
    assert job["statusReason"] == (
        "Canceled by JobStateTimeLimit action due to reason: CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
    )
    assert 0.5 < (job["stoppedAt"] - job["createdAt"]) / 1000 < 2
    assert (job["attempts"], "startedAt" in job) == ([], False)
    assert batch.ended(behind)["status"] == "SUCCEEDED"
    [event] = wait_until(lambda: recorded(emulator, "blocked-events"), what="the event")
    assert event["resources"] == [job["jobArn"], spot]
    assert {name: event["detail"][name] for name in ("jobId", "status", "statusReason")} == {
        "jobId": stuck,
        "status": "RUNNABLE",
        "statusReason": said,
    }


def test_a_job_starts_when_capacity_is_back(emulator: Emulator, batch: Batch, spot: str) -> None:
    emulator.chaos({"kind": "no-capacity", "purchase": "spot", "reason": "no-matching-instance"})
    job_id = submit(batch, "brief", spot)
    assert batch.job(job_id)["statusReason"].startswith("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - ")
    emulator.chaos()
    job = batch.ended(job_id)
    assert (job["status"], job["statusReason"]) == ("SUCCEEDED", "Essential container in task exited")


def test_a_quota_is_said_by_the_environment_alone_and_has_no_time_limit(
    emulator: Emulator, batch: Batch, spot: str
) -> None:
    def said() -> str:
        found = batch.client.describe_compute_environments(computeEnvironments=["spot-env"])
        return found["computeEnvironments"][0]["statusReason"]

    emulator.chaos({"kind": "no-capacity", "reason": "vcpu-quota"}, timeScale=0.0001)
    job_id = submit(batch, "brief", spot)
    assert batch.job(job_id)["statusReason"] == (
        "UNDETERMINED - Batch job is blocked, root cause is undetermined."
    )
    assert "vCPU limit" in said()
    time.sleep(0.3)
    assert batch.job(job_id)["status"] == "RUNNABLE"
    batch.client.terminate_job(jobId=job_id, reason="moved on")
    assert batch.ended(job_id)["statusReason"] == "moved on"
    assert "vCPU limit" not in said()


WATCHFUL = """
import json, os, signal, sys, time, urllib.request

def ask(method, path, **headers):
    url = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] + path
    request = urllib.request.Request(url, method=method, headers=headers)
    return urllib.request.urlopen(request).read().decode()

seconds = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
token = {"X-aws-ec2-metadata-token": ask("PUT", "/latest/api/token", **seconds)}
print(ask("GET", "/latest/meta-data/instance-id", **token), flush=True)
signal.signal(signal.SIGTERM, lambda *_: (print("told to stop", flush=True), sys.exit(20)))
while True:
    try:
        print(ask("GET", "/latest/meta-data/spot/instance-action", **token), flush=True)
        if sys.argv[1] == "leaves": sys.exit(20)
        time.sleep(60)
    except urllib.error.HTTPError as error:
        assert error.code == 404, error
    time.sleep(0.05)
"""


def reclaim(emulator: Emulator, **more: Any) -> None:
    emulator.chaos({"kind": "reclaim-host", "purchase": "spot", "times": 1, **more})


def test_a_job_that_leaves_at_the_notice_has_its_own_exit_code(
    emulator: Emulator, batch: Batch, spot: str
) -> None:
    batch.define("leaves", containerProperties={"command": [WATCHFUL, "leaves"]})
    reclaim(emulator, afterSeconds=0.2, noticeSeconds=30)
    job = batch.ended(submit(batch, "leaves", spot))
    assert (job["statusReason"], job["container"]["exitCode"]) == ("Essential container in task exited", 20)
    notice = json.loads(batch.lines(job["container"]["logStreamName"])[1])
    assert notice["action"] == "terminate"


def test_a_job_that_stays_goes_with_its_machine(emulator: Emulator, batch: Batch, spot: str) -> None:
    batch.define("stays", containerProperties={"command": [WATCHFUL, "stays"]})
    reclaim(emulator, afterSeconds=0.2, noticeSeconds=0.5)
    job = batch.ended(submit(batch, "stays", spot))
    lines = batch.lines(job["container"]["logStreamName"])
    assert job["statusReason"] == f"Host EC2 (instance {lines[0]}) terminated."
    assert "exitCode" not in job["container"]
    assert lines[-1] == "told to stop"
    assert job["attempts"][0]["statusReason"] == job["statusReason"]


def test_without_notice_a_job_hears_nothing(emulator: Emulator, batch: Batch, spot: str) -> None:
    code = """
import os, signal, time
signal.signal(signal.SIGTERM, lambda *_: print("told to stop", flush=True))
print(os.environ["AWS_EC2_METADATA_DISABLED"], flush=True)
time.sleep(60)
"""
    batch.define("deaf", code)
    reclaim(emulator, afterSeconds=0.3, silent=True)
    job = batch.ended(submit(batch, "deaf", spot))
    assert job["statusReason"].startswith("Host EC2 (instance i-")
    assert batch.lines(job["container"]["logStreamName"]) == ["true"]
    # Once: the next job keeps its machine.
    assert batch.ended(submit(batch, "brief", spot))["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("out_of_memory", "reason"),
    [(False, None), (True, "OutOfMemoryError: Container killed due to memory usage")],
)
def test_a_job_is_killed(
    emulator: Emulator, batch: Batch, spot: str, out_of_memory: bool, reason: str | None
) -> None:
    emulator.chaos({"kind": "kill-job", "afterSeconds": 0.1, "outOfMemory": out_of_memory, "run": "R1"})
    job = batch.ended(submit(batch, "long", spot, runId="R1"))
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 137)
    assert job["container"].get("reason") == reason
    assert job["statusReason"] == "Essential container in task exited"
    assert batch.ended(submit(batch, "brief", spot, runId="R2"))["status"] == "SUCCEEDED"


def test_a_slow_start_can_be_called_off(emulator: Emulator, batch: Batch, spot: str) -> None:
    emulator.chaos(
        {"kind": "slow-start", "seconds": 0.5, "step": "prepare"}, {"kind": "slow-start", "seconds": 60}
    )
    slow = submit(batch, "brief", spot, step="prepare")
    assert batch.job(slow)["status"] == "STARTING"
    job = batch.ended(slow)
    assert job["status"] == "SUCCEEDED"
    assert job["startedAt"] - job["createdAt"] >= 500
    endless = submit(batch, "brief", spot, step="train")
    batch.client.terminate_job(jobId=endless, reason="too slow")
    job = batch.ended(endless)
    assert (job["status"], job["statusReason"]) == ("FAILED", "too slow")


def test_an_image_that_cannot_be_pulled(emulator: Emulator, batch: Batch, spot: str) -> None:
    emulator.chaos({"kind": "no-image", "times": 1})
    job = batch.ended(submit(batch, "brief", spot))
    assert (job["status"], job["statusReason"]) == ("FAILED", "Task failed to start")
    assert job["container"]["reason"].startswith("CannotPullContainerError: ")


def test_an_attempt_that_times_out_is_not_retried(emulator: Emulator, batch: Batch) -> None:
    emulator.chaos({"kind": "time-out", "afterSeconds": 0})
    batch.define("slow", SLEEP, retryStrategy={"attempts": 3}, timeout={"attemptDurationSeconds": 60})
    job = batch.ended(batch.submit("slow"))
    assert (job["status"], job["statusReason"]) == ("FAILED", "Job attempt duration exceeded timeout")
    assert len(job["attempts"]) == 1
    assert job["container"]["exitCode"] == 143


def test_a_job_has_its_own_timeout_where_no_rule_applies() -> None:
    record = {"jobName": "job", "parameters": {"step": "train"}, "tags": {}, "jobQueue": "queue"}
    limited = {**record, "timeout": {"attemptDurationSeconds": 90}}
    rules = Chaos()
    chaos = JobChaos(rules, InstanceMetadata())
    rules.set([TimeOut(after_seconds=0, step="evaluate")], None)
    assert (chaos.timeout_seconds(limited), chaos.timeout_seconds(record)) == (90, None)
    rules.set([TimeOut(after_seconds=0, step="train")], None)
    assert (chaos.timeout_seconds(limited), chaos.timeout_seconds(record)) == (0, 0)

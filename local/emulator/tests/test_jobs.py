"""Batch jobs: what a job sees, what becomes of it, what the API says about it."""

import json
import os
import re
import time

import pytest
from botocore.exceptions import ClientError

from tests.harness import Batch, Emulator, alive, wait_until

SLEEP = "import time; time.sleep(60)"
PRINT_ENV = "import os, json; print(json.dumps(dict(os.environ)))"


def test_a_job_sees_its_environment_and_nothing_of_the_shell(emulator: Emulator, batch: Batch) -> None:
    batch.define(
        "env",
        PRINT_ENV,
        containerProperties={"environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]},
    )
    job_id = batch.submit("env", containerOverrides={"environment": [{"name": "B", "value": "2"}]})
    env = json.loads(batch.output(job_id)[0])
    assert env["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{emulator.port}"
    assert {name: env[name] for name in ("A", "B", "FROM_IMAGE")} == {"A": "1", "B": "2", "FROM_IMAGE": "yes"}
    assert (env["AWS_REGION"], env["AWS_DEFAULT_REGION"]) == ("us-east-1", "us-east-1")
    assert (env["AWS_EC2_METADATA_DISABLED"], env["PYTHONUNBUFFERED"]) == ("true", "1")
    assert (env["AWS_BATCH_JOB_ID"], env["AWS_BATCH_JOB_ATTEMPT"]) == (job_id, "1")
    assert (env["AWS_BATCH_JQ_NAME"], env["AWS_BATCH_CE_NAME"]) == ("local-queue", "local-env")
    assert not {"AWS_PROFILE", "LEAK", "PYTHONPATH"} & set(env)


def test_a_variable_that_points_to_a_volume_is_left_out_as_nothing_is_mounted(batch: Batch) -> None:
    batch.define(
        "mounted",
        PRINT_ENV,
        containerProperties={
            "environment": [{"name": "A", "value": "1"}, {"name": "SCRATCH", "value": "/scratch"}],
            "volumes": [{"name": "scratch", "host": {"sourcePath": "/scratch"}}],
            "mountPoints": [{"sourceVolume": "scratch", "containerPath": "/scratch"}],
        },
    )
    env = json.loads(batch.output(batch.submit("mounted"))[0])
    assert (env["A"], "SCRATCH" in env) == ("1", False)


def test_a_queue_with_a_fair_share_policy_takes_only_jobs_with_a_share_and_others_only_without(
    batch: Batch,
) -> None:
    batch.define("ok")
    with pytest.raises(ClientError, match="has no fair-share policy"):
        batch.submit("ok", shareIdentifier="ian")
    shared = batch.make_shared_queue("shared-queue")
    with pytest.raises(ClientError, match="a shareIdentifier is required"):
        batch.submit("ok", jobQueue=shared)
    with pytest.raises(ClientError, match="letters and digits"):
        batch.submit("ok", jobQueue=shared, shareIdentifier="i-n")
    job_id = batch.submit("ok", jobQueue=shared, shareIdentifier="ian", schedulingPriorityOverride=1)
    assert batch.ended(job_id)["shareIdentifier"] == "ian"


def test_a_job_that_succeeds(batch: Batch) -> None:
    definition = batch.define("ok", "print('one'); print(); print('two')", tags={"of": "definition"})
    job = batch.ended(batch.submit(definition, tags={"run": "r1"}))
    assert (job["status"], job["statusReason"]) == ("SUCCEEDED", "Essential container in task exited")
    assert job["container"]["exitCode"] == 0
    assert job["createdAt"] <= job["startedAt"] <= job["stoppedAt"]
    assert job["tags"] == {"run": "r1"}
    assert (job["jobDefinition"], job["jobQueue"]) == (definition, batch.queue)
    [attempt] = job["attempts"]
    assert attempt["container"]["exitCode"] == 0
    assert attempt["container"]["logStreamName"] == job["container"]["logStreamName"]
    assert attempt["startedAt"] == job["startedAt"]
    assert re.fullmatch(r"ok/default/[0-9a-f]{32}", job["container"]["logStreamName"])
    assert batch.lines(job["container"]["logStreamName"]) == ["one", "two"]


def test_exit_codes(batch: Batch) -> None:
    batch.define("exit", "import sys; sys.exit(7)")
    batch.define("killed", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    failed, killed = batch.ended(batch.submit("exit")), batch.ended(batch.submit("killed"))
    assert (failed["status"], failed["container"]["exitCode"]) == ("FAILED", 7)
    assert (killed["status"], killed["container"]["exitCode"]) == ("FAILED", 137)


def test_an_unknown_image_cannot_be_pulled(batch: Batch) -> None:
    batch.define("nowhere", image="registry/none:1")
    job = batch.ended(batch.submit("nowhere"))
    assert (job["status"], job["statusReason"]) == ("FAILED", "Task failed to start")
    assert job["container"]["reason"].startswith("CannotPullContainerError")
    assert "exitCode" not in job["container"]
    assert "startedAt" not in job
    assert "startedAt" not in job["attempts"][-1]


def test_a_command_that_does_not_exist_cannot_start(emulator: Emulator, batch: Batch) -> None:
    emulator.write_images({"broken": {"cwd": "/", "entrypoint": ["no-such-program"]}})
    batch.define("broken", image="broken")
    job = batch.ended(batch.submit("broken"))
    assert job["container"]["reason"].startswith("CannotStartContainerError")


def test_parameters(batch: Batch) -> None:
    code = "import sys; print(sys.argv[1:])"
    command = [code, "Ref::given", "Ref::defaulted", "Ref::missing"]
    batch.define(
        "params", containerProperties={"command": command}, parameters={"given": "x", "defaulted": "y"}
    )
    job_id = batch.submit("params", parameters={"given": "z"})
    assert batch.output(job_id) == ["['z', 'y', 'Ref::missing']"]
    assert batch.job(job_id)["parameters"] == {"given": "z", "defaulted": "y"}


def test_overrides(batch: Batch) -> None:
    batch.define("overridden", "print('no')")
    overrides = {"command": ["print('yes')"], "resourceRequirements": [{"type": "GPU", "value": "8"}]}
    job_id = batch.submit("overridden", containerOverrides=overrides)
    assert batch.output(job_id) == ["yes"]
    job = batch.job(job_id)
    requirements = {entry["type"]: entry["value"] for entry in job["container"]["resourceRequirements"]}
    assert requirements == {"VCPU": "1", "MEMORY": "512", "GPU": "8"}


def test_revisions(batch: Batch) -> None:
    first = batch.define("revised", "print(1)")
    second = batch.define("revised", "print(2)")
    assert (first[-2:], second[-2:]) == (":1", ":2")
    assert batch.output(batch.submit("revised")) == ["2"]
    assert batch.output(batch.submit("revised:1")) == ["1"]
    batch.client.deregister_job_definition(jobDefinition=second)
    assert batch.output(batch.submit("revised")) == ["1"]
    with pytest.raises(ClientError, match="not active"):
        batch.submit("revised:2")
    found = batch.client.describe_job_definitions(jobDefinitionName="revised", status="ACTIVE")
    assert [entry["revision"] for entry in found["jobDefinitions"]] == [1]


@pytest.mark.parametrize(
    ("request_fields", "message"),
    [
        ({"jobName": "with space"}, "jobName"),
        ({"jobQueue": "nowhere"}, "JobQueue nowhere"),
        ({"jobDefinition": "nothing"}, "JobDefinition nothing"),
        ({"retryStrategy": {"attempts": 11}}, "1 to 10"),
        ({"dependsOn": [{"jobId": "no-job"}]}, "no-job"),
        ({"containerOverrides": {"command": ["x" * 8192]}}, "8192"),
    ],
)
def test_requests_that_batch_refuses(batch: Batch, request_fields: dict, message: str) -> None:
    batch.define("refused", "")
    request = {"jobName": "job", "jobQueue": batch.queue, "jobDefinition": "refused", **request_fields}
    with pytest.raises(ClientError, match=message) as error:
        batch.client.submit_job(**request)
    assert error.value.response["Error"]["Code"] == "ClientException"


def test_retries_until_the_attempts_are_used_up(batch: Batch) -> None:
    code = "import os, sys; print(os.environ['AWS_BATCH_JOB_ATTEMPT']); sys.exit(3)"
    batch.define("retried", code, retryStrategy={"attempts": 3})
    job = batch.ended(batch.submit("retried"))
    assert job["status"] == "FAILED"
    streams = [attempt["container"]["logStreamName"] for attempt in job["attempts"]]
    assert len(set(streams)) == 3
    assert [batch.lines(stream) for stream in streams] == [["1"], ["2"], ["3"]]


@pytest.mark.parametrize(
    ("rules", "attempts"),
    [
        ([{"onExitCode": "4*", "action": "exit"}], 1),
        ([{"onExitCode": "5", "action": "EXIT"}], 3),
        ([{"onExitCode": "42", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}], 3),
        ([{"onStatusReason": "Host EC2*", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}], 1),
        ([{"onStatusReason": "Essential*", "onExitCode": "41", "action": "EXIT"}], 3),
    ],
)
def test_evaluate_on_exit(batch: Batch, rules: list, attempts: int) -> None:
    batch.define("evaluated", "import sys; sys.exit(42)")
    job = batch.ended(batch.submit("evaluated", retryStrategy={"attempts": 3, "evaluateOnExit": rules}))
    assert len(job["attempts"]) == attempts


def test_a_retried_job_that_succeeds(batch: Batch) -> None:
    code = "import os, sys; sys.exit(os.environ['AWS_BATCH_JOB_ATTEMPT'] == '1')"
    batch.define("second-time", code, retryStrategy={"attempts": 2})
    job = batch.ended(batch.submit("second-time"))
    assert (job["status"], job["container"]["exitCode"], len(job["attempts"])) == ("SUCCEEDED", 0, 2)


def test_a_timeout_below_a_minute_is_refused(batch: Batch) -> None:
    batch.define("slow", SLEEP)
    with pytest.raises(ClientError, match="attemptDurationSeconds is 59; it must be at least 60"):
        batch.submit("slow", timeout={"attemptDurationSeconds": 59})


def test_terminate_sends_sigterm_first(batch: Batch) -> None:
    code = """
import signal, sys, time
def stop(*_): print('saving'); sys.exit(5)
signal.signal(signal.SIGTERM, stop); print('ready', flush=True)
while True: time.sleep(1)
"""
    batch.define("polite", code, retryStrategy={"attempts": 3})
    job_id = batch.submit("polite")
    stream = batch.reached(job_id, "RUNNING")["container"]["logStreamName"]
    wait_until(lambda: batch.lines(stream), what="its first line")
    batch.client.terminate_job(jobId=job_id, reason="the person asked")
    job = batch.ended(job_id)
    assert (job["status"], job["statusReason"], job["container"]["exitCode"]) == (
        "FAILED",
        "the person asked",
        5,
    )
    assert (job["isTerminated"], len(job["attempts"])) == (True, 1)
    assert batch.lines(stream) == ["ready", "saving"]


def test_terminate_kills_what_ignores_sigterm_and_its_children(batch: Batch) -> None:
    code = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)
print(os.getpid(), child.pid, flush=True)
while True: time.sleep(1)
"""
    batch.define("stubborn", code)
    job_id = batch.submit("stubborn")
    stream = batch.reached(job_id, "RUNNING")["container"]["logStreamName"]
    [line] = wait_until(lambda: batch.lines(stream), what="its first line")
    batch.client.terminate_job(jobId=job_id, reason="enough")
    job = batch.ended(job_id)
    assert job["container"]["exitCode"] == 137
    assert not any(alive(int(pid)) for pid in line.split())


def test_what_a_job_leaves_behind_ends_with_it(batch: Batch) -> None:
    code = """
import subprocess, sys
for session in (True, False):
    sleep = [sys.executable, '-c', 'import time; time.sleep(60)']
    print(subprocess.Popen(sleep, start_new_session=session).pid)
"""
    batch.define("litter", code)
    job_id = batch.submit("litter")
    pids = [int(line) for line in batch.output(job_id)]
    assert batch.job(job_id)["status"] == "SUCCEEDED"
    assert len(pids) == 2
    assert not any(alive(pid) for pid in pids)


def test_slots_cancel_and_list(emulator: Emulator, batch: Batch) -> None:
    batch.define("sleeper", SLEEP)
    ids = [batch.submit("sleeper", name=f"sleeper-{number}") for number in range(4)]
    for job_id in ids[:2]:
        batch.reached(job_id, "RUNNING")
    assert [batch.job(job_id)["status"] for job_id in ids[2:]] == ["RUNNABLE", "RUNNABLE"]
    assert emulator.get("/_roslin/stats")["jobs"] == {"running": 2, "runnable": 2}
    running = batch.client.list_jobs(jobQueue=batch.queue)["jobSummaryList"]
    assert {job["jobId"] for job in running} == set(ids[:2])
    runnable = batch.client.list_jobs(jobQueue="local-queue", jobStatus="RUNNABLE")["jobSummaryList"]
    assert {job["jobId"] for job in runnable} == set(ids[2:])
    filters = [{"name": "JOB_NAME", "values": ["sleeper-*"]}]
    pages = batch.client.get_paginator("list_jobs").paginate(
        jobQueue="local-queue", filters=filters, PaginationConfig={"PageSize": 3}
    )
    assert [len(page["jobSummaryList"]) for page in pages] == [3, 1]
    batch.client.cancel_job(jobId=ids[2], reason="not needed")
    cancelled = batch.job(ids[2])
    assert (cancelled["status"], cancelled["statusReason"]) == ("FAILED", "not needed")
    assert (cancelled["isCancelled"], cancelled["attempts"]) == (True, [])
    batch.client.cancel_job(jobId=ids[0], reason="too late")
    assert batch.job(ids[0])["status"] == "RUNNING"
    batch.client.terminate_job(jobId=ids[0], reason="make room")
    batch.reached(ids[3], "RUNNING")
    for job_id in (ids[1], ids[3]):
        batch.client.terminate_job(jobId=job_id, reason="done")
        batch.ended(job_id)
    assert emulator.get("/_roslin/stats")["jobs"] == {"running": 0, "runnable": 0}


def test_the_front_of_a_queue(batch: Batch) -> None:
    def front() -> dict[str, int]:
        jobs = batch.client.get_job_queue_snapshot(jobQueue=batch.queue)["frontOfQueue"]["jobs"]
        return {job["jobArn"].rpartition("/")[2]: job["earliestTimeAtPosition"] for job in jobs}

    batch.define("sleeper", SLEEP)
    ids = [batch.submit("sleeper") for _ in range(5)]
    for job_id in ids[:2]:
        batch.reached(job_id, "RUNNING")
    before = front()
    assert list(before) == ids[2:]
    assert "statusReason" not in batch.job(ids[2])
    time.sleep(0.01)
    batch.client.cancel_job(jobId=ids[3], reason="not needed")
    after = front()
    assert list(after) == [ids[2], ids[4]]
    # The first stays where it was; the last has come to its place only now.
    assert after[ids[2]] == before[ids[2]]
    assert after[ids[4]] > before[ids[4]]
    with pytest.raises(ClientError, match="JobQueue nowhere"):
        batch.client.get_job_queue_snapshot(jobQueue="nowhere")
    for job_id in (ids[4], ids[2], *ids[:2]):
        batch.client.terminate_job(jobId=job_id, reason="done")
        batch.ended(job_id)


def test_dependencies(batch: Batch) -> None:
    batch.define("wait", "import time, sys; time.sleep(0.5); sys.exit(int(sys.argv[1]))")
    batch.define("now", "")
    code = "import time, sys; time.sleep(0.5); sys.exit(int(sys.argv[1]))"
    good = batch.submit("wait", containerOverrides={"command": [code, "0"]})
    bad = batch.submit("wait", containerOverrides={"command": [code, "1"]})
    after_good = batch.submit("now", dependsOn=[{"jobId": good}])
    after_bad = batch.submit("now", dependsOn=[{"jobId": good}, {"jobId": bad}])
    after_after = batch.submit("now", dependsOn=[{"jobId": after_bad}])
    assert batch.job(after_good)["status"] == "PENDING"
    assert batch.ended(after_good)["status"] == "SUCCEEDED"
    for job_id in (after_bad, after_after):
        job = batch.ended(job_id)
        assert (job["status"], job["statusReason"]) == ("FAILED", "Dependent Job failed")


def test_logs_page_by_page(batch: Batch) -> None:
    options = {"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/own/group"}}}
    batch.define("chatty", "for i in range(2500): print(i)", containerProperties=options)
    job = batch.ended(batch.submit("chatty"))
    stream = job["container"]["logStreamName"]
    request = {"logGroupName": "/own/group", "logStreamName": stream, "startFromHead": True, "limit": 1000}
    messages, token, pages = [], None, 0
    while True:
        answer = batch.logs.get_log_events(**request, **({"nextToken": token} if token else {}))
        messages += [event["message"] for event in answer["events"]]
        pages += 1
        if answer["nextForwardToken"] == token:
            break
        token = answer["nextForwardToken"]
    assert messages == [str(number) for number in range(2500)]
    assert pages <= 5
    found = batch.logs.filter_log_events(logGroupName="/own/group", filterPattern="2499")["events"]
    assert [event["message"] for event in found] == ["2499"]


def test_no_zombies_are_left(emulator: Emulator, batch: Batch) -> None:
    batch.define("brief", "")
    batch.ended(batch.submit("brief"))
    assert emulator.process
    children = f"/proc/{emulator.process.pid}/task/{emulator.process.pid}/children"
    time.sleep(0.1)
    with open(children) as file:
        assert all(alive(int(pid)) for pid in file.read().split())
    assert os.path.exists(children)

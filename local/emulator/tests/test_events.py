"""State changes of jobs and executions as EventBridge events, delivered to Lambda functions in order."""

import json

from tests.harness import (
    Batch,
    Emulator,
    Machine,
    make_function,
    make_recorder,
    make_rule,
    recorded,
    wait_until,
)


def test_job_state_changes(emulator: Emulator, batch: Batch) -> None:
    target = make_recorder(emulator, "job-events")
    pattern = {
        "source": ["aws.batch"],
        "detail-type": ["Batch Job State Change"],
        "detail": {"jobQueue": [batch.queue]},
    }
    make_rule(emulator, "jobs", pattern, target)
    batch.define("observed", "import sys; sys.exit(3)", retryStrategy={"attempts": 2})
    job_id = batch.submit("observed", tags={"run": "r1"})
    expected = ["SUBMITTED", "RUNNABLE", "STARTING", "RUNNING", "RUNNABLE", "STARTING", "RUNNING", "FAILED"]
    events = wait_until(
        lambda: (found := recorded(emulator, "job-events"))[len(expected) - 1 :] and found, what="all events"
    )
    assert [event["detail"]["status"] for event in events] == expected
    last = events[-1]
    job = batch.job(job_id)
    assert last["resources"] == [job["jobArn"]]
    assert last["detail"]["tags"] == {"run": "r1", "resourceArn": job["jobArn"]}
    assert last["detail"]["statusReason"] == "Essential container in task exited"
    assert [attempt["container"]["exitCode"] for attempt in last["detail"]["attempts"]] == [3, 3]
    assert last["detail"]["retryStrategy"]["attempts"] == 2
    names = (
        "jobName",
        "jobId",
        "jobQueue",
        "jobDefinition",
        "parameters",
        "createdAt",
        "startedAt",
        "stoppedAt",
    )
    assert all(last["detail"][name] == job[name] for name in names)


def test_execution_status_changes(emulator: Emulator) -> None:
    target = make_recorder(emulator, "execution-events")
    make_rule(emulator, "executions", {"source": ["aws.states"]}, target)
    wait = {"Type": "Wait", "Seconds": 30, "End": True}
    good = Machine(emulator, "good", {"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    bad = Machine(
        emulator, "bad", {"StartAt": "A", "States": {"A": {"Type": "Fail", "Error": "E", "Cause": "c"}}}
    )
    late = Machine(emulator, "late", {"StartAt": "A", "States": {"A": wait}, "TimeoutSeconds": 1})
    stopped = Machine(emulator, "stopped", {"StartAt": "A", "States": {"A": wait}})
    arns = [machine.start() for machine in (good, bad, late, stopped)]
    stopped.client.stop_execution(executionArn=arns[3], error="Stop", cause="the person asked")

    def events() -> dict[str, list]:
        by_execution: dict[str, list] = {arn: [] for arn in arns}
        for event in recorded(emulator, "execution-events"):
            by_execution[event["detail"]["executionArn"]].append(event["detail"])
        return by_execution

    wait_until(lambda: all(len(details) == 2 for details in events().values()), what="all events")
    statuses = [[detail["status"] for detail in events()[arn]] for arn in arns]
    ends = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
    assert statuses == [["RUNNING", end] for end in ends]
    failed, aborted = events()[arns[1]][1], events()[arns[3]][1]
    assert (failed["error"], failed["cause"]) == ("E", "c")
    assert (aborted["error"], aborted["cause"]) == ("Stop", "the person asked")


def test_a_function_that_throws_is_tried_again_then_its_dead_letter_queue_is_used(emulator: Emulator) -> None:
    sqs = emulator.client("sqs")
    url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    code = "export const handler = async () => { throw new Error('no'); };"
    target = make_function(emulator, "throws", code, DeadLetterConfig={"TargetArn": arn})
    emulator.client("lambda").put_function_event_invoke_config(FunctionName="throws", MaximumRetryAttempts=1)
    make_rule(emulator, "to-throws", {"source": ["test"]}, target)
    emulator.client("events").put_events(
        Entries=[{"Source": "test", "DetailType": "t", "Detail": '{"n": 1}'}]
    )
    message = wait_until(
        lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"), what="a dead letter"
    )[0]
    assert json.dumps({"n": 1}) in message["Body"].replace('\\"', '"')
    invocations = emulator.client("logs").filter_log_events(
        logGroupName="/aws/lambda/throws", filterPattern="START"
    )["events"]
    assert len(invocations) == 2

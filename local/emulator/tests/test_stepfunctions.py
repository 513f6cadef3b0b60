"""Step Functions: Batch jobs and Lambda functions as tasks, and how executions end."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.harness import Batch, Emulator, Machine, make_function, wait_until

SYNC = "arn:aws:states:::batch:submitJob.sync"
INVOKE = "arn:aws:states:::lambda:invoke"


def job_state(batch: Batch, definition: str, **more: Any) -> dict[str, Any]:
    arguments = {"JobName": "from-states", "JobDefinition": definition, "JobQueue": batch.queue}
    arguments.update(more.pop("Arguments", {}))
    return {"Type": "Task", "Resource": SYNC, "Arguments": arguments, "End": True, **more}


def machine_of(emulator: Emulator, name: str, state: dict[str, Any], **more: Any) -> Machine:
    states = {"Task": state, **more.pop("States", {})}
    return Machine(emulator, name, {"StartAt": "Task", "States": states, **more})


def started_job(batch: Batch, name: str) -> str:
    filters = [{"name": "JOB_NAME", "values": [name]}]

    def find() -> str | None:
        jobs = batch.client.list_jobs(jobQueue=batch.queue, filters=filters)["jobSummaryList"]
        return jobs[0]["jobId"] if jobs and jobs[0]["status"] == "RUNNING" else None

    return wait_until(find, what=f"{name} running")


def test_a_job_as_a_task(emulator: Emulator, batch: Batch) -> None:
    code = "import os, sys; print(os.environ['Step'], sys.argv[1])"
    batch.define("task", containerProperties={"command": [code, "Ref::size"]})
    arguments = {
        "JobName": "{% 'task-' & $states.context.Execution.Name %}",
        "Parameters": {"size": "{% $states.input.size %}"},
        "ContainerOverrides": {"Environment": [{"Name": "Step", "Value": "train"}]},
        "Timeout": {"AttemptDurationSeconds": 60},
        "RetryStrategy": {"Attempts": 2, "EvaluateOnExit": [{"OnReason": "*", "Action": "EXIT"}]},
        "Tags": {"runId": "{% $states.input.runId %}"},
        "PropagateTags": True,
        "JobQueue": batch.make_shared_queue("shared-queue"),
        "ShareIdentifier": "team",
    }
    output = {"id": "{% $states.result.JobId %}", "code": "{% $states.result.Container.ExitCode %}"}
    machine = machine_of(emulator, "task", job_state(batch, "task", Arguments=arguments, Output=output))
    arn = machine.start({"size": "xl", "runId": "r7"}, name="e1")
    result = json.loads(machine.ended(arn)["output"])
    assert result["code"] == 0
    job = batch.job(result["id"])
    assert (job["jobName"], job["tags"], job["parameters"]) == ("task-e1", {"runId": "r7"}, {"size": "xl"})
    assert (job["propagateTags"], job["shareIdentifier"]) == (True, "team")
    assert (job["timeout"], job["retryStrategy"]["attempts"]) == ({"attemptDurationSeconds": 60}, 2)
    assert batch.output(result["id"]) == ["train xl"]


def test_a_failed_job_is_a_failed_task(emulator: Emulator, batch: Batch) -> None:
    batch.define("fails", "import sys; sys.exit(9)")
    catch = {
        "ErrorEquals": ["States.TaskFailed"],
        "Output": {
            "error": "{% $states.errorOutput.Error %}",
            "job": "{% $parse($states.errorOutput.Cause) %}",
        },
        "Next": "Caught",
    }
    state = job_state(batch, "fails", Catch=[catch])
    machine = machine_of(emulator, "fails", state, States={"Caught": {"Type": "Succeed"}})
    caught = json.loads(machine.run()["output"])
    assert caught["error"] == "States.TaskFailed"
    assert caught["job"]["Status"] == "FAILED"
    assert caught["job"]["Attempts"][0]["Container"]["ExitCode"] == 9
    assert caught["job"]["StatusReason"] == "Essential container in task exited"


def test_a_job_that_batch_refuses(emulator: Emulator, batch: Batch) -> None:
    execution = machine_of(emulator, "refused", job_state(batch, "no-such-definition")).run()
    assert (execution["status"], execution["error"]) == ("FAILED", "Batch.ClientException")


def test_a_task_that_times_out_terminates_its_job(emulator: Emulator, batch: Batch) -> None:
    batch.define("forever", "import time; time.sleep(60)")
    state = job_state(
        batch, "forever", Arguments={"JobName": "timed"}, TimeoutSeconds="{% $states.input.limit %}"
    )
    machine = machine_of(emulator, "timed", state)
    arn = machine.start({"limit": 1})
    job_id = started_job(batch, "timed")
    execution = machine.ended(arn)
    assert (execution["status"], execution["error"]) == ("FAILED", "States.Timeout")
    job = batch.ended(job_id)
    assert (job["status"], job["statusReason"]) == ("FAILED", "The Step Functions task timed out")


def test_stop_execution_terminates_the_job_and_nothing_follows(emulator: Emulator, batch: Batch) -> None:
    state = job_state(
        batch,
        "forever",
        Arguments={"JobName": "stopped"},
        Retry=[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1}],
        Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Never"}],
    )
    machine = machine_of(emulator, "stopped", state, States={"Never": {"Type": "Succeed"}})
    arn = machine.start()
    job_id = started_job(batch, "stopped")
    machine.client.stop_execution(executionArn=arn, cause="enough")
    assert batch.ended(job_id)["statusReason"] == "The Step Functions execution is ABORTED"
    execution = machine.execution(arn)
    assert (execution["status"], execution["cause"]) == ("ABORTED", "enough")
    history = machine.client.get_execution_history(executionArn=arn)["events"]
    types = [event["type"] for event in history]
    assert types.count("TaskScheduled") == 1
    assert not {"ExecutionFailed", "ExecutionSucceeded", "SucceedStateEntered"} & set(types)


def test_a_machine_that_times_out_terminates_the_job(emulator: Emulator, batch: Batch) -> None:
    state = job_state(batch, "forever", Arguments={"JobName": "machine-timed"})
    machine = machine_of(emulator, "machine-timed", state, TimeoutSeconds=1)
    arn = machine.start()
    job_id = started_job(batch, "machine-timed")
    assert machine.ended(arn)["status"] == "TIMED_OUT"
    assert batch.ended(job_id)["statusReason"] == "The Step Functions execution is TIMED_OUT"


def test_errors_of_a_function_by_name(emulator: Emulator) -> None:
    code = """
    let calls = 0;
    export const handler = async (event) => {
      calls += 1;
      if (calls < event.succeedAt) {
        const error = new Error("call " + calls); error.name = event.name; throw error;
      }
      return { calls };
    };
    """
    function = make_function(emulator, "named", code)
    state = {
        "Type": "Task",
        "Resource": INVOKE,
        "Arguments": {"FunctionName": function, "Payload": "{% $states.input %}"},
        "Output": "{% $states.result.Payload %}",
        "Retry": [
            {"ErrorEquals": ["Transient"], "IntervalSeconds": 1, "MaxDelaySeconds": 1, "MaxAttempts": 2}
        ],
        "Catch": [{"ErrorEquals": ["Permanent"], "Output": "{% $states.errorOutput %}", "Next": "Caught"}],
        "End": True,
    }
    machine = machine_of(emulator, "named", state, States={"Caught": {"Type": "Succeed"}})
    # One worker served all three calls: an error does not cost a cold start.
    assert json.loads(machine.run({"name": "Transient", "succeedAt": 3})["output"]) == {"calls": 3}
    caught = json.loads(machine.run({"name": "Permanent", "succeedAt": 99})["output"])
    assert caught["Error"] == "Permanent"
    cause = json.loads(caught["Cause"])
    assert (cause["errorType"], cause["errorMessage"]) == ("Permanent", "call 4")
    uncaught = machine.run({"name": "Other", "succeedAt": 99})
    assert (uncaught["status"], uncaught["error"]) == ("FAILED", "Other")


def test_jsonata(emulator: Emulator) -> None:
    states = {
        "First": {
            "Type": "Pass",
            "Assign": {"name": "{% $states.context.Execution.Name %}", "n": "{% $states.input.n + 1 %}"},
            "Output": {"n": "{% $states.input.n %}"},
            "Next": "Which",
        },
        "Which": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $n > 5 %}", "Output": {"big": True}, "Next": "Wait"}],
            "Default": "Small",
        },
        "Wait": {"Type": "Wait", "Seconds": "{% 0 %}", "Next": "Done"},
        "Done": {
            "Type": "Succeed",
            "Output": {"name": "{% $name %}", "n": "{% $n %}", "in": "{% $states.input %}"},
        },
        "Small": {"Type": "Fail", "Error": "{% 'Too' & 'Small' %}", "Cause": "{% $string($n) %}"},
    }
    machine = Machine(emulator, "jsonata", {"StartAt": "First", "States": states})
    arn = machine.start({"n": 9}, name="nine")
    assert json.loads(machine.ended(arn)["output"]) == {"name": "nine", "n": 10, "in": {"big": True}}
    small = machine.run({"n": 1})
    assert (small["status"], small["error"], small["cause"]) == ("FAILED", "TooSmall", "2")


def test_a_parallel_state_in_jsonata(emulator: Emulator) -> None:
    parallel = {
        "Type": "Parallel",
        "Arguments": {"n": "{% $states.input.n + 1 %}"},
        "Branches": [
            {
                "StartAt": "Small",
                "States": {
                    "Small": {
                        "Type": "Choice",
                        "Choices": [{"Condition": "{% $states.input.n > 5 %}", "Next": "Big"}],
                        "Default": "Fine",
                    },
                    "Fine": {"Type": "Succeed"},
                    "Big": {"Type": "Fail", "Error": "TooBig", "Cause": "{% $string($states.input.n) %}"},
                },
            }
        ],
        "Assign": {"kept": "{% $states.result[0].n %}"},
        "Output": {},
        "Catch": [
            {
                "ErrorEquals": ["States.ALL"],
                "Assign": {"kept": "{% $states.errorOutput.Error %}"},
                "Next": "Done",
            }
        ],
        "Next": "Done",
    }
    states = {"Task": parallel, "Done": {"Type": "Succeed", "Output": {"kept": "{% $kept %}"}}}
    machine = Machine(emulator, "parallel", {"StartAt": "Task", "States": states})
    assert json.loads(machine.run({"n": 1})["output"]) == {"kept": 2}
    assert json.loads(machine.run({"n": 5})["output"]) == {"kept": "TooBig"}


def test_execution_names_are_unique(emulator: Emulator) -> None:
    wait = {"Type": "Wait", "Seconds": 30, "End": True}
    machine = Machine(emulator, "unique", {"StartAt": "A", "States": {"A": wait}})
    arn = machine.start({"a": 1}, name="one")
    assert machine.start({"a": 1}, name="one") == arn
    with pytest.raises(ClientError) as error:
        machine.start({"a": 2}, name="one")
    assert error.value.response["Error"]["Code"] == "ExecutionAlreadyExists"
    machine.client.stop_execution(executionArn=arn)
    with pytest.raises(ClientError):
        machine.start({"a": 1}, name="one")


def test_an_alias_runs_its_version(emulator: Emulator) -> None:
    def definition(number: int) -> str:
        states = {"A": {"Type": "Pass", "Output": {"version": number}, "End": True}}
        return json.dumps({"QueryLanguage": "JSONata", "StartAt": "A", "States": states})

    machine = Machine(emulator, "versioned", json.loads(definition(1)))
    client = machine.client
    first = client.publish_state_machine_version(stateMachineArn=machine.arn)["stateMachineVersionArn"]
    routing = [{"stateMachineVersionArn": first, "weight": 100}]
    alias = client.create_state_machine_alias(name="live", routingConfiguration=routing)[
        "stateMachineAliasArn"
    ]
    client.update_state_machine(stateMachineArn=machine.arn, definition=definition(2))

    def run(arn: str) -> dict:
        return machine.ended(machine.start(stateMachineArn=arn))

    through_alias = run(alias)
    assert json.loads(through_alias["output"]) == {"version": 1}
    assert through_alias["stateMachineAliasArn"] == alias
    assert through_alias["stateMachineVersionArn"] == first
    assert through_alias["stateMachineArn"] == machine.arn
    assert json.loads(run(first)["output"]) == {"version": 1}
    assert json.loads(run(machine.arn)["output"]) == {"version": 2}
    second = client.publish_state_machine_version(stateMachineArn=machine.arn)["stateMachineVersionArn"]
    routing = [{"stateMachineVersionArn": second, "weight": 100}]
    client.update_state_machine_alias(stateMachineAliasArn=alias, routingConfiguration=routing)
    assert json.loads(run(alias)["output"]) == {"version": 2}
    listed = client.list_executions(stateMachineArn=machine.arn)["executions"]
    assert len(listed) == 4

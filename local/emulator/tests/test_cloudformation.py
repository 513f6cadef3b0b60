"""Stacks: every type that the template needs, updates in place, failures that roll back."""

import json
from urllib.error import HTTPError

import pytest

from tests.harness import Emulator
from tests.template import Stack, resource


@pytest.fixture(scope="module")
def stack(emulator: Emulator) -> Stack:
    stack = Stack(emulator)
    stack.deploy("one")
    return stack


def test_create(stack: Stack) -> None:
    observed = stack.observed()
    assert stack.status() == "CREATE_COMPLETE"
    assert observed["ttl"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}
    [definition] = observed["definitions"]
    assert definition["timeout"] == {"attemptDurationSeconds": 3600}
    assert definition["retryStrategy"] == {
        "attempts": 1,
        "evaluateOnExit": [{"onReason": "*", "action": "EXIT"}],
    }
    assert definition["parameters"] == {"MixedCase": "Kept"}
    assert definition["propagateTags"] is True
    [queue] = observed["queues"]
    assert queue["schedulingPolicyArn"].startswith("scheduling-policy")
    [compute] = observed["compute"]
    assert (compute["type"], compute["computeResources"]["maxvCpus"]) == ("MANAGED", 8)
    assert any(rule.get("FromPort") == 443 for rule in observed["ingress"])
    assert stack.call_api() == {"version": "one", "path": "/v1/runs"}
    assert stack.job_output(stack.run("first")) == ["one"]


def test_a_function_that_throws_behind_the_api(stack: Stack) -> None:
    with pytest.raises(HTTPError) as error:
        stack.call_api("?throw=1")
    assert (error.value.code, json.load(error.value)) == (500, {"message": "Internal Server Error"})


def test_update_in_place(stack: Stack) -> None:
    before = dict(stack.outputs)
    stack.deploy("two")
    after = stack.outputs
    for name in ("ApiId", "Alias", "Table", "Bucket", "Queue", "JobLogs"):
        assert after[name] == before[name]
    assert (before["Definition"][-2:], after["Definition"][-2:]) == (":1", ":2")
    assert (before["Version"][-2:], after["Version"][-2:]) == (":1", ":2")
    assert stack.observed()["routing"] == [{"stateMachineVersionArn": after["Version"], "weight": 100}]
    assert [entry["revision"] for entry in stack.observed()["definitions"]] == [2]
    assert stack.call_api()["version"] == "two"
    assert stack.job_output(stack.run("second")) == ["two"]


def test_a_failed_update_rolls_back_and_can_be_repeated(stack: Stack) -> None:
    bad = resource("EC2::SecurityGroupIngress", GroupId="sg-none", IpProtocol="-1", CidrIp="0.0.0.0/0")
    with pytest.raises(AssertionError, match="sg-none does not exist"):
        stack.deploy("three", {"Bad": {**bad, "DependsOn": ["Alias", "ApiRoute", "Parameter"]}})
    assert stack.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.observed()["version"] == "two"
    assert stack.call_api()["version"] == "two"
    assert stack.job_output(stack.run("third")) == ["two"]
    stack.deploy("four")
    assert stack.call_api()["version"] == "four"
    assert stack.job_output(stack.run("fourth")) == ["four"]


def test_delete(stack: Stack) -> None:
    stack.cloudformation.delete_stack(StackName=stack.NAME)
    waiter = stack.cloudformation.get_waiter("stack_delete_complete")
    waiter.wait(StackName=stack.NAME, WaiterConfig={"Delay": 0.1, "MaxAttempts": 200})
    batch = stack.client("batch")
    assert batch.describe_job_queues()["jobQueues"] == []
    assert batch.describe_compute_environments()["computeEnvironments"] == []
    assert batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"] == []

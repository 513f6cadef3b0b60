"""Requests that fail, functions that die between their writes, events that come twice, late or never."""

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

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

# A function that writes three items, one after the other, and says how far it has come.
WRITER = """
const send = async (operation, body) => {
  const response = await fetch(process.env.AWS_ENDPOINT_URL, {
    method: "POST",
    headers: {
      "x-amz-target": `DynamoDB_20120810.${operation}`,
      "content-type": "application/x-amz-json-1.0",
      "x-amzn-trace-id": process.env._X_AMZN_TRACE_ID,
      authorization: "AWS4-HMAC-SHA256 Credential=000000000000/20261124/us-east-1/dynamodb/aws4_request, " +
        "SignedHeaders=host, Signature=none",
    },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(await response.text());
};
export const handler = async ({ name }) => {
  await send("Scan", { TableName: "writes" });
  for (const number of [1, 2, 3])
    await send("PutItem", { TableName: "writes", Item: { id: { S: `${name}-${number}` } } });
  return name;
};
"""


@pytest.fixture(autouse=True)
def calm(emulator: Emulator) -> Iterator[None]:
    yield
    emulator.chaos()


@pytest.fixture(scope="module")
def table(emulator: Emulator) -> Any:
    client = emulator.client("dynamodb")
    client.create_table(
        TableName="writes",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


@pytest.fixture(scope="module")
def writer(emulator: Emulator, table: Any) -> str:
    return make_function(emulator, "team-FlowWriter1A2B", WRITER, TracingConfig={"Mode": "Active"})


@pytest.fixture(scope="module")
def bucket(emulator: Emulator) -> Any:
    client = emulator.client("s3")
    client.create_bucket(Bucket="faulty")
    return client


def fail(service: str, error: str, **more: Any) -> dict[str, Any]:
    return {"kind": "fail-request", "service": service, "error": error, **more}


def error_of(call: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def test_s3_is_slow_for_some_keys(emulator: Emulator, bucket: Any) -> None:
    emulator.chaos(fail("s3", "throttled", operation="PutObject", key="runs/", times=1))
    bucket.put_object(Bucket="faulty", Key="models/1", Body=b"1")
    assert error_of(lambda: bucket.put_object(Bucket="faulty", Key="runs/1", Body=b"1")) == (503, "SlowDown")
    bucket.put_object(Bucket="faulty", Key="runs/1", Body=b"1")
    emulator.chaos(fail("s3", "internal-error", operation="GetObject"))
    assert error_of(lambda: bucket.get_object(Bucket="faulty", Key="runs/1")) == (500, "InternalError")
    keys = bucket.list_objects_v2(Bucket="faulty")["Contents"]
    assert [entry["Key"] for entry in keys] == ["models/1", "runs/1"]
    # An answer to HEAD has no body to say it in.
    emulator.chaos(fail("s3", "throttled", operation="HeadObject"))
    assert error_of(lambda: bucket.head_object(Bucket="faulty", Key="runs/1"))[0] == 503


@pytest.mark.parametrize("carried_out", [False, True])
def test_a_connection_is_reset(emulator: Emulator, bucket: Any, carried_out: bool) -> None:
    emulator.chaos(fail("s3", "reset", operation="PutObject", times=1, carriedOut=carried_out))
    key = f"reset-{carried_out}"
    with pytest.raises((ConnectionClosedError, http.client.RemoteDisconnected, ConnectionResetError)):
        bucket.put_object(Bucket="faulty", Key=key, Body=b"1")
    found = bucket.list_objects_v2(Bucket="faulty", Prefix=key).get("Contents", [])
    assert len(found) == int(carried_out)


def test_other_services_in_their_own_words(emulator: Emulator, table: Any, batch: Batch) -> None:
    states = emulator.client("stepfunctions")
    emulator.chaos(
        fail("dynamodb", "throttled", run="R1"),
        fail("states", "throttled", operation="ListStateMachines"),
        fail("batch", "throttled", operation="ListJobs"),
        fail("batch", "internal-error", operation="DescribeJobs"),
    )
    item = {"TableName": "writes", "Item": {"id": {"S": "R1"}}}
    assert error_of(lambda: table.put_item(**item)) == (400, "ProvisionedThroughputExceededException")
    table.put_item(TableName="writes", Item={"id": {"S": "R2"}})
    assert error_of(states.list_state_machines) == (400, "ThrottlingException")
    assert error_of(lambda: batch.client.list_jobs(jobQueue=batch.queue)) == (429, "TooManyRequestsException")
    assert error_of(lambda: batch.client.describe_jobs(jobs=["any"])) == (500, "ServerException")


@pytest.mark.parametrize(
    ("error", "name"), [("throttled", "Batch.AWSBatchException"), ("internal-error", "Batch.ServerException")]
)
def test_a_state_machine_hears_that_batch_refuses(
    emulator: Emulator, batch: Batch, error: str, name: str
) -> None:
    batch.define("brief")
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::batch:submitJob.sync",
        "Arguments": {"JobName": "job", "JobDefinition": "brief", "JobQueue": batch.queue},
        "Retry": [{"ErrorEquals": [name], "IntervalSeconds": 1, "MaxAttempts": 1}],
        "End": True,
    }
    machine = Machine(emulator, f"submits-{error}", {"StartAt": "Job", "States": {"Job": state}})
    emulator.chaos(fail("batch", error, operation="SubmitJob", times=1))
    assert machine.run()["status"] == "SUCCEEDED"
    emulator.chaos(fail("batch", error, operation="SubmitJob", times=2))
    failed = machine.run()
    assert (failed["status"], failed["error"]) == ("FAILED", name)


def written(table: Any, name: str) -> list[str]:
    ids = [item["id"]["S"] for item in table.scan(TableName="writes")["Items"]]
    return sorted(item for item in ids if item.startswith(f"{name}-"))


@pytest.mark.parametrize(
    ("name", "moment", "left"),
    [
        ("a", {"beforeWrite": 1}, 0),
        ("b", {"afterWrites": 1}, 1),
        ("c", {"beforeWrite": 3}, 2),
        ("d", {"afterWrites": 3}, 3),
    ],
)
def test_a_function_is_killed_between_two_writes(
    emulator: Emulator, table: Any, writer: str, name: str, moment: dict[str, int], left: int
) -> None:
    emulator.chaos({"kind": "kill-function", "function": "FlowWriter", "run": f'"{name}"', **moment})

    def invoke(value: str) -> tuple[str | None, Any]:
        answer = emulator.client("lambda").invoke(FunctionName=writer, Payload=json.dumps({"name": value}))
        return answer.get("FunctionError"), json.loads(answer["Payload"].read())

    assert invoke(f"other-{name}") == (None, f"other-{name}")
    error, payload = invoke(name)
    assert (error, payload["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert "Runtime exited" in payload["errorMessage"]
    assert len(written(table, name)) == left
    # Once: the next one has a process of its own, and gets to its end.
    assert invoke(name) == (None, name)
    assert len(written(table, name)) == 3


def test_a_state_machine_sees_a_runtime_that_exited(emulator: Emulator, writer: str) -> None:
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": writer, "Payload": {"name": "machine"}},
        "End": True,
    }
    machine = Machine(emulator, "calls-writer", {"StartAt": "Write", "States": {"Write": state}})
    emulator.chaos({"kind": "kill-function", "function": "FlowWriter", "afterWrites": 2})
    failed = machine.run()
    assert (failed["status"], failed["error"]) == ("FAILED", "Runtime.ExitError")


def test_events_that_come_twice_late_or_never(emulator: Emulator) -> None:
    target = make_recorder(emulator, "disturbed")
    make_rule(emulator, "disturbed", {"source": ["test"]}, target)

    def disturb(action: str, **more: Any) -> dict[str, Any]:
        return {"kind": "disturb-event", "action": action, "detailType": "news", **more}

    emulator.chaos(
        disturb("drop", status="FAILED"),
        disturb("duplicate", status="SUCCEEDED", times=1),
        disturb("delay", run="late", delaySeconds=1.2),
    )
    details = [{"status": "FAILED"}, {"status": "RUNNING", "id": "late"}, {"status": "SUCCEEDED"}]
    entries = [{"Source": "test", "DetailType": "news", "Detail": json.dumps(detail)} for detail in details]
    answer = emulator.client("events").put_events(Entries=entries)
    assert (answer["FailedEntryCount"], len({entry["EventId"] for entry in answer["Entries"]})) == (0, 3)
    put_at = int(time.time())
    seen = wait_until(lambda: (found := recorded(emulator, "disturbed"))[2:] and found, what="three events")
    assert [event["detail"]["status"] for event in seen] == ["SUCCEEDED", "SUCCEEDED", "RUNNING"]
    # A late event says when it happened, not when it came.
    at = time.strptime(seen[2]["time"], "%Y-%m-%dT%H:%M:%SZ")
    assert abs(time.mktime(at) - time.timezone - put_at) <= 1


def test_chaos_over_http(emulator: Emulator) -> None:
    emulator.chaos({"kind": "no-image", "run": "nobody"}, timeScale=0.5)
    shown = emulator.chaos({"kind": "slow-start", "seconds": 1, "run": "nobody"}, method="POST")
    assert shown == emulator.get("/_roslin/chaos")
    assert shown == {
        "timeScale": 0.5,
        "rules": [
            {"kind": "no-image", "run": "nobody", "applied": 0},
            {"kind": "slow-start", "run": "nobody", "seconds": 1, "applied": 0},
        ],
    }
    with pytest.raises(HTTPError) as refused:
        emulator.chaos({"kind": "earthquake"})
    assert refused.value.code == 400
    assert "rules[0].kind is 'earthquake'" in json.load(refused.value)["message"]
    assert emulator.get("/_roslin/chaos") == shown
    assert emulator.send("DELETE", "/_roslin/chaos", None) == {"timeScale": 1.0, "rules": []}

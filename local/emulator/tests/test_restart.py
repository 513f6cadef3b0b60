"""What is still there after a restart, orderly or by kill -9, and what becomes of unfinished work."""

import json
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from tests.harness import Batch, Emulator, Machine, make_recorder, make_rule, recorded, wait_until
from tests.template import Stack

HOST_REASON = "Host EC2 (embedded AWS) terminated: the emulator was stopped"


def saved(emulator: Emulator) -> None:
    """Wait for a snapshot that began after this call: the second of two that show a change made here."""
    index = emulator.directory / "state" / "services" / "state.json"

    def content() -> str:
        return index.read_text() if index.exists() else ""

    for value in ("one", "two"):
        before = content()
        emulator.client("ssm").put_parameter(Name="/saved", Value=value, Type="String", Overwrite=True)
        wait_until(partial(lambda before: content() != before, before), 8, "a snapshot")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_unfinished_work_is_ended_and_announced(tmp_path: Path, number: int) -> None:
    emulator = Emulator(tmp_path, slots=1, grace_seconds=1).start()
    batch = Batch(emulator)
    target = make_recorder(emulator, "events")
    make_rule(emulator, "all", {"source": ["aws.batch", "aws.states"]}, target)
    batch.define("forever", "import time; print('hello'); time.sleep(60)")
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::batch:submitJob.sync",
        "Arguments": {"JobName": "forever", "JobDefinition": "forever", "JobQueue": batch.queue},
        "End": True,
    }
    machine = Machine(emulator, "machine", {"StartAt": "A", "States": {"A": state}})
    execution = machine.start(name="interrupted")
    running = wait_until(
        lambda: [job for job in batch.client.list_jobs(jobQueue=batch.queue)["jobSummaryList"]],
        what="a running job",
    )[0]["jobId"]
    queued = batch.submit("forever")
    batch.define("brief", "")
    stream = batch.job(running)["container"]["logStreamName"]
    wait_until(lambda: batch.lines(stream), what="its first line")
    wait_until(lambda: len(recorded(emulator, "events")) >= 7, what="events so far")
    if number == signal.SIGKILL:
        saved(emulator)
    emulator.stop(number)
    emulator.start()

    interrupted = machine.execution(execution)
    assert (interrupted["status"], interrupted["error"]) == ("ABORTED", "Roslin.EmulatorRestarted")
    assert "restarted" in interrupted["cause"]
    for job_id in (running, queued):
        job = batch.job(job_id)
        assert (job["status"], job["statusReason"]) == ("FAILED", HOST_REASON)
        assert job["stoppedAt"]
    assert [attempt["statusReason"] for attempt in batch.job(running)["attempts"]] == [HOST_REASON]
    assert batch.job(queued)["attempts"] == []
    assert batch.lines(stream) == ["hello"]

    def ends() -> set:
        details = [event["detail"] for event in recorded(emulator, "events")]
        return {
            (detail.get("jobId") or detail["name"], detail["status"])
            for detail in details
            if detail["status"] in ("FAILED", "ABORTED")
        }

    expected = {(running, "FAILED"), (queued, "FAILED"), ("interrupted", "ABORTED")}
    wait_until(lambda: ends() == expected, what="the events of their end")
    # And everything goes on.
    assert batch.ended(batch.submit("brief"))["status"] == "SUCCEEDED"
    emulator.stop()
    emulator.start()
    time.sleep(0.5)
    assert ends() == expected
    emulator.stop()


def test_an_end_that_nobody_may_have_heard_is_announced_again(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path).start()
    target = make_recorder(emulator, "events")
    make_rule(emulator, "ends", {"source": ["aws.states"], "detail": {"status": ["FAILED"]}}, target)
    machine = Machine(
        emulator, "machine", {"StartAt": "A", "States": {"A": {"Type": "Fail", "Error": "Own"}}}
    )
    machine.start(name="failing")
    wait_until(lambda: len(recorded(emulator, "events")) == 1, what="the event of its end")
    emulator.stop()
    emulator.start()
    wait_until(lambda: len(recorded(emulator, "events")) == 2, what="the event once more")
    first, again = recorded(emulator, "events")
    assert again["detail"] == first["detail"]
    emulator.stop()


def test_everything_that_was_deployed_comes_back(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path).start()
    stack = Stack(emulator)
    stack.deploy("one")
    body = bytes(range(256)) * 8192
    s3 = emulator.client("s3")
    s3.put_object(Bucket=stack.outputs["Bucket"], Key="a/large", Body=body, Metadata={"k": "v"})
    s3.put_object(Bucket=stack.outputs["Bucket"], Key="a/small", Body=b"small")
    ran = stack.run("before")
    before = stack.observed()
    saved(emulator)
    emulator.stop(signal.SIGKILL)
    emulator.start()
    assert stack.observed() == before
    assert stack.observed()["version"] == "one"
    large = s3.get_object(Bucket=stack.outputs["Bucket"], Key="a/large")
    assert (large["Body"].read() == body, large["Metadata"]) == (True, {"k": "v"})
    assert s3.get_object(Bucket=stack.outputs["Bucket"], Key="a/small")["Body"].read() == b"small"
    assert stack.client("stepfunctions").describe_execution(executionArn=ran)["status"] == "SUCCEEDED"
    assert stack.call_api() == {"version": "one", "path": "/v1/runs"}
    stack.run("after")
    stack.deploy("two")
    assert stack.observed()["version"] == "two"
    assert stack.call_api()["version"] == "two"
    emulator.stop()


def test_a_transaction_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path).start()
    client = emulator.client("dynamodb")
    client.create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )

    def put(key: str) -> dict:
        # So much in each that it takes a while to copy them all.
        values = {"M": {str(number): {"N": "1"} for number in range(10)}}
        return {"PutRequest": {"Item": {"pk": {"S": key}, "values": values}}}

    def update(key: str, number: int) -> dict:
        values = {":n": {"N": str(number)}}
        request = {"UpdateExpression": "SET n = :n", "ExpressionAttributeValues": values}
        return {"Update": {"TableName": "table", "Key": {"pk": {"S": key}}, **request}}

    # What lies between the two that each transaction changes.
    names = ["first", *(f"between-{number}" for number in range(1499))]
    for start in range(0, len(names), 25):
        client.batch_write_item(RequestItems={"table": [put(name) for name in names[start : start + 25]]})
    services = tmp_path / "state" / "services"
    snapshots: dict[str, dict] = {}
    deadline = time.monotonic() + 30
    number = 0
    while len(snapshots) < 3 and time.monotonic() < deadline:
        number += 1
        new = {"Put": {"TableName": "table", "Item": {"pk": {"S": f"new-{number}"}}}}
        client.transact_write_items(TransactItems=[update("first", number), new, update("last", number)])
        index = services / "state.json"
        digest = json.loads(index.read_text()).get("dynamodb") if index.exists() else None
        if digest and digest not in snapshots:
            state = json.loads((services / f"dynamodb-{digest}.json").read_text())
            snapshots[digest] = next(iter(state["tables"]["data"].values()))["items"]
    assert len(snapshots) == 3
    for items in snapshots.values():
        first, last = (
            items.get(key, {}).get("__no_sort__", {}).get("n", {"N": "0"}) for key in ("first", "last")
        )
        assert first == last == {"N": str(sum(key.startswith("new-") for key in items))}
    emulator.stop()


def test_a_deployment_that_was_interrupted_can_be_repeated(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path).start()
    stack = Stack(emulator)
    stack.deploy("one")
    emulator.stop()
    # As a kill in the middle of a deployment leaves it.
    services = tmp_path / "state" / "services"
    index = json.loads((services / "state.json").read_text())
    file = services / f"cloudformation-{index['cloudformation']}.json"
    file.write_text(
        file.read_text().replace('"StackStatus": "CREATE_COMPLETE"', '"StackStatus": "UPDATE_IN_PROGRESS"')
    )
    emulator.start()
    assert stack.status() == "UPDATE_ROLLBACK_COMPLETE"
    stack.deploy("two")
    assert stack.observed()["version"] == "two"
    emulator.stop()


def test_a_bucket_that_was_never_saved_does_not_stand_in_the_way(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path).start()
    emulator.client("s3").create_bucket(Bucket="saved")
    emulator.stop()
    # Objects reach the disk at once, what else is known of a bucket only with the next snapshot.
    lost = tmp_path / "state" / "s3" / "000000000000" / "lost"
    lost.mkdir(parents=True)
    (lost / "key").write_bytes(b"x")
    emulator.start()
    s3 = emulator.client("s3")
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["saved"]
    s3.create_bucket(Bucket="lost")
    assert s3.list_objects_v2(Bucket="lost")["KeyCount"] == 0
    emulator.stop()

"""Jobs of several nodes: what each sees, how they end together, what the API says about them."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.harness import Batch, Emulator, wait_until

PRINT_NODE = """
import os, json, time
print(json.dumps({k: v for k, v in os.environ.items() if k.startswith(("AWS_BATCH_JOB", "A", "MASTER_"))}))
time.sleep(2)
"""
# Each of the others waits to be stopped; the main one as its argument says.
NODE = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(20))
if os.environ["AWS_BATCH_JOB_NODE_INDEX"] == sys.argv[1]:
    time.sleep(0.3)
    sys.exit(int(sys.argv[2]))
print("up", flush=True)
time.sleep(60)
"""


def define(batch: Batch, name: str, code: str, *arguments: str, nodes: int = 2, target: str = "0:") -> str:
    container = {"image": "python:3", "command": [code, *arguments], "vcpus": 1, "memory": 512}
    answer = batch.client.register_job_definition(
        jobDefinitionName=name,
        type="multinode",
        nodeProperties={
            "numNodes": nodes,
            "mainNode": 0,
            "nodeRangeProperties": [{"targetNodes": target, "container": container}],
        },
    )
    return answer["jobDefinitionArn"]


def nodes_of(batch: Batch, job_id: str, count: int = 2) -> list[dict[str, Any]]:
    ids = [f"{job_id}#{index}" for index in range(count)]
    return batch.client.describe_jobs(jobs=ids)["jobs"]


def ended_nodes(batch: Batch, job_id: str, count: int = 2) -> list[dict[str, Any]]:
    batch.ended(job_id)
    return nodes_of(batch, job_id, count)


def test_each_node_knows_its_place_and_where_the_main_one_is(batch: Batch) -> None:
    # The others end with the main one: it gives them time to print.
    define(batch, "places", PRINT_NODE, nodes=4)
    overrides = {
        "numNodes": 3,
        "nodePropertyOverrides": [
            {"targetNodes": "0:", "containerOverrides": {"environment": [{"name": "A", "value": "1"}]}}
        ],
    }
    job_id = batch.submit("places", nodeOverrides=overrides)
    nodes = ended_nodes(batch, job_id, 3)
    seen = [json.loads(batch.lines(node["container"]["logStreamName"])[0]) for node in nodes]
    assert [env["AWS_BATCH_JOB_NODE_INDEX"] for env in seen] == ["0", "1", "2"]
    assert [env["AWS_BATCH_JOB_ID"] for env in seen] == [f"{job_id}#{index}" for index in range(3)]
    assert {env["AWS_BATCH_JOB_NUM_NODES"] for env in seen} == {"3"}
    assert {env["AWS_BATCH_JOB_MAIN_NODE_INDEX"] for env in seen} == {"0"}
    address = "AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"
    assert [env.get(address) for env in seen] == [None, "127.0.0.1", "127.0.0.1"]
    assert {env["A"] for env in seen} == {"1"}
    assert len({env["MASTER_PORT"] for env in seen}) == 1


def test_the_job_ends_with_its_main_node_and_the_others_are_stopped(batch: Batch) -> None:
    define(batch, "main-ends", NODE, "0", "0")
    job_id = batch.submit("main-ends")
    job = batch.ended(job_id)
    assert (job["status"], job["statusReason"]) == ("SUCCEEDED", "Essential container in task exited")
    assert (job["nodeProperties"]["numNodes"], "container" in job) == (2, False)
    [attempt] = job["attempts"]
    assert attempt["container"]["exitCode"] == 0
    main, other = nodes_of(batch, job_id)
    assert [node["nodeDetails"]["isMainNode"] for node in (main, other)] == [True, False]
    assert (main["status"], main["container"]["exitCode"]) == ("SUCCEEDED", 0)
    assert (other["status"], other["container"]["exitCode"]) == ("FAILED", 20)
    assert main["stoppedAt"] <= other["stoppedAt"] <= job["stoppedAt"]


def test_a_node_that_dies_does_not_end_the_job(batch: Batch) -> None:
    define(batch, "node-dies", NODE, "1", "7")
    job_id = batch.submit("node-dies")
    wait_until(lambda: nodes_of(batch, job_id)[1]["status"] == "FAILED", 10, "the end of a node")
    assert batch.job(job_id)["status"] == "RUNNING"
    assert nodes_of(batch, job_id)[1]["container"]["exitCode"] == 7
    batch.client.terminate_job(jobId=job_id, reason="enough")
    job = batch.ended(job_id)
    assert (job["status"], job["statusReason"]) == ("FAILED", "enough")
    assert job["attempts"][0]["container"]["exitCode"] == 20


def test_a_job_that_never_starts_ends_with_all_its_nodes(emulator: Emulator, batch: Batch) -> None:
    emulator.chaos({"kind": "no-capacity", "run": "never"})
    define(batch, "never", NODE, "0", "0")
    job_id = batch.submit("never", name="never")
    batch.reached(job_id, "RUNNABLE")
    batch.client.cancel_job(jobId=job_id, reason="not now")
    assert {node["status"] for node in ended_nodes(batch, job_id)} == {"FAILED"}
    assert {node["statusReason"] for node in nodes_of(batch, job_id)} == {"not now"}
    emulator.chaos()


def test_lists_of_jobs(batch: Batch) -> None:
    define(batch, "listed", NODE, "0", "0")
    job_id = batch.submit("listed")
    batch.ended(job_id)
    named = {"name": "JOB_DEFINITION", "values": ["listed*"]}
    found = batch.client.list_jobs(jobQueue=batch.queue, filters=[named])["jobSummaryList"]
    assert [job["jobId"] for job in found] == [job_id]
    [other] = batch.client.list_jobs(multiNodeJobId=job_id, jobStatus="FAILED")["jobSummaryList"]
    assert other["jobId"] == f"{job_id}#1"
    assert other["nodeProperties"] == {"isMainNode": False, "nodeIndex": 1, "numNodes": 2}


@pytest.mark.parametrize(
    ("target", "overrides", "message"),
    [
        ("0:", {"containerOverrides": {"command": ["x"]}}, "containerOverrides must not be given"),
        ("0:1", {"nodeOverrides": {"numNodes": 3}}, "no upper end"),
        (
            "0:",
            {"nodeOverrides": {"nodePropertyOverrides": [{"targetNodes": "0:0"}]}},
            "matching targets - 0:0",
        ),
    ],
)
def test_refusals(batch: Batch, target: str, overrides: dict[str, Any], message: str) -> None:
    define(batch, "refused", NODE, "0", "0", target=target)
    with pytest.raises(ClientError, match=message):
        batch.submit("refused", **overrides)

"""machines/<job>.json, from a small metadata service and a stubbed EC2."""

import json
import time
from datetime import datetime, timezone

import boto3
import pytest
from botocore.stub import ANY, Stubber
from metadata_service import metadata_service

from roslin_trainer import real_machine
from roslin_trainer.engine import TorchEngine
from roslin_trainer.storage import LocalFolder

SPOT = {
    "instance-type": "p4d.24xlarge",
    "instance-life-cycle": "spot",
    "placement/availability-zone": "eu-west-1b",
    "placement/region": "eu-west-1",
    "instance-id": "i-0123456789abcdef0",
}


@pytest.fixture
def documents(monkeypatch):
    documents = dict(SPOT)
    with metadata_service(documents) as address:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", address)
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        # Batch's name of the first node of a job with several.
        monkeypatch.setenv("AWS_BATCH_JOB_ID", "job-1#0")
        yield documents


@pytest.fixture
def ec2(monkeypatch):
    """Refuses any question but the one it is told to expect; the region asked is noted."""
    client = boto3.client("ec2", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    stub = Stubber(client)
    stub.regions = []
    monkeypatch.setattr(real_machine, "ec2_client", lambda region: (stub.regions.append(region), client)[1])
    with stub:
        yield stub


def expect_price_question(ec2: Stubber, *prices: tuple[str, int]) -> None:
    history = [
        {"SpotPrice": price, "Timestamp": datetime(2026, 11, 24, hour, tzinfo=timezone.utc)}
        for price, hour in prices
    ]
    ec2.add_response(
        "describe_spot_price_history",
        {"SpotPriceHistory": history},
        {
            "InstanceTypes": ["p4d.24xlarge"],
            "ProductDescriptions": ["Linux/UNIX"],
            "AvailabilityZone": "eu-west-1b",
            "StartTime": ANY,
        },
    )


def trained(make_run, **limits):
    run = make_run(training={"method": "lora"})
    run.content["recipe"]["limits"] = {"maxHours": 1, **limits}
    run.write()
    run.step("prepare")
    return run


def test_spot_machine_is_written_with_the_newest_price_of_its_zone(make_run, documents, ec2, capsys):
    expect_price_question(ec2, ("7.9000", 8), ("8.1234", 9))
    run = trained(make_run)
    assert not (run.folder / "machines").exists(), "Prepare has no GPUs to pay for"
    assert run.step("train") == 0
    assert run.json("machines/job-1.json") == {
        "instanceType": "p4d.24xlarge",
        "purchase": "spot",
        "availabilityZone": "eu-west-1b",
        "instanceId": "i-0123456789abcdef0",
        "priceUsdPerHour": 8.1234,
    }
    assert ec2.regions == ["eu-west-1"]
    ec2.assert_no_pending_responses()
    said = capsys.readouterr().out
    line = "machine: p4d.24xlarge spot in eu-west-1b, $8.1234 an hour now (i-0123456789abcdef0)"
    assert said.index("train: run 01TEST") < said.index(line)


def test_evaluate_writes_its_machine_too(make_run, documents, ec2):
    documents["instance-life-cycle"] = "on-demand"
    run = trained(make_run)
    run.step("train")
    (run.folder / "machines/job-1.json").unlink()
    assert run.step("evaluate") == 0
    machine = run.json("machines/job-1.json")
    # The plan knows what it costs: EC2 is not asked.
    assert (machine["purchase"], machine["priceUsdPerHour"]) == ("on-demand", None)


@pytest.mark.parametrize("code", ["UnauthorizedOperation", None])
def test_price_that_cannot_be_had_is_null(documents, ec2, code):
    if code:
        ec2.add_client_error("describe_spot_price_history", code)
    else:
        expect_price_question(ec2)
    machine = real_machine.read_real_machine()
    assert machine.instance_id == "i-0123456789abcdef0" and machine.price_usd_per_hour is None


def test_nothing_is_written_where_there_is_no_metadata_service(make_run, monkeypatch):
    monkeypatch.setenv("AWS_BATCH_JOB_ID", "job-1")
    run = trained(make_run)
    assert run.step("train") == 0
    assert not (run.folder / "machines").exists()


def test_nothing_is_written_by_other_nodes_or_outside_of_batch(tmp_path, documents, monkeypatch):
    documents["instance-life-cycle"] = "on-demand"
    batch = {"AWS_BATCH_JOB_NUM_NODES": "2", "AWS_BATCH_JOB_MAIN_NODE_INDEX": "0"}
    batch |= {"AWS_BATCH_JOB_NODE_INDEX": "1", "AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS": "10.0.0.1"}
    with monkeypatch.context() as patch:
        for name, value in batch.items():
            patch.setenv(name, value)
        with real_machine.MachineReport(LocalFolder(tmp_path), tmp_path / "price"):
            pass
    with monkeypatch.context() as patch:
        patch.delenv("AWS_BATCH_JOB_ID")
        with real_machine.MachineReport(LocalFolder(tmp_path), tmp_path / "price"):
            pass
    assert list(tmp_path.iterdir()) == []
    with real_machine.MachineReport(LocalFolder(tmp_path), tmp_path / "price"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["machines"]


def test_price_holds_up_no_step_and_failing_to_write_fails_none(
    make_run, documents, ec2, monkeypatch, capsys
):
    def slowly(*_):
        time.sleep(0.5)
        raise OSError("the network is away")

    monkeypatch.setattr(real_machine, "spot_price_usd_per_hour", slowly)
    run = trained(make_run)
    assert run.step("train") == 0
    assert "machine: the network is away; the step goes on, and counts the plan's price" in (
        capsys.readouterr().out
    )


def test_budget_counts_the_real_price_once_it_is_known(make_run, documents, ec2, monkeypatch):
    """The plan says nothing is to pay; at Spot's real price the first step is too much."""
    expect_price_question(ec2, ("1000000", 9))
    run = trained(make_run, maxUsd=1)
    original = TorchEngine.accumulate

    def accumulate(self, *arguments):
        deadline = time.monotonic() + 5
        while not list(run.root.glob("scratch/*/price")) and time.monotonic() < deadline:
            time.sleep(0.01)
        return original(self, *arguments)

    monkeypatch.setattr(TorchEngine, "accumulate", accumulate)
    assert run.step("train") == 24
    error = run.json("error.json")
    assert error["code"] == "COST_LIMIT_REACHED" and "now at $1000000.00 an hour" in error["message"]
    assert json.loads((run.folder / "metrics.json").read_text())["costUsd"] > 1

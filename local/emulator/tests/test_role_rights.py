"""What the keys of a role may do, in a function's process and in a job's."""

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError

from tests.harness import ACCOUNT, REGION, Batch, Emulator, Keys, make_function

PRINT_KEYS = "import json, os; print(json.dumps(dict(os.environ)))"
BUCKET = "rights"


def make_role(emulator: Emulator, name: str, *statements: dict[str, Any]) -> str:
    iam = emulator.client("iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in statements]}
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(document))
    return role["Arn"]


def keys_of_function(emulator: Emulator, name: str, *statements: dict[str, Any]) -> Keys:
    make_role(emulator, name, *statements)
    make_function(emulator, name, "export const handler = () => process.env", role=name)
    return json.load(emulator.client("lambda").invoke(FunctionName=name)["Payload"])


def refused(call: Any, **request: Any) -> bool:
    try:
        call(**request)
    except ClientError as error:
        assert error.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException"), error
        return True
    return False


@pytest.fixture
def bucket(emulator: Emulator) -> str:
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    return BUCKET


def writes_to(prefix: str) -> dict[str, Any]:
    return {"Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/{prefix}/*"}


def test_a_function_may_do_what_its_role_may_and_no_more(emulator: Emulator, bucket: str) -> None:
    s3 = emulator.client("s3", keys_of_function(emulator, "writer", writes_to("mine")))
    assert not refused(s3.put_object, Bucket=bucket, Key="mine/a", Body=b"1")
    assert refused(s3.put_object, Bucket=bucket, Key="theirs/a", Body=b"1")
    assert refused(s3.get_object, Bucket=bucket, Key="mine/a")
    assert emulator.client("s3").get_object(Bucket=bucket, Key="mine/a")["Body"].read() == b"1"


def test_a_job_may_do_what_its_role_may_and_no_more(emulator: Emulator, batch: Batch, bucket: str) -> None:
    role = make_role(emulator, "job", writes_to("jobs"))
    batch.define("prints-keys", PRINT_KEYS, containerProperties={"jobRoleArn": role})
    s3 = emulator.client("s3", json.loads(batch.output(batch.submit("prints-keys"))[0]))
    assert not refused(s3.put_object, Bucket=bucket, Key="jobs/a", Body=b"1")
    assert refused(s3.put_object, Bucket=bucket, Key="mine/a", Body=b"1")


def test_a_link_that_a_role_signed_may_do_no_more_than_the_role(emulator: Emulator, bucket: str) -> None:
    for key in ("mine/a", "theirs/a"):
        emulator.client("s3").put_object(Bucket=bucket, Key=key, Body=b"1")
    reads = {"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/mine/*"}
    s3 = emulator.client("s3", keys_of_function(emulator, "signer", reads))
    mine, theirs = (
        s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
        for key in ("mine/a", "theirs/a")
    )
    assert urlopen(mine).read() == b"1"
    with pytest.raises(HTTPError, match="403"):
        urlopen(theirs)


def test_a_bucket_that_wants_tls_is_reached(emulator: Emulator, bucket: str) -> None:
    wants_tls = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [wants_tls]})
    emulator.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)
    s3 = emulator.client("s3", keys_of_function(emulator, "safe", writes_to("mine")))
    assert not refused(s3.put_object, Bucket=bucket, Key="mine/a", Body=b"1")


def test_jobs_are_ended_by_their_tag(emulator: Emulator, batch: Batch) -> None:
    batch.define("sleeps", "import time; time.sleep(60)")
    own, other = (batch.submit("sleeps", tags={"team": team}) for team in ("own", "other"))
    condition = {"StringEquals": {"aws:ResourceTag/team": "own"}}
    jobs = f"arn:aws:batch:{REGION}:{ACCOUNT}:job/*"
    ends = {"Action": "batch:TerminateJob", "Resource": jobs, "Condition": condition}
    client = emulator.client("batch", keys_of_function(emulator, "ends", ends))
    assert refused(client.terminate_job, jobId=other, reason="not mine")
    assert not refused(client.terminate_job, jobId=own, reason="mine")


def test_a_queue_and_a_group_of_schedules_are_resources(emulator: Emulator, batch: Batch) -> None:
    queue = batch.make_queue("seen")
    prefix = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule"
    keys = keys_of_function(
        emulator,
        "sees",
        {"Action": "batch:GetJobQueueSnapshot", "Resource": queue},
        {"Action": "scheduler:GetSchedule", "Resource": f"{prefix}/own/*"},
    )
    jobs, schedules = emulator.client("batch", keys), emulator.client("scheduler", keys)
    assert not refused(jobs.get_job_queue_snapshot, jobQueue=queue)
    assert refused(jobs.get_job_queue_snapshot, jobQueue=batch.queue)
    assert refused(schedules.get_schedule, GroupName="other", Name="nightly")
    with pytest.raises(schedules.exceptions.ResourceNotFoundException):
        schedules.get_schedule(GroupName="own", Name="nightly")

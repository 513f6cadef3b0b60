"""The storage check with rights that are really enforced: an emulated S3 with users and policies."""

import json
import os
import socket
import subprocess
import sys

import boto3
import pytest
from botocore.config import Config
from test_preflight import CPU
from test_storage import wait_until_up

from roslin_trainer import storage
from roslin_trainer.errors import TrainerError, as_trainer_error
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.preflight.storage import check_storage

BUCKET = "team-bucket"
PREPARED = ("base-models/key", "prepared/key")
# The train job's, as infra/constructs/jobs.ts gives them.
READ = {"Action": ["s3:GetObject"], "Resource": f"arn:aws:s3:::{BUCKET}/*"}
LIST = {"Action": ["s3:ListBucket"], "Resource": f"arn:aws:s3:::{BUCKET}"}
PUT = ["s3:PutObject", "s3:AbortMultipartUpload"]
WRITE_RUN = {"Action": PUT, "Resource": f"arn:aws:s3:::{BUCKET}/runs/*"}
WRITE_MODEL = {"Action": PUT, "Resource": f"arn:aws:s3:::{BUCKET}/models/*"}
ALL_RIGHTS = [READ, LIST, WRITE_RUN, WRITE_MODEL]


class Cloud:
    """An S3 that asks who may do what."""

    def __init__(self, endpoint: str):
        self.endpoint = endpoint
        account = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        self.s3 = self._client("s3", account)
        self._iam = self._client("iam", account)
        self.s3.create_bucket(Bucket=BUCKET)
        for folder in PREPARED:
            self.s3.put_object(Bucket=BUCKET, Key=f"{folder}/manifest.json", Body=b"{}")

    def job_with(self, rights: list[dict], name: str) -> dict[str, str]:
        """The environment of a job that may do this and nothing else."""
        statements = [{"Effect": "Allow", **right} for right in rights]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self._iam.create_user(UserName=name)
        self._iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=policy)
        key = self._iam.create_access_key(UserName=name)["AccessKey"]
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }

    def _client(self, service: str, account: dict[str, str]):
        config = Config(s3={"addressing_style": "path"})
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name="us-east-1", config=config, **account
        )


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    pytest.importorskip("ministack", reason="the emulator is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "PERSIST_STATE": "0",
        "AUTH": "true",
    }
    log = (tmp_path_factory.mktemp("ministack") / "log").open("w")
    process = subprocess.Popen([sys.executable, "-m", "ministack"], env=environment, stdout=log, stderr=log)
    try:
        wait_until_up(f"http://127.0.0.1:{port}")
        yield Cloud(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def plan(make_run):
    run = make_run()
    run.content["baseModel"]["mirrorUri"] = f"s3://{BUCKET}/base-models/key/"
    run.content |= {
        "preparedUri": f"s3://{BUCKET}/prepared/key/",
        "runUri": f"s3://{BUCKET}/runs/01TEST/",
        "modelUri": f"s3://{BUCKET}/models/test/01TEST/",
    }
    run.write()
    return run.plan


@pytest.fixture
def as_job(monkeypatch):
    def become(environment: dict[str, str]) -> None:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        # It keeps the first credentials that it found.
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        storage.s3_client.cache_clear()

    yield become
    storage.s3_client.cache_clear()


def test_rights_of_the_train_job_are_enough_and_nothing_is_left_behind(cloud, plan, as_job):
    as_job(cloud.job_with(ALL_RIGHTS, "complete"))
    assert check_storage(plan, CPU).startswith(f"reads s3://{BUCKET}/base-models/key/")
    assert cloud.s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == len(PREPARED)
    assert not cloud.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads")


@pytest.mark.parametrize(
    ("missing", "what"),
    [
        (READ, f"read in s3://{BUCKET}/base-models/key/"),
        (LIST, f"list in s3://{BUCKET}/runs/01TEST/checkpoints/"),
        (WRITE_RUN, f"write in s3://{BUCKET}/runs/01TEST/"),
        (WRITE_MODEL, f"write in s3://{BUCKET}/models/test/01TEST/"),
    ],
    ids=["read", "list", "write-run", "write-model"],
)
def test_right_that_is_missing_is_named_with_its_folder(cloud, plan, as_job, request, missing, what):
    rights = [right for right in ALL_RIGHTS if right is not missing]
    as_job(cloud.job_with(rights, f"without-{request.node.callspec.id}"))
    with pytest.raises(TrainerError) as raised:
        check_storage(plan, CPU)
    assert (raised.value.exit_code, raised.value.code) == (ExitCode.STORAGE_DENIED, "STORAGE_DENIED")
    assert what in raised.value.message


def test_bucket_that_is_not_there_is_refused(cloud, plan, as_job):
    as_job(cloud.job_with([{"Action": ["s3:*"], "Resource": "*"}], "everywhere"))
    elsewhere = storage.open_folder("s3://another-bucket/models/")
    with pytest.raises(Exception, match="NoSuchBucket") as raised:
        elsewhere.probe_write()
    assert as_trainer_error(raised.value).exit_code == ExitCode.STORAGE_DENIED


def test_storage_that_cannot_be_reached_is_no_refusal(plan, monkeypatch):
    client = boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:9",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    monkeypatch.setattr(storage, "s3_client", lambda: client)
    with pytest.raises(Exception, match="Could not connect") as raised:
        check_storage(plan, CPU)
    assert as_trainer_error(raised.value).exit_code == ExitCode.STORAGE

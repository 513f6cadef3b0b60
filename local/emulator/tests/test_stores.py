"""S3 and DynamoDB as the project uses them."""

import base64
import hashlib
import io
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import requests
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError

from tests.harness import Emulator

MIB = 2**20


def peak_mib(emulator: Emulator) -> float:
    assert emulator.process
    for line in Path(f"/proc/{emulator.process.pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no RssAnon")


@pytest.mark.parametrize("versioned", [False, True])
def test_large_objects(emulator: Emulator, tmp_path: Path, versioned: bool) -> None:
    s3 = emulator.client("s3")
    bucket = "versioned" if versioned else "plain"
    s3.create_bucket(Bucket=bucket)
    if versioned:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    file, copy = tmp_path / "model", tmp_path / "copy"
    file.write_bytes(hashlib.shake_128(b"model").digest(MIB) * 60)
    before = peak_mib(emulator)
    s3.upload_file(str(file), bucket, "dir/multipart")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "presigned"})
    with open(file, "rb") as body:
        size = str(file.stat().st_size)
        # urllib adds a form's content type, as curl does.
        request = urllib.request.Request(url, data=body, method="PUT", headers={"Content-Length": size})
        with urllib.request.urlopen(request) as response:
            etag = response.headers["ETag"]
    assert etag == f'"{hashlib.md5(file.read_bytes()).hexdigest()}"'
    s3.copy_object(Bucket=bucket, Key="copied", CopySource=f"{bucket}/presigned")
    for key in ("dir/multipart", "presigned", "copied"):
        s3.download_file(bucket, key, str(copy))
        assert copy.read_bytes() == file.read_bytes()
    middle = s3.get_object(Bucket=bucket, Key="presigned", Range="bytes=5000000-5000099")
    assert middle["Body"].read() == file.read_bytes()[5_000_000:5_000_100]
    s3.put_object(Bucket=bucket, Key="presigned", Body=b"replaced")
    assert s3.get_object(Bucket=bucket, Key="presigned")["Body"].read() == b"replaced"
    assert s3.get_object(Bucket=bucket, Key="copied")["ContentLength"] == file.stat().st_size
    if versioned:
        versions = s3.list_object_versions(Bucket=bucket, Prefix="presigned")["Versions"]
        old = next(entry["VersionId"] for entry in versions if not entry["IsLatest"])
        body = s3.get_object(Bucket=bucket, Key="presigned", VersionId=old)["Body"].read()
        assert body == file.read_bytes()
    # None of the four copies is kept in memory.
    assert peak_mib(emulator) - before < 100
    assert list((emulator.directory / "state" / "tmp").glob("s3-*")) == []


def test_a_broken_upload_leaves_nothing(emulator: Emulator) -> None:
    import socket

    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="broken")
    head = f"PUT /broken/key HTTP/1.1\r\nHost: 127.0.0.1:{emulator.port}\r\nContent-Length: {4 * MIB}\r\n"
    head += (
        "Authorization: AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/s3/aws4_request\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", emulator.port)) as client:
        client.sendall(head.encode() + b"x" * MIB)
    assert s3.list_objects_v2(Bucket="broken")["KeyCount"] == 0
    assert s3.put_object(Bucket="broken", Key="key", Body=b"y" * 2 * MIB)["ETag"]


def post_form(emulator: Emulator, bucket: str, content: bytes, /, **changed: Any) -> int:
    """A presigned POST for `key` and `content`, sent with what is changed of it; S3's status."""
    s3 = emulator.client("s3")
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    signed = s3.generate_presigned_post(
        bucket,
        "key",
        Fields={"x-amz-checksum-sha256": digest},
        Conditions=[["content-length-range", len(content), len(content)], {"x-amz-checksum-sha256": digest}],
        ExpiresIn=changed.pop("expires_in", 60),
    )
    sent = changed.pop("content", content)
    files = {"file": ("name", io.BytesIO(sent))}
    return requests.post(signed["url"], data=signed["fields"] | changed, files=files).status_code


@pytest.mark.parametrize("size", [100, 3 * MIB])
def test_a_presigned_post_takes_one_file_and_no_other(emulator: Emulator, size: int) -> None:
    s3 = emulator.client("s3")
    bucket = f"forms-{size}"
    s3.create_bucket(Bucket=bucket)
    # With bytes that end lines and begin boundaries.
    content = hashlib.shake_128(b"form").digest(size) + b"\r\n--\r\n\r\n----\r\n"
    other = bytes([content[0] ^ 1]) + content[1:]
    assert post_form(emulator, bucket, content, content=other) == 400
    assert post_form(emulator, bucket, content, content=content + b"x") == 400
    assert post_form(emulator, bucket, content, content=content[1:]) == 400
    assert post_form(emulator, bucket, content, key="another") == 403
    assert post_form(emulator, bucket, content, expires_in=-1) == 403
    wrong = base64.b64encode(hashlib.sha256(other).digest()).decode()
    assert post_form(emulator, bucket, content, content=other, **{"x-amz-checksum-sha256": wrong}) == 403
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert post_form(emulator, bucket, content) == 204
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == content
    assert list((emulator.directory / "state" / "tmp").glob("s3-*")) == []


def item(**fields: Any) -> dict[str, Any]:
    return {name: TypeSerializer().serialize(value) for name, value in fields.items()}


@pytest.fixture(scope="module")
def table(emulator: Emulator) -> str:
    names = ("pk", "sk", "gsi1pk", "gsi1sk")
    emulator.client("dynamodb").create_table(
        TableName="runs",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "gsi1",
                "KeySchema": [
                    {"AttributeName": "gsi1pk", "KeyType": "HASH"},
                    {"AttributeName": "gsi1sk", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    return "runs"


def test_transactions_say_which_condition_failed(emulator: Emulator, table: str) -> None:
    dynamodb = emulator.client("dynamodb")
    dynamodb.put_item(TableName=table, Item=item(pk="budget", sk="a", left=5))
    spend = {
        "TableName": table,
        "Key": item(pk="budget", sk="a"),
        "UpdateExpression": "SET #left = #left - :cost",
        "ConditionExpression": "#left >= :cost",
        "ExpressionAttributeNames": {"#left": "left"},
        "ExpressionAttributeValues": item(**{":cost": 3}),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }

    def run(name: str) -> None:
        put = {
            "TableName": table,
            "Item": item(pk=name, sk="run"),
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        dynamodb.transact_write_items(TransactItems=[{"Put": put}, {"Update": spend}])

    run("r1")
    with pytest.raises(ClientError) as error:
        run("r2")
    assert error.value.response["Error"]["Code"] == "TransactionCanceledException"
    reasons = error.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed"]
    assert reasons[1]["Item"]["left"] == {"N": "2"}
    assert "Item" not in dynamodb.get_item(TableName=table, Key=item(pk="r2", sk="run"))


def test_conditional_updates(emulator: Emulator, table: str) -> None:
    dynamodb = emulator.client("dynamodb")
    dynamodb.put_item(TableName=table, Item=item(pk="run", sk="state", status="queued"))

    def update(to: str) -> dict[str, Any]:
        return dynamodb.update_item(
            TableName=table,
            Key=item(pk="run", sk="state"),
            UpdateExpression="SET #s = :to ADD changes :one",
            ConditionExpression="#s IN (:a, :b) AND attribute_not_exists(ended)",
            ExpressionAttributeNames={"#s": "status"},
            ExpressionAttributeValues=item(**{":to": to, ":one": 1, ":a": "queued", ":b": "planning"}),
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    attributes = update("training")["Attributes"]
    assert attributes == item(pk="run", sk="state", status="training", changes=1)
    with pytest.raises(ClientError) as error:
        update("training")
    assert error.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert error.value.response["Item"]["status"] == {"S": "training"}


def test_queries_on_an_index_page_by_page(emulator: Emulator, table: str) -> None:
    dynamodb = emulator.client("dynamodb")
    for number in range(7):
        fields = {"pk": f"q{number}", "sk": "run", "gsi1pk": "runs", "gsi1sk": f"2026-{number:02}"}
        dynamodb.put_item(TableName=table, Item=item(**fields))
    dynamodb.put_item(TableName=table, Item=item(pk="q9", sk="run", gsi1pk="runs", gsi1sk="2025-01"))
    request: dict[str, Any] = {
        "TableName": table,
        "IndexName": "gsi1",
        "KeyConditionExpression": "gsi1pk = :pk AND begins_with(gsi1sk, :year)",
        "ExpressionAttributeValues": item(**{":pk": "runs", ":year": "2026"}),
        "ScanIndexForward": False,
        "Limit": 3,
    }
    pages = []
    while True:
        answer = dynamodb.query(**request)
        pages.append([entry["gsi1sk"]["S"][-2:] for entry in answer["Items"]])
        if "LastEvaluatedKey" not in answer:
            break
        request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
    assert pages == [["06", "05", "04"], ["03", "02", "01"], ["00"]]

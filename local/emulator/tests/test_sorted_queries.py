"""Queries from partitions kept in order answer as MiniStack's own do, whatever was written before."""

import importlib.util
import json
import random
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from ministack.services import dynamodb

from roslin_emulator import sorted_queries

TABLE = "runs"
Json = dict[str, Any]


def pristine() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pristine_dynamodb", dynamodb.__file__)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def patched() -> Iterator[ModuleType]:
    before = {name: getattr(dynamodb, name) for name in ("_query", "_index_members", "_index_item")}
    sorted_queries.install()
    yield dynamodb
    for name, value in before.items():
        setattr(dynamodb, name, value)
    dynamodb.reset()


def create_table(module: ModuleType, kind: str = "S") -> None:
    module.reset()
    names = {"pk": "S", "sk": kind, "gsi1pk": "S", "gsi1sk": kind, "gsi2pk": "S"}

    def key(pk: str, sk: str | None) -> list[Json]:
        schema = [{"AttributeName": pk, "KeyType": "HASH"}]
        return schema + ([{"AttributeName": sk, "KeyType": "RANGE"}] if sk else [])

    indexes = [("gsi1", key("gsi1pk", "gsi1sk")), ("gsi2", key("gsi2pk", None))]
    status, _, body = module._create_table(
        {
            "TableName": TABLE,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": n, "AttributeType": t} for n, t in names.items()],
            "KeySchema": key("pk", "sk"),
            "GlobalSecondaryIndexes": [
                {"IndexName": name, "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}
                for name, schema in indexes
            ],
        }
    )
    assert status == 200, body


def answer(response: tuple[int, Json, bytes]) -> tuple[int, Any]:
    status, _, body = response
    return status, json.loads(body)


def sort_value(rng: random.Random, kind: str) -> Json:
    number = rng.randrange(-12, 12)
    return {"N": str(number)} if kind == "N" else {"S": f"run_{number + 12:02}{rng.choice(['', 'ä', '~'])}"}


def order(value: Json) -> Any:
    return int(value["N"]) if "N" in value else value["S"]


CONDITIONS = ("", "{} = :a", "{} < :a", "{} <= :a", "{} > :a", ":a < {}", "{} BETWEEN :a AND :b")


def query(rng: random.Random, kind: str) -> Json:
    index = rng.choice([None, "gsi1", "gsi2"])
    pk, sk = {None: ("pk", "sk"), "gsi1": ("gsi1pk", "gsi1sk"), "gsi2": ("gsi2pk", None)}[index]
    low, high = sorted((sort_value(rng, kind) for _ in "ab"), key=order)
    conditions = [*CONDITIONS, *(["begins_with({}, :a)"] if kind == "S" else [])] if sk else [""]
    chosen = rng.choice(conditions)
    if chosen.startswith("begins_with"):
        low = {"S": low["S"][: rng.randrange(1, 7)]}
    given = {":pk": {"S": rng.choice("pq")}, **({":a": low} if ":a" in chosen else {})}
    if ":b" in chosen:
        given[":b"] = high
    names = {"#pk": pk, **({"#sk": str(sk)} if chosen else {})}
    return {
        "TableName": TABLE,
        **({"IndexName": index} if index else {}),
        "KeyConditionExpression": " AND ".join(filter(None, ["#pk = :pk", chosen.format("#sk")])),
        "ExpressionAttributeNames": {**names, **({"#o": "odd"} if rng.random() < 0.3 else {})},
        "ExpressionAttributeValues": given,
        "ScanIndexForward": rng.random() < 0.5,
        **({"Limit": rng.randrange(1, 6)} if rng.random() < 0.8 else {}),
    }


def with_filter(request: Json) -> Json:
    if "#o" not in request["ExpressionAttributeNames"]:
        return request
    values = {**request["ExpressionAttributeValues"], ":o": {"BOOL": True}}
    return {**request, "FilterExpression": "#o = :o", "ExpressionAttributeValues": values}


def write(rng: random.Random, kind: str, modules: tuple[ModuleType, ...]) -> None:
    key = {"pk": {"S": rng.choice("pq")}, "sk": sort_value(rng, kind)}
    if rng.random() < 0.3:
        answers = [answer(module._delete_item({"TableName": TABLE, "Key": key})) for module in modules]
    elif rng.random() < 0.3:
        update = {"UpdateExpression": rng.choice(["REMOVE gsi1pk", "REMOVE gsi2pk", "SET odd = :o"])}
        values = {":o": {"BOOL": rng.random() < 0.5}} if "odd" in update["UpdateExpression"] else None
        request = {"TableName": TABLE, "Key": key, **update}
        request |= {"ExpressionAttributeValues": values} if values else {}
        answers = [answer(module._update_item(json.loads(json.dumps(request)))) for module in modules]
    else:
        item: Json = {**key, "odd": {"BOOL": rng.random() < 0.5}}
        if rng.random() < 0.8:
            item |= {"gsi1pk": {"S": rng.choice("pq")}, "gsi1sk": sort_value(rng, kind)}
        if rng.random() < 0.5:
            item["gsi2pk"] = {"S": rng.choice("pq")}
        request = {"TableName": TABLE, "Item": item}
        answers = [answer(module._put_item(json.loads(json.dumps(request)))) for module in modules]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("kind", ["S", "N"])
def test_answers_are_the_same_page_by_page(patched: ModuleType, kind: str) -> None:
    rng = random.Random(7)
    modules = (patched, pristine())
    for module in modules:
        create_table(module, kind)
    found = 0
    for _ in range(400):
        for _ in range(3):
            write(rng, kind, modules)
        request = with_filter(query(rng, kind))
        for _ in range(4):
            ours, theirs = (answer(module._query(json.loads(json.dumps(request)))) for module in modules)
            assert ours == theirs, request
            found += ours[1].get("Count", 0)
            start = ours[1].get("LastEvaluatedKey")
            if not start:
                break
            request["ExclusiveStartKey"] = start
    assert found > 500


def test_a_page_takes_as_long_in_a_large_partition_as_in_a_small_one(patched: ModuleType) -> None:
    def seconds(items: int) -> float:
        create_table(patched)
        table = patched._tables[TABLE]
        for number in range(items):
            sk = f"run_{number:06}"
            item = {"pk": {"S": "p"}, "sk": {"S": sk}, "gsi1pk": {"S": "q"}, "gsi1sk": {"S": sk}}
            patched._set_item(table, "p", sk, item)
        request = {
            "TableName": TABLE,
            "IndexName": "gsi1",
            "KeyConditionExpression": "gsi1pk = :q AND gsi1sk < :before",
            "ExpressionAttributeValues": {":q": {"S": "q"}, ":before": {"S": f"run_{items // 2:06}"}},
            "ScanIndexForward": False,
            "Limit": 20,
        }
        patched._query(request)
        began = time.process_time()
        for _ in range(20):
            assert answer(patched._query(request))[1]["ScannedCount"] == 20
        return time.process_time() - began

    small = seconds(100)
    # Sorting the partition for each query makes it 200 times as long.
    assert seconds(20_000) < 10 * small


def test_refuses_another_ministack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_queries, "FIRST_LINE", "    another line\n")
    with pytest.raises(sorted_queries.UnsupportedMiniStack):
        sorted_queries.install()

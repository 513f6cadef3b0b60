"""EventBridge Scheduler: its schedules fire for real, on a clock that can be pushed."""

import json
import time
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError

from tests.harness import ACCOUNT, Emulator, make_recorder, wait_until

MINUTE = 60


@pytest.fixture(scope="module")
def recorder(emulator: Emulator) -> str:
    return make_recorder(emulator, "fired")


def create(emulator: Emulator, recorder: str, name: str, expression: str, **more: Any) -> None:
    emulator.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression=expression,
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": recorder,
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/any",
            "Input": json.dumps({"name": name, "due": "<aws.scheduler.scheduled-time>"}),
        },
        **more,
    )


def fired(emulator: Emulator, name: str) -> list[str]:
    s3 = emulator.client("s3")
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="fired").get("Contents", [])]
    events = [json.load(s3.get_object(Bucket="fired", Key=key)["Body"]) for key in keys]
    return [event["due"] for event in events if event["name"] == name]


def parsed(time_text: str) -> datetime:
    # Python 3.10 reads no Z.
    return datetime.fromisoformat(time_text.replace("Z", "+00:00"))


def push(emulator: Emulator, seconds: float) -> datetime:
    answer = emulator.send("POST", "/_roslin/clock", {"forwardSeconds": seconds})
    return parsed(answer["time"])


def now(emulator: Emulator) -> datetime:
    return parsed(emulator.get("/_roslin/clock")["time"])


def test_a_start_that_has_passed_is_refused(emulator: Emulator, recorder: str) -> None:
    start = now(emulator) - timedelta(minutes=6)
    with pytest.raises(ClientError, match="cannot be earlier than 5 minutes ago"):
        create(emulator, recorder, "late", "rate(1 day)", StartDate=start)


def test_a_rate_fires_when_it_is_made_and_each_time_it_has_passed(emulator: Emulator, recorder: str) -> None:
    create(emulator, recorder, "rate", "rate(1 minute)")
    [first] = wait_until(lambda: fired(emulator, "rate"), 10, "the first firing")
    push(emulator, MINUTE)
    dues = wait_until(lambda: len(fired(emulator, "rate")) == 2 and sorted(fired(emulator, "rate")))
    assert dues[0] == first
    between = parsed(dues[1]) - parsed(dues[0])
    assert between.total_seconds() == MINUTE


def test_a_cron_fires_at_the_hour_of_its_time_zone(emulator: Emulator, recorder: str) -> None:
    # Kathmandu is 5:45 ahead of UTC, summer and winter.
    create(emulator, recorder, "cron", "cron(15 3 * * ? *)", ScheduleExpressionTimezone="Asia/Kathmandu")
    push(emulator, 24 * 60 * MINUTE)
    [due] = wait_until(lambda: fired(emulator, "cron"), what="the firing")
    assert due.endswith("T21:30:00Z")


def test_one_that_is_for_once_fires_once_and_is_gone(emulator: Emulator, recorder: str) -> None:
    at = datetime.fromtimestamp(now(emulator).timestamp() + 2 * MINUTE, timezone.utc).strftime(
        "%Y-%m-%dT%H:%M:%S"
    )
    create(emulator, recorder, "once", f"at({at})", ActionAfterCompletion="DELETE")
    push(emulator, 3 * MINUTE)
    assert wait_until(lambda: fired(emulator, "once"), what="the firing") == [f"{at}Z"]
    names = [entry["Name"] for entry in emulator.client("scheduler").list_schedules()["Schedules"]]
    assert "once" not in names


def test_one_that_is_disabled_does_not_fire(emulator: Emulator, recorder: str) -> None:
    create(emulator, recorder, "off", "rate(1 minute)", State="DISABLED")
    push(emulator, 5 * MINUTE)
    time.sleep(1.5)
    assert fired(emulator, "off") == []


def test_a_clock_is_not_pushed_back(emulator: Emulator) -> None:
    for body in ({"forwardSeconds": -1}, {"forwardSeconds": "60"}, {}):
        with pytest.raises(HTTPError) as error:
            emulator.send("POST", "/_roslin/clock", body)
        assert error.value.code == 400


def test_a_clock_can_be_set_right(emulator: Emulator) -> None:
    push(emulator, 60 * MINUTE)
    emulator.send("DELETE", "/_roslin/clock", {})
    assert abs((now(emulator) - datetime.now(timezone.utc)).total_seconds()) < 30

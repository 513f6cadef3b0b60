"""EventBridge Scheduler that fires as AWS does, on a clock that can be pushed forward.

Upstream fires too, but in UTC whatever the time zone, up to ten seconds late, without the variables
of the target's Input, and its CloudFormation type drops most properties.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from ministack.core.responses import new_uuid, set_request_account_id, set_request_region
from ministack.services import eventbridge, scheduler
from ministack.services.cloudformation import provisioners

from roslin_emulator.workarounds import replace, upstream_answer

logger = logging.getLogger("roslin.scheduler")

PATH = "/_roslin/clock"
TICK_SECONDS = 1
OLDEST_START_SECONDS = 300
GROUP = "GroupName"

Json = dict[str, Any]
# Account, region, "group/name".
Key = tuple[str, str, str]


class SchedulerClock:
    """What time the schedules think it is: this machine's, and as much later as it was pushed."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._started = time.time()
        self._last: dict[Key, float] = {}
        self._lock = threading.Lock()

    def now(self) -> float:
        return time.time() + self._offset

    def install(self) -> None:
        replace(scheduler, "_now", lambda _: self.now)
        replace(scheduler, "_tick_schedules", lambda _: self.tick)
        replace(scheduler, "_SCHEDULE_TICK_INTERVAL", lambda _: TICK_SECONDS)
        for name in ("_create_schedule", "_update_schedule"):
            replace(scheduler, name, self._with_start_ahead)
        handlers = {"create": _create, "update": _update, "delete": _delete}
        provisioners._RESOURCE_HANDLERS["AWS::Scheduler::Schedule"] = handlers
        provisioners._REPLACING_PROPERTIES["AWS::Scheduler::Schedule"] = ("Name", GROUP)

    def answer(self, method: str, body: bytes) -> tuple[int, Json]:
        """POST {"forwardSeconds": 60} pushes it, DELETE sets it right; all say the time. Status and JSON."""
        try:
            if method == "POST":
                seconds = json.loads(body)["forwardSeconds"]
                if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
                    raise ValueError("it is no number from 0 up")
                self._offset += seconds
                self.tick()
            elif method == "DELETE":
                self._offset = 0.0
            elif method != "GET":
                return 405, {"message": f"{method} is none of GET, POST and DELETE"}
        except (ValueError, KeyError, TypeError) as error:
            return 400, {"message": f'the body is not like {{"forwardSeconds": 60}}: {error}'}
        return 200, {"time": _iso(self.now())}

    def _with_start_ahead(self, handle: Callable) -> Callable:
        """Upstream takes any start date."""

        def checked(name: str, body: Json) -> tuple:
            start = scheduler._to_epoch(body.get("StartDate"))
            if start is not None and start < self.now() - OLDEST_START_SECONDS:
                message = "The StartDate you specify cannot be earlier than 5 minutes ago."
                return scheduler._error(400, "ValidationException", message)
            return handle(name, body)

        return checked

    def tick(self) -> None:
        """Calls the target of each schedule that is due: once, however many of its times have passed."""
        with self._lock:
            for key, schedule in list(scheduler._schedules._data.items()):
                try:
                    due = self._due(key, schedule)
                    if due is not None:
                        self._fire(key, schedule, due)
                except Exception:
                    logger.exception("schedule %s", key[2])

    def _due(self, key: Key, schedule: Json) -> float | None:
        """The newest time that has come since the last one, since the schedule was changed, and since this
        process began."""
        now, changed = self.now(), float(schedule["LastModificationDate"])
        if schedule["State"] != "ENABLED":
            # What passes meanwhile is not made up for.
            self._last[key] = now
            return None
        expression = schedule["ScheduleExpression"]
        last = max(self._last.get(key, self._started), changed)
        if at := scheduler._at_time_epoch(expression):
            return at if key not in self._last and at <= now else None
        if interval := eventbridge._parse_rate_seconds(expression):
            start = scheduler._to_epoch(schedule.get("StartDate")) or float(schedule["CreationDate"])
            due = start + (now - start) // interval * interval
            # Without a start date, AWS calls the target as soon as the schedule is made.
            first = key not in self._last and due == start
            return due if start <= now and (due > last or first) else None
        return self._due_of_cron(schedule, last, now)

    def _due_of_cron(self, schedule: Json, last: float, now: float) -> float | None:
        fields = eventbridge._parse_cron_fields(schedule["ScheduleExpression"])
        zone = ZoneInfo(schedule.get("ScheduleExpressionTimezone") or "UTC")
        found = None
        # Upstream counts in UTC: what the zone's clocks show, taken for UTC.
        wall = datetime.fromtimestamp(last, zone).replace(tzinfo=timezone.utc)
        while fields and (wall := eventbridge._cron_next_fire(fields, wall)):
            due = wall.replace(tzinfo=zone).timestamp()
            if due > now:
                break
            # A time that the clocks leave out is left out.
            if datetime.fromtimestamp(due, zone).replace(tzinfo=timezone.utc) == wall and due > last:
                found = due
        return found

    def _fire(self, key: Key, schedule: Json, due: float) -> None:
        account, region, name = key
        self._last[key] = due
        target = schedule["Target"]
        logger.info("schedule %s, due %s", name, _iso(due))
        set_request_account_id(account)
        set_request_region(region)
        variables = {
            "scheduled-time": _iso(due),
            "schedule-arn": schedule["Arn"],
            "execution-id": new_uuid(),
            "attempt-number": "1",
        }
        text = target.get("Input") or "{}"
        for variable, value in variables.items():
            text = text.replace(f"<aws.scheduler.{variable}>", value)
        eventbridge._dispatch_to_lambda(target["Arn"], text)
        expression = schedule["ScheduleExpression"]
        if expression.startswith("at(") and schedule.get("ActionAfterCompletion") == "DELETE":
            scheduler._schedules._data.pop(key, None)
            self._last.pop(key, None)


def _iso(seconds: float) -> str:
    """To the second, as AWS gives it."""
    time_utc = datetime.fromtimestamp(0, timezone.utc) + timedelta(seconds=int(seconds))
    return time_utc.strftime("%Y-%m-%dT%H:%M:%SZ")


# CloudFormation


def _request(properties: Json) -> Json:
    """A template's numbers may come as text."""

    def typed(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: typed(item) for name, item in value.items()}
        return int(value) if isinstance(value, str) and value.isdigit() else value

    return {"FlexibleTimeWindow": {"Mode": "OFF"}, **typed(properties)}


def _provisioned(name: str, properties: Json) -> tuple[str, Json]:
    return name, {"Arn": scheduler._schedule_arn(properties.get(GROUP, "default"), name)}


def _create(logical_id: str, properties: Json, stack: str) -> tuple[str, Json]:
    name = properties.get("Name") or provisioners._physical_name(stack, logical_id, max_len=64)
    upstream_answer(scheduler._create_schedule(name, _request(properties)))
    return _provisioned(name, properties)


def _update(name: str, _: Json, properties: Json, __: str) -> tuple[str, Json]:
    upstream_answer(scheduler._update_schedule(name, _request(properties)))
    return _provisioned(name, properties)


def _delete(name: str, properties: Json) -> None:
    scheduler._delete_schedule(name, {"groupName": properties.get(GROUP, "default")})

"""Events of EventBridge that come twice, late (and so behind later ones) or never."""

import contextvars
import json
import threading
from collections.abc import Callable
from typing import Any

from ministack.core.responses import json_response, new_uuid
from ministack.services import eventbridge

from roslin_emulator.chaos.rules import DisturbEvent
from roslin_emulator.chaos.state import Chaos
from roslin_emulator.workarounds import replace

Json = dict[str, Any]
Put = Callable[..., Any]

# When a late event happened; it keeps that time.
_happened_at: contextvars.ContextVar[float | None] = contextvars.ContextVar("happened_at", default=None)


def _rule(chaos: Chaos, entry: Json) -> DisturbEvent | None:
    text, detail_type = entry.get("Detail") or "{}", entry.get("DetailType", "")
    try:
        detail = json.loads(text)
    except ValueError:
        return None
    return chaos.take(DisturbEvent, lambda rule: rule.applies_to(detail_type, detail, text))


def _later(seconds: float, put: Callable[[], None]) -> None:
    context, now = contextvars.copy_context(), eventbridge._now_ts()

    def run() -> None:
        context.run(_happened_at.set, now)
        context.run(put)

    timer = threading.Timer(seconds, run)
    timer.daemon = True
    timer.start()


def _put_one(put: Put, chaos: Chaos, entry: Json, more: Json) -> Json:
    def go() -> Json:
        return json.loads(put({"Entries": [entry]}, **more)[2])["Entries"][0]

    rule = _rule(chaos, entry)
    if rule is None:
        return go()
    if rule.action == "duplicate":
        go()
        return go()
    if rule.action == "delay":
        _later(rule.delay_seconds, go)
    return {"EventId": new_uuid()}


def install(chaos: Chaos) -> None:
    def make(original: Put) -> Put:
        def put_events(data: Json, **more: Any) -> Any:
            if not chaos.has(DisturbEvent):
                return original(data, **more)
            results = [_put_one(original, chaos, entry, more) for entry in data.get("Entries", [])]
            failed = sum("ErrorCode" in result for result in results)
            return json_response({"FailedEntryCount": failed, "Entries": results})

        return put_events

    replace(eventbridge, "_put_events", make)
    replace(eventbridge, "_now_ts", lambda original: lambda: _happened_at.get() or original())

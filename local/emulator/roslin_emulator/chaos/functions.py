"""Lambda functions that are killed between two of their writes.

Which function a request comes from is told by its trace header: AWS's SDKs send the one of their invocation.
Source: AWS X-Ray Developer Guide, "AWS X-Ray concepts" (tracing header).
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ministack.core import lambda_runtime

from roslin_emulator.chaos.rules import KillFunction
from roslin_emulator.chaos.state import Chaos
from roslin_emulator.workarounds import replace

TRACE_HEADER = "x-amzn-trace-id"


def _root(trace_id: str) -> str:
    return trace_id.partition(";")[0]


class Invocation:
    def __init__(self, function: str, event: str, worker: Any) -> None:
        self.function = function
        self.event = event
        self.writes = 0
        self._worker = worker

    def kill(self) -> None:
        if process := self._worker._proc:
            process.kill()


class Invocations:
    """Those under way, by the root of their trace."""

    def __init__(self, chaos: Chaos) -> None:
        self._chaos = chaos
        self._under_way: dict[str, Invocation] = {}

    def install(self) -> None:
        def make(original: Callable[..., Any]) -> Callable[..., Any]:
            def invoke(worker: Any, event: Any, request_id: str, *, trace_id: str | None, **more: Any) -> Any:
                invocation = Invocation(worker.func_name, json.dumps(event), worker)
                with self._watching(_root(trace_id or ""), invocation):
                    return original(worker, event, request_id, trace_id=trace_id, **more)

            return invoke

        replace(lambda_runtime.Worker, "invoke", make)

    @contextmanager
    def _watching(self, root: str, invocation: Invocation) -> Iterator[None]:
        self._under_way[root] = invocation
        try:
            yield
        finally:
            self._under_way.pop(root, None)

    def of_request(self, headers: dict[str, str]) -> Invocation | None:
        root = _root(headers.get(TRACE_HEADER, ""))
        # Functions without tracing cannot be told apart.
        return self._under_way.get(root) if root else None

    def is_killed_before(self, invocation: Invocation) -> bool:
        """Counts the write that is asked for; its answer says whether it is still carried out."""
        invocation.writes += 1
        return self._is_killed(invocation, "before_write")

    def is_killed_after(self, invocation: Invocation) -> bool:
        return self._is_killed(invocation, "after_writes")

    def _is_killed(self, invocation: Invocation, moment: str) -> bool:
        rule = self._chaos.take(
            KillFunction,
            lambda rule: (
                getattr(rule, moment) == invocation.writes
                and rule.applies_to(invocation.function, invocation.event)
            ),
        )
        if rule:
            invocation.kill()
        return rule is not None

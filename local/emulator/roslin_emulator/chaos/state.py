"""The rules that are in force, and how often each has applied."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from roslin_emulator.chaos.parse import as_json
from roslin_emulator.chaos.rules import Rule

R = TypeVar("R", bound=Rule)


@dataclass
class _InForce:
    rule: Rule
    applied: int = 0


class Chaos:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[_InForce] = []
        # How long a second of AWS takes here, for the time limits of job queues: AWS has none below 600 s.
        self.time_scale = 1.0
        # Called after each change of the rules, without the lock.
        self.on_change: list[Callable[[], None]] = []

    def set(self, rules: list[Rule], time_scale: float | None) -> None:
        with self._lock:
            self._rules = [_InForce(rule) for rule in rules]
            self.time_scale = time_scale or 1.0
        self._changed()

    def add(self, rules: list[Rule], time_scale: float | None) -> None:
        with self._lock:
            self._rules += [_InForce(rule) for rule in rules]
            self.time_scale = time_scale or self.time_scale
        self._changed()

    def has(self, kind: type[Rule]) -> bool:
        return any(isinstance(entry.rule, kind) for entry in self._rules)

    def holds(self, rule: Rule) -> bool:
        """Whether it has not been taken away; it may have applied as often as it should."""
        return any(entry.rule is rule for entry in self._rules)

    def take(self, kind: type[R], applies: Callable[[R], bool]) -> R | None:
        """The first rule of the kind that applies, which counts."""
        with self._lock:
            for entry in self._rules:
                rule = entry.rule
                if (
                    isinstance(rule, kind)
                    and (rule.times is None or entry.applied < rule.times)
                    and applies(rule)
                ):
                    entry.applied += 1
                    return rule
        return None

    def shown(self) -> dict[str, Any]:
        with self._lock:
            rules = [{**as_json(entry.rule), "applied": entry.applied} for entry in self._rules]
        return {"timeScale": self.time_scale, "rules": rules}

    def _changed(self) -> None:
        for tell in self.on_change:
            tell()

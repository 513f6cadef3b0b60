"""From JSON to rules, and back. Strict: a misspelt field must not make a rule that never applies."""

import dataclasses
import re
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from roslin_emulator.chaos.rules import KINDS, KillFunction, Rule

# The counts; every other number is of seconds and may be 0.
AT_LEAST_ONE = ("times", "beforeWrite", "afterWrites")


class ChaosError(Exception):
    """What is asked for is no chaos that there is."""


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def _alternatives(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(kind for part in get_args(hint) for kind in _alternatives(part))
    return (hint,)


def _wanted(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(get_args(hint))
    return {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}[hint]


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return isinstance(value, str) and value in get_args(hint)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def _checked(value: Any, hint: Any, where: str) -> Any:
    allowed = [kind for kind in _alternatives(hint) if kind is not type(None)]
    if value is None and type(None) in _alternatives(hint):
        return None
    if not any(_fits(value, kind) for kind in allowed):
        raise ChaosError(f"{where} is {value!r}; it must be {' or '.join(map(_wanted, allowed))}")
    least = 1 if where.rpartition(".")[2] in AT_LEAST_ONE else 0
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value < least:
        raise ChaosError(f"{where} is {value}; it must be at least {least}")
    return value


def parse_rule(value: Any, where: str) -> Rule:
    if not isinstance(value, dict):
        raise ChaosError(f"{where} must be an object, not {value!r}")
    kind = KINDS.get(value.get("kind", ""))
    if kind is None:
        raise ChaosError(f"{where}.kind is {value.get('kind')!r}; it must be one of {', '.join(KINDS)}")
    hints = get_type_hints(kind)
    fields = {_camel(field.name): field for field in dataclasses.fields(kind)}
    for name in value:
        if name != "kind" and name not in fields:
            raise ChaosError(f"{where}.{name} is no field of {value['kind']}; it has {', '.join(fields)}")
    for name, field in fields.items():
        if field.default is dataclasses.MISSING and name not in value:
            raise ChaosError(f"{where}.{name} is missing; it must be {_wanted(hints[field.name])}")
    given = {
        field.name: _checked(value[name], hints[field.name], f"{where}.{name}")
        for name, field in fields.items()
        if name in value
    }
    rule = kind(**given)
    if isinstance(rule, KillFunction) and (rule.before_write is None) == (rule.after_writes is None):
        raise ChaosError(f"{where} must have one of beforeWrite and afterWrites")
    return rule


def parse(value: Any) -> tuple[list[Rule], float | None]:
    """The rules of `{"timeScale": 0.01, "rules": [...]}`, and the scale where one is given."""
    if not isinstance(value, dict) or not set(value) <= {"rules", "timeScale"}:
        raise ChaosError("chaos is an object with rules and timeScale, and nothing else")
    rules = value.get("rules", [])
    if not isinstance(rules, list):
        raise ChaosError(f"rules must be a list, not {rules!r}")
    scale = value.get("timeScale")
    if scale is not None and (not _fits(scale, float) or scale <= 0):
        raise ChaosError(f"timeScale is {scale!r}; it must be a number above 0")
    return [parse_rule(rule, f"rules[{index}]") for index, rule in enumerate(rules)], scale


def as_json(rule: Rule) -> dict[str, Any]:
    """The rule as it was given, without what it leaves out."""
    kind = next(name for name, cls in KINDS.items() if type(rule) is cls)
    given = {
        _camel(field.name): getattr(rule, field.name)
        for field in dataclasses.fields(rule)
        if getattr(rule, field.name) != field.default
    }
    return {"kind": kind, **given}

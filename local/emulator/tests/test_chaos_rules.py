"""Rules of chaos: what is refused, what is shown, what they apply to."""

from typing import Any

import pytest

from roslin_emulator.chaos.parse import ChaosError, as_json, parse, parse_rule
from roslin_emulator.chaos.rules import KINDS, JobFacts, NoCapacity, ReclaimHost, RequestFacts
from roslin_emulator.chaos.state import Chaos

EXAMPLES: dict[str, dict[str, Any]] = {
    "no-capacity": {"instanceType": "p4d.24xlarge", "purchase": "spot", "reason": "vcpu-quota"},
    "reclaim-host": {"afterSeconds": 5, "noticeSeconds": 2.5, "step": "train", "silent": True},
    "kill-job": {"afterSeconds": 1, "outOfMemory": True, "queue": "team-*"},
    "slow-start": {"seconds": 3, "times": 2},
    "no-image": {"run": "01RUN"},
    "time-out": {"afterSeconds": 1, "step": "evaluate"},
    "fail-request": {"service": "s3", "error": "throttled", "operation": "PutObject", "key": "runs/"},
    "disturb-event": {"action": "delay", "status": "FAILED", "delaySeconds": 0.5},
    "kill-function": {"function": "FlowPlan", "afterWrites": 2},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_is_shown_as_it_was_given(kind: str) -> None:
    rule = {"kind": kind, **EXAMPLES[kind]}
    assert as_json(parse_rule(rule, "rule")) == rule


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("text", r"rules\[0\] must be an object, not 'text'"),
        ({}, r"rules\[0\].kind is None; it must be one of no-capacity, reclaim-host"),
        ({"kind": "no-capacity", "instance": "x"}, r"rules\[0\].instance is no field of no-capacity; it has"),
        ({"kind": "no-capacity", "purchase": "spott"}, "purchase is 'spott'; it must be spot or on-demand"),
        ({"kind": "slow-start"}, "seconds is missing; it must be a number"),
        ({"kind": "slow-start", "seconds": -1}, "seconds is -1; it must be at least 0"),
        ({"kind": "slow-start", "seconds": True}, "seconds is True; it must be a number"),
        ({"kind": "no-image", "times": 0}, "times is 0; it must be at least 1"),
        ({"kind": "no-image", "times": 1.5}, "times is 1.5; it must be a whole number"),
        ({"kind": "kill-job", "outOfMemory": 1}, "outOfMemory is 1; it must be true or false"),
        ({"kind": "kill-function", "function": "FlowPlan"}, "one of beforeWrite and afterWrites"),
    ],
)
def test_what_is_refused(rule: Any, message: str) -> None:
    with pytest.raises(ChaosError, match=message):
        parse({"rules": [rule]})


@pytest.mark.parametrize("value", [[], {"rule": []}, {"rules": {}}, {"timeScale": 0}, {"timeScale": "fast"}])
def test_what_is_no_chaos_at_all(value: Any) -> None:
    with pytest.raises(ChaosError):
        parse(value)


def job(*types: str, purchase: Any = "spot", text: str = "", step: str = "train") -> JobFacts:
    return JobFacts(text, "queue", types, purchase, step)


def test_a_queue_with_another_type_still_has_capacity() -> None:
    rule = NoCapacity(instance_type="p4*")
    assert rule.applies_to(job("p4d.24xlarge", "p4de.24xlarge"))
    assert not rule.applies_to(job("p4d.24xlarge", "p3dn.24xlarge"))
    assert not rule.applies_to(job())
    # Other rules are about the machine that the job runs on: the first.
    assert ReclaimHost(instance_type="p4*").applies_to(job("p4d.24xlarge", "p3dn.24xlarge"))


def test_what_narrows_a_rule() -> None:
    rule = ReclaimHost(run="01RUN", purchase="spot", step="train")
    assert rule.applies_to(job("m7i.large", text="... 01RUN ..."))
    assert not rule.applies_to(job("m7i.large", text="02RUN"))
    assert not rule.applies_to(job("m7i.large", text="01RUN", purchase="on-demand"))
    assert not rule.applies_to(job("m7i.large", text="01RUN", step="evaluate"))


def test_a_rule_applies_as_often_as_it_says() -> None:
    chaos = Chaos()
    chaos.set(*parse({"rules": [{"kind": "no-image", "times": 2}, {"kind": "slow-start", "seconds": 1}]}))
    taken = [chaos.take(KINDS["no-image"], lambda _: True) is not None for _ in range(3)]
    assert taken == [True, True, False]
    assert [rule["applied"] for rule in chaos.shown()["rules"]] == [2, 0]


def test_rules_are_added_or_replaced() -> None:
    chaos, seen = Chaos(), []
    chaos.on_change.append(lambda: seen.append(len(chaos.shown()["rules"])))
    first, scale = parse({"rules": [{"kind": "no-capacity"}], "timeScale": 0.01})
    chaos.set(first, scale)
    chaos.add(*parse({"rules": [{"kind": "no-image"}]}))
    assert (chaos.time_scale, seen) == (0.01, [1, 2])
    assert chaos.holds(first[0])
    chaos.set([], None)
    assert (chaos.time_scale, seen) == (1, [1, 2, 0])
    assert not chaos.holds(first[0])


def test_a_request_rule() -> None:
    value = {
        "kind": "fail-request",
        "service": "s3",
        "error": "reset",
        "operation": "putobject",
        "key": "runs/",
    }
    rule = parse_rule(value, "rule")
    request = RequestFacts("s3", "PutObject", "runs/1/plan.json", "/bucket/runs/1/plan.json")
    assert rule.applies_to(request)  # type: ignore[attr-defined]
    other = RequestFacts("s3", "GetObject", "runs/1/plan.json", "/bucket/runs/1/plan.json")
    assert not rule.applies_to(other)  # type: ignore[attr-defined]

"""Whether a failed attempt is followed by another (retryStrategy and evaluateOnExit)."""

from typing import Any

TIMEOUT_REASON = "Job attempt duration exceeded timeout"


def _matches(pattern: str, value: str) -> bool:
    """Batch knows one wildcard, an asterisk at the end."""
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern


def _rule_applies(rule: dict[str, Any], attempt: dict[str, Any]) -> bool:
    container = attempt["container"]
    exit_code = container.get("exitCode")
    values = {
        "onStatusReason": attempt.get("statusReason", ""),
        "onReason": container.get("reason", ""),
        "onExitCode": "" if exit_code is None else str(exit_code),
    }
    return all(_matches(rule[name], value) for name, value in values.items() if rule.get(name))


def should_retry(strategy: dict[str, Any], attempts: list[dict[str, Any]]) -> bool:
    last = attempts[-1]
    if last["statusReason"] == TIMEOUT_REASON or len(attempts) >= int(strategy.get("attempts", 1)):
        return False
    for rule in strategy.get("evaluateOnExit") or []:
        if _rule_applies(rule, last):
            return str(rule["action"]).upper() == "RETRY"
    return True

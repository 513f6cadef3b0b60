"""CloudFormation and Step Functions write PascalCase where Batch's API has camelCase."""

from typing import Any

# Their keys are the user's own, not names of the API.
USER_KEYED = ("parameters", "tags", "options")


def _renamed(value: Any, change: Any) -> Any:
    if isinstance(value, list):
        return [_renamed(item, change) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        change(key[:1]) + key[1:]: item if key.lower() in USER_KEYED else _renamed(item, change)
        for key, item in value.items()
    }


def camel(value: Any) -> Any:
    return _renamed(value, str.lower)


def pascal(value: Any) -> Any:
    return _renamed(value, str.upper)

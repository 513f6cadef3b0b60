"""Reads and checks a data set in the Alpaca format: a JSON array, or JSON Lines."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from roslin_trainer.errors import dataset_invalid

MAX_LISTED_ISSUES = 10


@dataclass(frozen=True)
class Row:
    instruction: str
    input: str
    output: str


def parse_rows(content: bytes, name: str) -> list[Row]:
    """Raises TrainerError DATASET_INVALID, naming the lines that are wrong."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise dataset_invalid(f"The data file {name} is not UTF-8 at line {line}.") from error
    values = _array_values(text, name) if text.lstrip().startswith("[") else _line_values(text, name)
    rows, issues = [], []
    for line, value in values:
        problem = _problem(value)
        if problem:
            issues.append(f"line {line}: {problem}")
        else:
            rows.append(Row(value["instruction"], value.get("input", ""), value["output"]))
    if issues:
        more = "; …" if len(issues) > MAX_LISTED_ISSUES else ""
        listed = "; ".join(issues[:MAX_LISTED_ISSUES])
        raise dataset_invalid(f"The data file {name} has {len(issues)} wrong rows: {listed}{more}")
    if not rows:
        raise dataset_invalid(f"The data file {name} has no rows.")
    return rows


def _line_values(text: str, name: str) -> Iterator[tuple[int, object]]:
    # Not splitlines(): it also breaks at characters that JSON allows inside strings.
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            try:
                yield line, json.loads(content)
            except ValueError as error:
                raise dataset_invalid(f"The data file {name} is not JSON at line {line}: {error}") from error


def _array_values(text: str, name: str) -> Iterator[tuple[int, object]]:
    """Each element with the line it starts on; json.loads would not tell where an element stands."""
    decoder = json.JSONDecoder()
    at = _skip_space(text, text.index("[") + 1)
    line, counted_to = 1, 0
    try:
        if not text.startswith("]", at):
            while True:
                line += text.count("\n", counted_to, at)
                counted_to = at
                value, at = decoder.raw_decode(text, at)
                yield line, value
                at = _skip_space(text, at)
                if not text.startswith(",", at):
                    break
                at = _skip_space(text, at + 1)
        if not text.startswith("]", at) or text[at + 1 :].strip():
            raise json.JSONDecodeError("expected ',' or the closing ']' and nothing after it", text, at)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}"
        raise dataset_invalid(f"The data file {name} is not JSON at {where}: {error.msg}") from error


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _problem(value: object) -> str | None:
    if not isinstance(value, dict):
        return "is not an object"
    for field in ("instruction", "output"):
        if not isinstance(value.get(field), str) or not value[field].strip():
            return f"{field} must be text and not empty"
    if not isinstance(value.get("input", ""), str):
        return "input must be text"
    return None

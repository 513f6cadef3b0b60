"""Reads and checks a data set, by the rules that core/dataset.ts checked it with when it was submitted."""

from dataclasses import dataclass

from roslin_trainer.data_file import NotJson, read_values
from roslin_trainer.errors import dataset_invalid
from roslin_trainer.formats import ROW_FIELDS, Row, WrongRow, detect_format, has_response, read_row

MAX_LISTED_ISSUES = 10


@dataclass(frozen=True)
class DataSet:
    """`format` is alpaca, dolly or chat; `rows` are those that have a response."""

    format: str
    rows: list[Row]
    rows_without_response: int


def parse_dataset(content: bytes, name: str, format: str) -> DataSet:
    """`format` may be auto. Raises TrainerError DATASET_INVALID, naming the lines that are wrong."""
    values = list(read_values(content, name, ROW_FIELDS))
    if format == "auto":
        format = detect_format([value for _, value in values])
    rows, issues = [], []
    for place, value in values:
        if isinstance(value, NotJson):
            issues.append(f"{place}: is not JSON: {value}")
            continue
        try:
            rows.append(read_row(value, format))
        except WrongRow as problem:
            issues.append(f"{place}: {problem}")
    if issues:
        more = "; …" if len(issues) > MAX_LISTED_ISSUES else ""
        listed = "; ".join(issues[:MAX_LISTED_ISSUES])
        raise dataset_invalid(
            f"The data file {name}, read as {format}, has {len(issues)} wrong rows: {listed}{more}"
        )
    if not rows:
        raise dataset_invalid(f"The data file {name} has no rows.")
    kept = [row for row in rows if has_response(row)]
    if not kept:
        raise dataset_invalid(
            f"The data file {name}, read as {format}, has no row to train on: "
            f"a response is blank in each of its rows, {len(rows)} in all."
        )
    return DataSet(format, kept, len(rows) - len(kept))

"""A data file's bytes as values with their places: a JSON array, JSON Lines, either gzipped, or Parquet."""

import gzip
import io
import json
import zlib
from collections.abc import Iterator, Sequence

import pyarrow.parquet

from roslin_trainer.errors import dataset_invalid

GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"
# What JavaScript's trim() removes, so that a file checked there is read alike here; str.strip() differs.
BLANK = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)


class NotJson(str):
    """Stands where a value should be, and says why it is none."""


def read_values(content: bytes, name: str, fields: Sequence[str]) -> Iterator[tuple[str, object]]:
    """Each value with its place: its line, or in Parquet its row, counted from 1.

    Parquet's columns beside `fields` are not read: they may hold what Python cannot. A part that is not JSON
    is a `NotJson`. Raises TrainerError DATASET_INVALID where the file is damaged.
    """
    if content.startswith(GZIP_MAGIC):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise dataset_invalid(f"The data file {name} is damaged gzip: {error}.") from error
    if content.startswith(PARQUET_MAGIC):
        return _parquet_values(content, name, fields)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise dataset_invalid(f"The data file {name} is not UTF-8 at line {line}.") from error
    return _array_values(text) if text.lstrip(BLANK).startswith("[") else _line_values(text)


def _parquet_values(content: bytes, name: str, fields: Sequence[str]) -> Iterator[tuple[str, object]]:
    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(content))
        columns = _columns(file.schema_arrow.names, fields)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise dataset_invalid(f"The data file {name} is damaged Parquet: {error}.") from error
    try:
        values = (value for batch in file.iter_batches(columns=columns) for value in batch.to_pylist())
        for row, value in enumerate(values, start=1):
            yield f"row {row}", value
    # OverflowError is of dates beyond Python's, KeyError of time zones unknown to it.
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError, KeyError) as error:
        raise dataset_invalid(
            f"The data file {name} cannot be read in its columns {', '.join(columns)}: "
            f"{type(error).__name__}: {error}. They must hold text, messages lists of role and content."
        ) from error


def _columns(names: list[str], fields: Sequence[str]) -> list[str]:
    for field in fields:
        if names.count(field) > 1:
            raise ValueError(f"it has {names.count(field)} columns named {field}")
    return [field for field in fields if field in names]


def _not_a_number(constant: str):
    raise json.JSONDecodeError(f"{constant} is Python's, not JSON's", constant, 0)


# As floats, because long integers are refused by Python alone; no number of a row is read.
_DECODER = json.JSONDecoder(parse_int=float, parse_constant=_not_a_number)


def _line_values(text: str) -> Iterator[tuple[str, object]]:
    # Not splitlines(): it also breaks at characters that JSON allows inside strings.
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip(BLANK):
            try:
                yield f"line {line}", _DECODER.decode(content)
            except ValueError as error:
                yield f"line {line}", NotJson(error)


def _array_values(text: str) -> Iterator[tuple[str, object]]:
    """Each element with the line it starts on; json.loads would not tell where an element stands."""
    at = _skip_space(text, text.index("[") + 1)
    line, counted_to = 1, 0
    try:
        if not text.startswith("]", at):
            while True:
                line += text.count("\n", counted_to, at)
                counted_to = at
                value, at = _DECODER.raw_decode(text, at)
                yield f"line {line}", value
                at = _skip_space(text, at)
                if not text.startswith(",", at):
                    break
                at = _skip_space(text, at + 1)
        if not text.startswith("]", at):
            raise json.JSONDecodeError("expected ',' or the closing ']'", text, at)
        at = _skip_space(text, at + 1)
        if at < len(text):
            raise json.JSONDecodeError("expected nothing after the closing ']'", text, at)
    except json.JSONDecodeError as error:
        # A constant that is not JSON's stands in the element that began on `line`.
        where = error.lineno if error.doc is text else line
        yield f"line {where}", NotJson(error.msg)


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at

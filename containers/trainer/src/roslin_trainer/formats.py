"""Row formats: Alpaca's, dolly-15k's and chat messages, each read into exchanges."""

from collections.abc import Callable
from dataclasses import dataclass

from roslin_trainer.data_file import BLANK


class WrongRow(ValueError):
    """Says which field of a row is wrong, and how."""


@dataclass(frozen=True)
class Exchange:
    """What is asked, perhaps with an input, and what is to be answered."""

    instruction: str
    input: str
    output: str


# Alpaca's and dolly-15k's rows are one exchange, a conversation is several.
Row = tuple[Exchange, ...]


def detect_format(values: list[object]) -> str:
    """The format of the first value that is an object."""
    first = next((value for value in values if isinstance(value, dict)), {})
    if "messages" in first:
        return "chat"
    return "dolly" if "response" in first and "output" not in first else "alpaca"


def read_row(value: object, format: str) -> Row:
    """Raises WrongRow."""
    if not isinstance(value, dict):
        raise WrongRow("is not an object")
    return READERS[format](value)


def has_response(row: Row) -> bool:
    """Whether no response in the row is blank: a conversation is learned whole, or not at all."""
    return all(exchange.output.strip(BLANK) for exchange in row)


def _read_alpaca(value: dict) -> Row:
    return (
        Exchange(_text(value, "instruction"), _optional_text(value, "input"), _response(value, "output")),
    )


def _read_dolly(value: dict) -> Row:
    return (
        Exchange(_text(value, "instruction"), _optional_text(value, "context"), _response(value, "response")),
    )


def _read_chat(value: dict) -> Row:
    """The system's text, where it says anything, goes before the first user's, with an empty line between."""
    messages = value.get("messages")
    if not isinstance(messages, list) or not messages:
        raise WrongRow("messages must be a list and not empty")
    turns = [_read_message(message, index) for index, message in enumerate(messages)]
    has_system = turns[0][0] == "system"
    dialogue = turns[1:] if has_system else turns
    for index, (role, _) in enumerate(dialogue):
        expected = ("user", "assistant")[index % 2]
        if role != expected:
            raise WrongRow(f"messages.{index + has_system}.role must be {expected} here, not {role}")
    if len(dialogue) == 0 or len(dialogue) % 2:
        raise WrongRow("messages must end with one of the assistant")
    asked, answered = [text for _, text in dialogue[::2]], [text for _, text in dialogue[1::2]]
    if has_system and turns[0][1].strip(BLANK):
        asked[0] = f"{turns[0][1]}\n\n{asked[0]}"
    return tuple(
        Exchange(instruction, "", output) for instruction, output in zip(asked, answered, strict=True)
    )


def _read_message(message: object, index: int) -> tuple[str, str]:
    if not isinstance(message, dict):
        raise WrongRow(f"messages.{index} is not an object")
    role = message.get("role")
    if role not in ("system", "user", "assistant"):
        raise WrongRow(f"messages.{index}.role must be system, user or assistant")
    # Public data have systems that say nothing.
    read = {"system": _optional_text, "user": _text, "assistant": _response}[role]
    return role, read(message, "content", f"messages.{index}.")


def _text(value: dict, field: str, parent: str = "") -> str:
    text = value.get(field)
    if not isinstance(text, str) or not text.strip(BLANK):
        raise WrongRow(f"{parent}{field} must be text and not empty")
    return _well_formed(text, f"{parent}{field}")


def _response(value: dict, field: str, parent: str = "") -> str:
    """May be blank, as some of Alpaca's are: its row is left out, not refused."""
    text = value.get(field)
    if not isinstance(text, str):
        raise WrongRow(f"{parent}{field} must be text")
    return _well_formed(text, f"{parent}{field}")


def _optional_text(value: dict, field: str, parent: str = "") -> str:
    """Empty where the field is missing or null, as exports of tables have it."""
    text = value.get(field)
    if text is not None and not isinstance(text, str):
        raise WrongRow(f"{parent}{field} must be text")
    return _well_formed(text or "", f"{parent}{field}")


def _well_formed(text: str, field: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise WrongRow(f"{field} has half a surrogate pair, which no tokenizer reads") from error
    return text


# The fields that rows are made from; a table's other columns are not read.
ROW_FIELDS = ("instruction", "input", "output", "context", "response", "messages")

READERS: dict[str, Callable[[dict], Row]] = {
    "alpaca": _read_alpaca,
    "dolly": _read_dolly,
    "chat": _read_chat,
}

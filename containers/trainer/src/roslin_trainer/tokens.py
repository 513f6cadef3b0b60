"""Tokenised rows: how they are made, split and stored."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from roslin_trainer.formats import Row
from roslin_trainer.plan import Template
from roslin_trainer.prompt import next_prompt_tokens, prompt_tokens, response_tokens


@dataclass(frozen=True)
class TokenRow:
    """Token ids of a row (int32), and which of them are learned (bool): a chat learns every answer in it."""

    ids: np.ndarray
    learned: np.ndarray

    @property
    def supervised_tokens(self) -> int:
        # The first token of a row has nothing before it to be predicted from.
        return int(self.learned[1:].sum())

    @property
    def given_prefix(self) -> int:
        """How many tokens come before the first learned one."""
        return int(self.learned.argmax()) if self.learned.any() else len(self.ids)


def tokenize_row(tokenizer, template: Template, row: Row, max_tokens: int) -> tuple[TokenRow, bool]:
    """The row, every response in it learned; and whether it had to be cut to `max_tokens`."""
    ids: list[int] = []
    learned: list[bool] = []
    for exchange in row:
        if ids:
            given = next_prompt_tokens(tokenizer, template, exchange.instruction)
        else:
            given = prompt_tokens(tokenizer, template, exchange.instruction, exchange.input)
        response = response_tokens(tokenizer, template, exchange.output)
        ids += given + response
        learned += [False] * len(given) + [True] * len(response)
    cut = TokenRow(np.array(ids[:max_tokens], dtype=np.int32), np.array(learned[:max_tokens], dtype=bool))
    return cut, len(ids) > max_tokens


def split_held_out(count: int, fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Indexes to train on and to hold out, chosen by a hash: no library's update can move a row across."""

    def rank(index: int) -> bytes:
        return hashlib.sha256(f"{seed}:{index}".encode()).digest()

    held_out = min(max(1, round(count * fraction)), count - 1) if fraction > 0 else 0
    ranked = sorted(range(count), key=rank)
    return sorted(ranked[held_out:]), sorted(ranked[:held_out])


def save_rows(rows: list[TokenRow], path: Path) -> None:
    """All rows' ids in one array, which are learned, and the place where each row starts."""
    lengths = [len(row.ids) for row in rows]
    save_file(
        {
            "tokens": np.concatenate([row.ids for row in rows]) if rows else np.empty(0, np.int32),
            "starts": np.cumsum([0, *lengths], dtype=np.int64),
            "learned": np.concatenate([row.learned for row in rows]) if rows else np.empty(0, bool),
        },
        path,
    )


def load_rows(path: Path) -> list[TokenRow]:
    arrays = load_file(path)
    starts, tokens, learned = arrays["starts"], arrays["tokens"], arrays["learned"]
    return [
        TokenRow(tokens[start:end], learned[start:end])
        for start, end in zip(starts[:-1], starts[1:], strict=True)
    ]

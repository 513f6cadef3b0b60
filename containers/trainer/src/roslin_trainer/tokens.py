"""Tokenised rows: how they are made, split and stored."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from roslin_trainer.dataset import Row
from roslin_trainer.prompt import prompt_tokens, response_tokens


@dataclass(frozen=True)
class TokenRow:
    """Token ids of a row; the first `prompt_length` are given, the rest is learned."""

    ids: np.ndarray
    prompt_length: int

    @property
    def supervised_tokens(self) -> int:
        # The first token of a row has nothing before it to be predicted from.
        return len(self.ids) - max(self.prompt_length, 1)


def tokenize_row(tokenizer, row: Row, max_tokens: int) -> tuple[TokenRow, bool]:
    """The row, and whether it had to be cut to `max_tokens`."""
    prompt = prompt_tokens(tokenizer, row.instruction, row.input)
    ids = prompt + response_tokens(tokenizer, row.output)
    cut = ids[:max_tokens]
    return TokenRow(np.array(cut, dtype=np.int32), min(len(prompt), len(cut))), len(cut) < len(ids)


def split_held_out(count: int, fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Indexes to train on and to hold out, chosen by a hash: no library's update can move a row across."""

    def rank(index: int) -> bytes:
        return hashlib.sha256(f"{seed}:{index}".encode()).digest()

    held_out = min(max(1, round(count * fraction)), count - 1) if fraction > 0 else 0
    ranked = sorted(range(count), key=rank)
    return sorted(ranked[held_out:]), sorted(ranked[:held_out])


def save_rows(rows: list[TokenRow], path: Path) -> None:
    """All rows' ids in one array, the place where each row starts, and each row's prompt length."""
    lengths = [len(row.ids) for row in rows]
    save_file(
        {
            "tokens": np.concatenate([row.ids for row in rows]) if rows else np.empty(0, np.int32),
            "starts": np.cumsum([0, *lengths], dtype=np.int64),
            "promptLengths": np.array([row.prompt_length for row in rows], dtype=np.int32),
        },
        path,
    )


def load_rows(path: Path) -> list[TokenRow]:
    arrays = load_file(path)
    starts, tokens = arrays["starts"], arrays["tokens"]
    return [
        TokenRow(tokens[start:end], int(prompt_length))
        for start, end, prompt_length in zip(starts[:-1], starts[1:], arrays["promptLengths"], strict=True)
    ]

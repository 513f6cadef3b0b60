"""Packs rows into one sequence: no padding, and what all rows begin with is computed once."""

from collections.abc import Callable

import numpy as np
import torch

from roslin_trainer.attention import PACKED_ATTENTION
from roslin_trainer.batches import IGNORED_LABEL, Batch, pad_rows
from roslin_trainer.tokens import TokenRow


def reads_packs(model) -> bool:
    return model.config._attn_implementation == PACKED_ATTENTION


def collate_for(model) -> Callable[[list[TokenRow]], Batch]:
    """How rows become a batch: packed where the model's attention keeps packed rows apart, else padded."""
    if reads_packs(model):
        return pack_rows
    # Which token stands in the padding makes no difference: nothing sees it.
    return lambda rows: pad_rows(rows, pad_id=0)


def shared_prefix_length(rows: list[TokenRow]) -> int:
    """How many tokens all rows begin with and none learns: the template's introduction."""
    limit = min(row.given_prefix for row in rows)
    first = rows[0].ids[:limit]
    for row in rows[1:]:
        differs = np.nonzero(row.ids[: len(first)] != first)[0]
        first = first[: differs[0]] if len(differs) else first
    # A response's first token is predicted from the token before it, which therefore stays with its row.
    return max(0, min(len(first), limit - 1))


def pack_rows(rows: list[TokenRow]) -> Batch:
    """One sequence: the shared prefix, then the rest of each row, which sees the prefix and itself only.

    The attention mask is the pack's layout, int64 [1, 1, 1, 1 + rows]: how many tokens the prefix has, and
    the rest of each row (attention.py reads it, on the host).
    """
    prefix = shared_prefix_length(rows)
    input_ids = torch.from_numpy(
        np.concatenate([rows[0].ids[:prefix], *(row.ids[prefix:] for row in rows)]).astype(np.int64)
    )
    position_ids = torch.cat([torch.arange(prefix), *(torch.arange(prefix, len(row.ids)) for row in rows)])
    learned = np.concatenate([np.zeros(prefix, bool), *(row.learned[prefix:] for row in rows)])
    labels = input_ids.masked_fill(~torch.from_numpy(learned), IGNORED_LABEL)
    layout = torch.tensor([prefix, *(len(row.ids) - prefix for row in rows)])
    # Before a row's rest stands another row's end, from which nothing is predicted.
    labels[layout.cumsum(0)[:-1]] = IGNORED_LABEL
    return Batch(input_ids[None], layout[None, None, None], position_ids[None], labels[None])

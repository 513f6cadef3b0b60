"""Packs rows into one sequence: no padding, and what all rows begin with is computed once."""

import numpy as np
import torch

from roslin_trainer.batches import IGNORED_LABEL, Batch
from roslin_trainer.tokens import TokenRow

# Attention costs the square of a pack's length: beyond this, the mask eats what packing saves.
MAX_PACK_TOKENS = 1024


def shared_prefix_length(rows: list[TokenRow]) -> int:
    """How many tokens all rows begin with and none learns: the template's introduction."""
    limit = min(row.given_prefix for row in rows)
    first = rows[0].ids[:limit]
    for row in rows[1:]:
        differs = np.nonzero(row.ids[: len(first)] != first)[0]
        first = first[: differs[0]] if len(differs) else first
    # A response's first token is predicted from the token before it, which therefore stays with its row.
    return min(len(first), limit - 1)


def split_into_packs(rows: list[TokenRow]) -> list[list[TokenRow]]:
    """Rows in the order given, as many to a pack as fit MAX_PACK_TOKENS, but always one."""
    packs: list[list[TokenRow]] = []
    tokens = MAX_PACK_TOKENS
    for row in rows:
        if tokens + len(row.ids) > MAX_PACK_TOKENS:
            packs.append([])
            tokens = 0
        packs[-1].append(row)
        tokens += len(row.ids)
    return packs


def pack_rows(rows: list[TokenRow]) -> Batch:
    """One sequence: the shared prefix, then the rest of each row, which sees the prefix and itself only."""
    prefix = shared_prefix_length(rows)
    rests = [row.ids[prefix:].astype(np.int64) for row in rows]
    input_ids = torch.from_numpy(np.concatenate([rows[0].ids[:prefix].astype(np.int64), *rests]))
    lengths = torch.tensor([len(rest) for rest in rests])
    # Row 0 owns its tokens, row 1 its own; −1 marks the prefix, which belongs to all.
    owner = torch.cat([torch.full((prefix,), -1), torch.repeat_interleave(torch.arange(len(rows)), lengths)])
    position_ids = torch.cat([torch.arange(prefix), *(torch.arange(prefix, len(row.ids)) for row in rows)])
    learned = np.concatenate([np.zeros(prefix, bool), *(row.learned[prefix:] for row in rows)])
    labels = input_ids.masked_fill(~torch.from_numpy(learned), IGNORED_LABEL)
    visible = ((owner[:, None] == owner[None, :]) | (owner[None, :] == -1)).tril()
    mask = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
    return Batch(input_ids[None], mask[None, None], position_ids[None], labels[None])

"""What a data set turned into: the run's `statistics.json` (core/run-files.ts, statisticsSchema)."""

from collections.abc import Iterable

import numpy as np

from roslin_trainer.batches import PAD_MULTIPLE, BatchPlan
from roslin_trainer.tokens import TokenRow

SHORTEST_BIN_TOKENS = 16


def row_statistics(rows: list[TokenRow]) -> dict:
    """Tokens of all rows, with a histogram in which each bin reaches twice as far as the one before."""
    lengths = np.array([len(row.ids) for row in rows])
    return {
        "tokens": int(lengths.sum()),
        "supervisedTokens": sum(row.supervised_tokens for row in rows),
        "tokensPerRow": {
            "mean": round(float(lengths.mean()), 1),
            "median": int(np.median(lengths)),
            "p95": int(np.percentile(lengths, 95)),
            "max": int(lengths.max()),
        },
        "lengthHistogram": _histogram(lengths),
    }


def _histogram(lengths: np.ndarray) -> list[dict]:
    """Rows of at most `upToTokens`, and of more than the bin before."""
    bins, counted, up_to = [], 0, SHORTEST_BIN_TOKENS
    while counted < len(lengths):
        within = int((lengths <= up_to).sum())
        bins.append({"upToTokens": up_to, "rows": within - counted})
        counted, up_to = within, up_to * 2
    return bins


def padding_statistics(train_lengths: np.ndarray, rows_per_batch: int, seed: int) -> dict:
    """What padding would have cost in the first epoch: each batch to its longest row and a multiple of 8.

    Packed rows have none of it. Batches are one GPU's, in the order that `seed` shuffles.
    """
    plan = BatchPlan(
        train_lengths.tolist(), rows_per_batch, world_size=1, pack_tokens=1, is_padded=True, seed=seed
    )
    tokens, slots = int(train_lengths.sum()), _padded_slots(train_lengths, plan.steps(epoch=0))
    return {
        "batchSizePerGpu": rows_per_batch,
        "tokens": tokens,
        "slotsWhenPadded": slots,
        "avoidedShare": round(1 - tokens / slots, 4),
    }


def _padded_slots(lengths: np.ndarray, batches: Iterable[list[int]]) -> int:
    longest = ((len(rows), int(lengths[rows].max())) for rows in batches)
    return sum(count * -(-tokens // PAD_MULTIPLE) * PAD_MULTIPLE for count, tokens in longest)

"""Which rows each step reads, and how they become tensors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from roslin_trainer.tokens import TokenRow

IGNORED_LABEL = -100
PAD_MULTIPLE = 8
MOST_ROWS_MEASURED = 8


@dataclass(frozen=True)
class BatchPlan:
    """Which rows each step reads: a function of the seed alone, so that a resumed run reads the same."""

    row_lengths: Sequence[int]
    rows_per_step: int
    world_size: int
    pack_tokens: int
    is_padded: bool
    """Whether rows of a pack are padded to its longest, for models that cannot read packed rows."""
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.row_lengths) // self.rows_per_step)

    def steps(self, epoch: int) -> Iterator[list[int]]:
        """Row indexes of each step of an epoch (counted from 0), all ranks together."""
        # RandomState's stream is frozen by NumPy's policy; the newer generators' may change.
        order = np.random.RandomState([self.seed, epoch]).permutation(len(self.row_lengths)).tolist()
        for start in range(0, len(order), self.rows_per_step):
            yield order[start : start + self.rows_per_step]

    def micro_batches(self, step_rows: list[int], rank: int) -> list[list[int]]:
        """One rank's share of a step in packs of up to `pack_tokens` tokens, or of one longer row.

        Every rank gets as many packs as the others, some possibly empty: collective calls must match.
        """
        shares = [self._packs(share) for share in balance(step_rows, self.row_lengths, self.world_size)]
        empty = max(map(len, shares)) - len(shares[rank])
        return shares[rank] + [[]] * empty

    def _packs(self, share: list[int]) -> list[list[int]]:
        for count in range(1, len(share)):
            packs = balance(share, self.row_lengths, count)
            if all(len(pack) == 1 or self._size(pack) <= self.pack_tokens for pack in packs):
                return packs
        return [[row] for row in share]

    def _size(self, pack: list[int]) -> int:
        lengths = [self.row_lengths[row] for row in pack]
        return max(lengths) * len(lengths) if self.is_padded else sum(lengths)


def balance(rows: list[int], row_lengths: Sequence[int], parts: int) -> list[list[int]]:
    """Parts of about equally many tokens: the longest row first, each to the least loaded part."""
    shares: list[list[int]] = [[] for _ in range(parts)]
    loads = [0] * parts
    for row in sorted(rows, key=lambda row: (-row_lengths[row], row)):
        lightest = loads.index(min(loads))
        shares[lightest].append(row)
        loads[lightest] += row_lengths[row]
    return shares


def measured_batches(rows: Sequence[TokenRow], tokens: int, ranks: int = 1) -> Iterator[Sequence[TokenRow]]:
    """Rows whose loss is taken, the longest first: for each rank up to 8 that fit `tokens`, or one longer."""
    rest = sorted(rows, key=lambda row: -len(row.ids))
    while rest:
        count = ranks * max(1, min(MOST_ROWS_MEASURED, tokens // len(rest[0].ids)))
        yield rest[:count]
        rest = rest[count:]


@dataclass(frozen=True)
class Batch:
    """int64 tensors [rows, tokens]; labels are IGNORED_LABEL where nothing is learned.

    `attention_mask` is [rows, tokens] for padded rows; packed ones have their layout there (packing.py).
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    position_ids: torch.Tensor
    labels: torch.Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(
            self.input_ids.to(device),
            # A pack's layout is read on the host.
            self.attention_mask if self.attention_mask.dim() == 4 else self.attention_mask.to(device),
            self.position_ids.to(device),
            self.labels.to(device),
        )


def pad_rows(rows: list[TokenRow], pad_id: int) -> Batch:
    """Rows padded on the right to the longest and a multiple of 8."""
    longest = max(len(row.ids) for row in rows)
    width = -(-longest // PAD_MULTIPLE) * PAD_MULTIPLE
    input_ids = torch.full((len(rows), width), pad_id, dtype=torch.int64)
    attention_mask = torch.zeros_like(input_ids)
    labels = torch.full_like(input_ids, IGNORED_LABEL)
    for index, row in enumerate(rows):
        ids = torch.from_numpy(row.ids.astype(np.int64))
        input_ids[index, : len(ids)] = ids
        attention_mask[index, : len(ids)] = 1
        labels[index, : len(ids)] = ids.masked_fill(~torch.from_numpy(row.learned), IGNORED_LABEL)
    position_ids = torch.arange(width).expand(len(rows), width)
    return Batch(input_ids, attention_mask, position_ids, labels)


def without_labels(batch: Batch) -> Batch:
    """Nothing to learn from: for a rank that has no rows left but must take part in the step."""
    return Batch(
        batch.input_ids,
        batch.attention_mask,
        batch.position_ids,
        torch.full_like(batch.labels, IGNORED_LABEL),
    )

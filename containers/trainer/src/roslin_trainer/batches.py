"""Which rows each step reads, and how they become tensors."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from roslin_trainer.tokens import TokenRow

IGNORED_LABEL = -100
PAD_MULTIPLE = 8


@dataclass(frozen=True)
class BatchPlan:
    """Which rows each step reads: a function of the seed alone, so that a resumed run reads the same."""

    row_count: int
    rows_per_micro_step: int
    micro_steps: int
    world_size: int
    seed: int

    @property
    def rows_per_step(self) -> int:
        return self.rows_per_micro_step * self.micro_steps * self.world_size

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.row_count // self.rows_per_step)

    def steps(self, epoch: int) -> Iterator[list[int]]:
        """Row indexes of each step of an epoch (counted from 0), all ranks together."""
        # RandomState's stream is frozen by NumPy's policy; the newer generators' may change.
        order = np.random.RandomState([self.seed, epoch]).permutation(self.row_count).tolist()
        for start in range(0, self.row_count, self.rows_per_step):
            yield order[start : start + self.rows_per_step]

    def micro_batches(self, step_rows: list[int], rank: int) -> list[list[int]]:
        """One rank's share of a step: as many micro batches for every rank, the last one possibly empty."""
        rows_at_once = self.rows_per_micro_step * self.world_size
        starts = range(0, len(step_rows), rows_at_once)
        # Every world_size-th row, so that ranks get equally many.
        return [step_rows[start : start + rows_at_once][rank :: self.world_size] for start in starts]


@dataclass(frozen=True)
class Batch:
    """int64 tensors [rows, tokens]; labels are IGNORED_LABEL where nothing is learned.

    `attention_mask` is [rows, tokens] for padded rows, float32 [1, 1, tokens, tokens], added, for packed.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    position_ids: torch.Tensor
    labels: torch.Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(
            self.input_ids.to(device),
            self.attention_mask.to(device),
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

"""Ranks on CPUs that each keep the whole of Adam's state, as PyTorch's DistributedDataParallel does."""

from pathlib import Path

import torch
import torch.distributed as distributed

from roslin_trainer.collectives import sum_over_ranks
from roslin_trainer.engine import STATE_FILE, TorchEngine
from roslin_trainer.gradient_sum import gradient_sum
from roslin_trainer.plan import Training
from roslin_trainer.tokens import TokenRow

OPTIMIZER_FILE = "optimizer.pt"


class DataParallelEngine(TorchEngine):
    """One rank under torchrun. Dividing Adam's state, as ZeRO does, saves memory that a CPU has.

    It would cost time: gathering the new weights takes longer than computing all of them on every rank.
    """

    def __init__(self, model, training: Training, dtype: torch.dtype):
        self.rank = distributed.get_rank()
        self.world_size = distributed.get_world_size()
        super().__init__(model, training, dtype)
        self._sum = gradient_sum(sum(weight.numel() for weight in self._weights))

    def accumulate(self, rows: list[TokenRow], step_tokens: int, is_last: bool) -> torch.Tensor:
        loss = super().accumulate(rows, step_tokens, is_last)
        if is_last:
            self._add_up_gradients()
        return loss

    def all_sum(self, values: list[float]) -> list[float]:
        return sum_over_ranks(values, self.device)

    def save_state(self, folder: Path) -> None:
        if self.rank == 0:
            torch.save(self._optimizer.state_dict(), folder / OPTIMIZER_FILE)
        torch.save(torch.get_rng_state(), folder / self._random_file)
        # Rank 0 uploads the folder: it must not start before all have written.
        distributed.barrier()

    def load_state(self, folder: Path) -> None:
        self._optimizer.load_state_dict(torch.load(folder / OPTIMIZER_FILE, weights_only=True))
        torch.set_rng_state(torch.load(folder / self._random_file, weights_only=True))

    def save_weights(self, folder: Path) -> None:
        if self.rank == 0:
            super().save_weights(folder)
        distributed.barrier()

    @property
    def _random_file(self) -> str:
        return f"rank-{self.rank}-{STATE_FILE}"

    def _add_up_gradients(self) -> None:
        """A rank that had no rows, or a weight that none of them used, adds nothing."""
        gradients = [
            torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in self._weights
        ]
        parts = self._sum(gradients).split([gradient.numel() for gradient in gradients])
        for weight, part in zip(self._weights, parts, strict=True):
            weight.grad = part.view_as(weight)

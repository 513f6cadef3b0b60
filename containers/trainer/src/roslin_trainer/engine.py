"""What the training loop needs of the machinery below it, and plain PyTorch doing it on a CPU."""

from pathlib import Path
from typing import Protocol

import torch

from roslin_trainer.batches import Batch
from roslin_trainer.compat import HAS_FUSED_ADAM
from roslin_trainer.host import keep_freed_memory
from roslin_trainer.layout import Layout
from roslin_trainer.loss import SupervisedLoss
from roslin_trainer.model import precision_of, save_weights
from roslin_trainer.packing import collate_for, reads_packs
from roslin_trainer.plan import Training
from roslin_trainer.tokens import TokenRow
from roslin_trainer.wide_products import are_products_wide, widen_products

ADAM_BETAS = (0.9, 0.999)
MAX_GRADIENT_NORM = 1.0
STATE_FILE = "torch.pt"
# Beyond this a pack gains a CPU nothing, and its activations leave the cache.
CPU_PACK_TOKENS = 2048


class Engine(Protocol):
    """One rank's share of the training machinery. All ranks make the same calls in the same order."""

    device: torch.device
    rank: int
    world_size: int
    layout: Layout
    """Of the state that `save_state` writes."""
    pack_tokens: int
    """How many tokens fit one call of `accumulate`; a longer row comes alone."""
    is_padded: bool
    """Whether the model cannot read packed rows, so that they are padded to the longest."""

    def accumulate(self, rows: list[TokenRow], step_tokens: int, is_last: bool) -> torch.Tensor:
        """Adds a pack's gradients, weighted for a mean over the supervised tokens of the whole step.

        Returns the sum of the losses, detached. `rows` may be empty; `is_last` closes the step.
        """

    def update(self, learning_rate: float) -> float:
        """Clips the gradients and moves the weights. Returns the gradients' norm before clipping.

        Gradients that are not finite move nothing; their norm is then not finite either.
        """

    def computed_tokens(self) -> int:
        """Slots that this rank has computed in `accumulate` since the last call, padding included."""

    def has_finite_weights(self) -> bool:
        """Whether this rank's share of the trained weights is finite."""

    def loss_sum(self, rows: list[TokenRow]) -> torch.Tensor:
        """The sum of the losses, without gradients or dropout."""

    def all_sum(self, values: list[float]) -> list[float]:
        """Each value added up over all ranks."""

    def save_state(self, folder: Path) -> None:
        """Optimizer and random state, every rank its own: what an exact resume needs beside the weights."""

    def load_state(self, folder: Path) -> None: ...

    def save_weights(self, folder: Path) -> None:
        """The model in Hugging Face's layout, or the adapters in peft's. Rank 0 writes."""


class TorchEngine:
    """One process: for a CPU, and in float32 the reference that the other engine is held against.

    With bfloat16 only the model's own computation is in 16 bits: weights, gradients and AdamW keep their 32.
    """

    rank = 0
    world_size = 1
    pack_tokens = CPU_PACK_TOKENS

    def __init__(self, model, training: Training, dtype: torch.dtype = torch.float32):
        keep_freed_memory()
        self.device = torch.device("cpu")
        self._model = model.train()
        self._dtype = dtype
        self.layout = Layout("none", self.world_size, self.device.type, precision_of(dtype))
        self._loss = SupervisedLoss(model)
        self._computed_tokens = 0
        self._collate = collate_for(model)
        self.is_padded = not reads_packs(model)
        if are_products_wide(dtype):
            widen_products(model)
        self._weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.AdamW(
            self._weights,
            lr=training.learning_rate,
            betas=ADAM_BETAS,
            weight_decay=training.weight_decay,
            fused=HAS_FUSED_ADAM,
        )

    def accumulate(self, rows: list[TokenRow], step_tokens: int, is_last: bool) -> torch.Tensor:
        if not rows:
            return torch.zeros(())
        batch = self._collate(rows)
        self._computed_tokens += batch.input_ids.numel()
        loss = self._loss_of(batch)
        (loss / step_tokens).backward()
        return loss.detach()

    def update(self, learning_rate: float) -> float:
        norm = torch.nn.utils.clip_grad_norm_(self._weights, MAX_GRADIENT_NORM)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        if norm.isfinite():
            self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return norm.item()

    def computed_tokens(self) -> int:
        computed, self._computed_tokens = self._computed_tokens, 0
        return computed

    def has_finite_weights(self) -> bool:
        return all(weight.isfinite().all() for weight in self._weights)

    @torch.no_grad()
    def loss_sum(self, rows: list[TokenRow]) -> torch.Tensor:
        self._model.eval()
        try:
            return self._loss_of(self._collate(rows)) if rows else torch.zeros(())
        finally:
            self._model.train()

    def _loss_of(self, batch: Batch) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._dtype == torch.bfloat16):
            return self._loss(self._model, batch)

    def all_sum(self, values: list[float]) -> list[float]:
        return values

    def save_state(self, folder: Path) -> None:
        state = {"optimizer": self._optimizer.state_dict(), "random": torch.get_rng_state()}
        torch.save(state, folder / STATE_FILE)

    def load_state(self, folder: Path) -> None:
        state = torch.load(folder / STATE_FILE, weights_only=True)
        self._optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])

    def save_weights(self, folder: Path) -> None:
        save_weights(self._model, folder)

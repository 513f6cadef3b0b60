"""The loss of a batch, with logits computed only where something is learned."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as functional

from roslin_trainer.batches import IGNORED_LABEL, Batch


class SupervisedLoss:
    """Sum of the cross-entropies of the supervised tokens.

    The output head is the widest layer (50,000 columns): it sees only the hidden states that a loss is taken
    of. A hook does it, so that it holds for every architecture, whatever comes after the head.
    """

    def __init__(self, model):
        self._positions: torch.Tensor | None = None
        self._hook = model.get_output_embeddings().register_forward_pre_hook(self._select)

    def __call__(self, model, batch: Batch) -> torch.Tensor:
        """A scalar in float32. `model` may be a wrapper of the one given before, such as DeepSpeed's."""
        # The hidden state at a position predicts the token after it.
        targets = batch.labels[:, 1:]
        supervised = targets != IGNORED_LABEL
        self._positions = functional.pad(supervised, (0, 1))
        try:
            logits = model(
                input_ids=batch.input_ids,
                attention_mask=batch.attention_mask,
                position_ids=batch.position_ids,
                use_cache=False,
            ).logits
        finally:
            self._positions = None
        return functional.cross_entropy(logits.float(), targets[supervised], reduction="sum")

    def remove(self) -> None:
        self._hook.remove()

    def _select(self, head, arguments):
        """Hidden states [rows, tokens, width] become [supervised tokens, width]."""
        if self._positions is None:
            return None
        return (arguments[0][self._positions],)


@contextmanager
def supervised_loss(model) -> Iterator[SupervisedLoss]:
    """The loss of a model that is used for something else afterwards."""
    loss = SupervisedLoss(model)
    try:
        yield loss
    finally:
        loss.remove()

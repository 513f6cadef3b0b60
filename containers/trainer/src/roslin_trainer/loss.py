"""The loss of a batch, with logits computed only where something is learned."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as functional

from roslin_trainer.batches import IGNORED_LABEL, Batch

# So many logits are turned into 32 bits at once: 16 MB of them, whatever the vocabulary.
CHUNK_LOGITS = 2**22


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
        return _CrossEntropySum.apply(logits, targets[supervised])

    def remove(self) -> None:
        self._hook.remove()

    def _select(self, head, arguments):
        """Hidden states [rows, tokens, width] become [supervised tokens, width]."""
        if self._positions is None:
            return None
        # A head may be on another GPU than the layer that tokens go into.
        return (arguments[0][self._positions.to(arguments[0].device)],)


class _CrossEntropySum(torch.autograd.Function):
    """Sum of cross-entropies in 32 bits, of logits [positions, vocabulary] in any precision.

    PyTorch's own keeps three copies of all logits in 32 bits; this, the logits, their gradient and a chunk.
    """

    @staticmethod
    def forward(context, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(logits, targets)
        loss = torch.zeros((), dtype=torch.float32, device=logits.device)
        for chunk, chunk_targets in _chunks(logits, targets):
            loss += functional.cross_entropy(chunk.float(), chunk_targets, reduction="sum")
        return loss

    @staticmethod
    def backward(context, scale: torch.Tensor) -> tuple[torch.Tensor, None]:
        logits, targets = context.saved_tensors
        gradient = torch.empty_like(logits)
        for chunk, chunk_targets, chunk_gradient in _chunks(logits, targets, gradient):
            probabilities = chunk.softmax(-1, dtype=torch.float32)
            probabilities[torch.arange(len(chunk)), chunk_targets] -= 1.0
            torch.mul(probabilities, scale, out=chunk_gradient)
        return gradient, None


def _chunks(logits: torch.Tensor, *others: torch.Tensor):
    rows = max(1, CHUNK_LOGITS // logits.shape[-1])
    return zip(*(tensor.split(rows) for tensor in (logits, *others)), strict=True)


@contextmanager
def supervised_loss(model) -> Iterator[SupervisedLoss]:
    """The loss of a model that is used for something else afterwards."""
    loss = SupervisedLoss(model)
    try:
        yield loss
    finally:
        loss.remove()

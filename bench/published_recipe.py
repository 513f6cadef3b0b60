"""Dolly's recipe as published, as a plain program: the reference that the trainer is held against.

Batches padded to the longest row and a multiple of 8, eager attention, gradient checkpointing, logits
everywhere, AdamW, clipping at 1; float32, or bfloat16 by autocast. Of several ranks each takes every n-th
row, and they add up their gradients.
"""

import torch
import torch.distributed as distributed
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM

PAD_ID = 0
IGNORED_LABEL = -100


class PublishedRecipe:
    def __init__(self, config, learning_rate: float, dtype: torch.dtype):
        self._dtype = dtype
        self.model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").train()
        self.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        self._weights = list(self.model.parameters())
        self._optimizer = torch.optim.AdamW(self._weights, lr=learning_rate, weight_decay=0.0)

    def accumulate(self, rows, step_tokens: int) -> float:
        """Gradients of the mean over the whole step's learned tokens. Returns this rank's part of that mean.

        (The recipe as published takes the mean of the ranks' means; so, gradients can be compared.)
        """
        input_ids, attention_mask, labels = padded(rows)
        with torch.autocast("cpu", torch.bfloat16, enabled=self._dtype == torch.bfloat16):
            logits = self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).logits
            loss = cross_entropy(
                logits[:, :-1].flatten(0, 1),
                labels[:, 1:].flatten(),
                ignore_index=IGNORED_LABEL,
                reduction="sum",
            )
        (loss / step_tokens).backward()
        if distributed.is_initialized():
            self._add_up_gradients()
        return loss.item() / step_tokens

    def update(self) -> None:
        torch.nn.utils.clip_grad_norm_(self._weights, 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()

    def gradients(self) -> list[torch.Tensor]:
        return [weight.grad for weight in self._weights]

    def _add_up_gradients(self) -> None:
        # In one message, as PyTorch's DistributedDataParallel does it: less traffic than the recipe's ZeRO-3.
        flat = torch.cat([weight.grad.flatten() for weight in self._weights])
        distributed.all_reduce(flat)
        parts = flat.split([weight.numel() for weight in self._weights])
        for weight, part in zip(self._weights, parts, strict=True):
            weight.grad.copy_(part.view_as(weight))


def padded(rows) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, mask and labels, [rows, longest row rounded up to a multiple of 8]."""
    width = -(-max(len(row.ids) for row in rows) // 8) * 8
    input_ids = torch.full((len(rows), width), PAD_ID)
    attention_mask = torch.zeros_like(input_ids)
    labels = torch.full_like(input_ids, IGNORED_LABEL)
    for index, row in enumerate(rows):
        ids = torch.from_numpy(row.ids).long()
        input_ids[index, : len(ids)] = ids
        attention_mask[index, : len(ids)] = 1
        labels[index, : len(ids)] = torch.where(torch.from_numpy(row.learned), ids, IGNORED_LABEL)
    return input_ids, attention_mask, labels

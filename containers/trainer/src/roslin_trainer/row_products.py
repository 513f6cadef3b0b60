"""Attention of a pack's rows by plain products: what takes a CPU least while rows are short.

All rows are one function of autograd with its gradient: PyTorch would record and copy more.
"""

from functools import lru_cache

import torch


def attend_by_products(query, key, value, lengths: tuple[int, ...], scale: float) -> torch.Tensor:
    """As SDPA over a pack of `lengths` (the shared prefix, the rest of each row).

    query, key and value [1, heads, tokens, width] to output [1, tokens, heads, width].
    """
    return _RowProducts.apply(query[0] * scale, key[0], value[0], lengths).transpose(0, 1)[None]


@lru_cache(maxsize=4)
def causal_bias(tokens: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """[tokens, tokens], −inf where a key comes after its query. All layers of a pack share it."""
    return torch.full((tokens, tokens), float("-inf"), dtype=dtype, device=device).triu(1)


class _RowProducts(torch.autograd.Function):
    """query, key and value [heads, tokens, width]. Each row's weights are kept for the way back."""

    @staticmethod
    def forward(context, query, key, value, lengths: tuple[int, ...]) -> torch.Tensor:
        queries = [each.contiguous() for each in query.split(lengths, 1)]
        keys, values = _with_prefix(key, lengths), _with_prefix(value, lengths)
        hidden = causal_bias(lengths[0] + max(lengths[1:]), query.dtype, query.device)
        all_weights, outputs = [], []
        for row_query, row_key, row_value in zip(queries, keys, values, strict=True):
            row_keys = row_key.shape[1]
            bias = hidden[row_keys - row_query.shape[1] : row_keys, :row_keys]
            scores = torch.baddbmm(bias.expand(len(query), -1, -1), row_query, row_key.transpose(1, 2))
            # In 32 bits inside, rounded at the end.
            weights = scores.softmax(-1)
            all_weights.append(weights)
            outputs.append(torch.bmm(weights, row_value))
        context.lengths = lengths
        context.save_for_backward(*queries, *keys, *values, *all_weights)
        return torch.cat(outputs, 1)

    @staticmethod
    def backward(context, gradient: torch.Tensor):
        lengths = context.lengths
        saved, rows = context.saved_tensors, len(lengths)
        kinds = (saved[first : first + rows] for first in range(0, len(saved), rows))
        query_gradients, key_gradients, value_gradients = [], [], []
        for row_gradient, query, key, value, weights in zip(gradient.split(lengths, 1), *kinds, strict=True):
            row_gradient = row_gradient.contiguous()
            value_gradients.append(torch.bmm(weights.transpose(1, 2), row_gradient))
            weights_gradient = torch.bmm(row_gradient, value.transpose(1, 2))
            scores_gradient = torch._softmax_backward_data(weights_gradient, weights, -1, weights.dtype)
            query_gradients.append(torch.bmm(scores_gradient, key))
            key_gradients.append(torch.bmm(scores_gradient.transpose(1, 2), query))
        return (
            torch.cat(query_gradients, 1),
            _without_prefix(key_gradients, lengths[0]),
            _without_prefix(value_gradients, lengths[0]),
            None,
        )


def _with_prefix(tensor: torch.Tensor, lengths: tuple[int, ...]) -> list[torch.Tensor]:
    """What the prefix sees of keys or values [heads, tokens, width], and what each row sees."""
    prefix, *rests = tensor.split(lengths, 1)
    return [prefix.contiguous(), *(torch.cat([prefix, rest], 1) for rest in rests)]


def _without_prefix(gradients: list[torch.Tensor], prefix: int) -> torch.Tensor:
    """The gradient of `_with_prefix`: the prefix's is the sum of all rows'."""
    shared = torch.stack([each[:, :prefix] for each in gradients]).sum(0)
    return torch.cat([shared, *(each[:, prefix:] for each in gradients)], 1)

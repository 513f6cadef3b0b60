"""Attention over packed rows: each row sees the shared prefix and itself, at the cost of its own length.

The pack's layout (packing.py) comes in the place of the attention mask: Transformers hands a 4-D mask to
every layer as it is, also when gradient checkpointing computes a layer again.
"""

from functools import lru_cache

import torch
import torch.nn.functional as functional
from transformers import PretrainedConfig, __version__
from transformers.models.gptj.modeling_gptj import GPTJ_ATTENTION_CLASSES, GPTJAttention

from roslin_trainer.compat import AttentionInterface
from roslin_trainer.row_products import attend_by_products, causal_bias
from roslin_trainer.wide_products import are_products_wide

try:
    from torch.nn.attention.varlen import varlen_attn  # PyTorch 2.10
except ImportError:
    varlen_attn = None

PACKED_ATTENTION = "roslin_packed"
# CPUs attend packs of rows up to so many keys by plain products. By `bench -- trainer` those take 0.4 to 0.7
# of SDPA's time in bf16, and 0.8 to 1.4 in fp32, where many short rows make up for the longest.
# A head's weights of a full pack, kept for the way back, are 4 MiB at most.
LONGEST_ROW_BY_PRODUCTS = {torch.bfloat16: 1024, torch.float32: 512}

# Models whose tokens meet in attention alone, through AttentionInterface or GPT-J's class below: the tests
# hold each of them against padded rows. What mixes neighbours otherwise (convolutions, states) is not for it.
PACKED_MODEL_TYPES = frozenset(
    {"gpt2", "gpt_neox", "gptj", "granite", "llama", "mistral", "olmo2", "phi", "phi3", "qwen2", "qwen3"}
)


def attention_for(config: PretrainedConfig, max_tokens: int) -> str | None:
    """PACKED_ATTENTION where such a model can read packed rows of up to `max_tokens` tokens, else None."""
    return None if why_padded(config, max_tokens) else PACKED_ATTENTION


def why_padded(config: PretrainedConfig, max_tokens: int) -> str | None:
    """Why such a model cannot read packed rows; None where it can."""
    window = getattr(config, "sliding_window", None)
    if AttentionInterface is None:
        return f"Transformers {__version__} takes no attention function of ours"
    if config.model_type not in PACKED_MODEL_TYPES:
        return f"packed rows are not for models of type {config.model_type}"
    if window is not None and window < max_tokens:
        return f"its attention reaches back {window} tokens, training.maxTokens is {max_tokens}"
    return None


def packed_attention(
    module, query, key, value, attention_mask, scaling: float | None = None, dropout: float = 0.0, **_
) -> tuple[torch.Tensor, None]:
    """Transformers' interface: query [rows, heads, tokens, width] to output [rows, tokens, heads, width].

    Without a pack's layout: causal, for rows that are whole or padded on the right.
    """
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    lengths = None if attention_mask is None else tuple(attention_mask.flatten().tolist())
    if query.is_cuda:
        return _attend(query, key, value, lengths, scaling, dropout), None
    with torch.autocast("cpu", enabled=False):
        output = _attend_on_cpu(query, key, value, lengths, scaling, dropout)
    return output.to(value.dtype), None


def _attend_on_cpu(
    query, key, value, lengths: tuple[int, ...] | None, scaling: float | None, dropout: float
) -> torch.Tensor:
    if lengths is not None and dropout == 0.0:
        dtype = torch.float32 if are_products_wide(value.dtype) else value.dtype
        if lengths[0] + max(lengths[1:]) <= LONGEST_ROW_BY_PRODUCTS.get(dtype, 0):
            scale = query.shape[-1] ** -0.5 if scaling is None else scaling
            return attend_by_products(query.to(dtype), key.to(dtype), value.to(dtype), lengths, scale)
    # On some CPUs the gradient of PyTorch's SDPA takes three times as long in 16 bits as in 32.
    return _attend(query.float(), key.float(), value.float(), lengths, scaling, dropout)


def _attend(
    query, key, value, lengths: tuple[int, ...] | None, scaling: float | None, dropout: float
) -> torch.Tensor:
    if lengths is None:
        return functional.scaled_dot_product_attention(
            query, key, value, dropout_p=dropout, is_causal=True, scale=scaling
        ).transpose(1, 2)
    if dropout == 0.0 and _has_varlen(query):
        return _varlen(query, key, value, lengths, scaling)
    return _row_by_row(query, key, value, lengths, scaling, dropout)


def _row_by_row(
    query, key, value, lengths: tuple[int, ...], scaling: float | None, dropout: float
) -> torch.Tensor:
    """For CPUs and GPUs without FlashAttention: PyTorch's SDPA, once for the prefix and for each row."""
    # One split, whose gradient is one concatenation; slices would each have a gradient of the whole's size.
    (prefix_query, *queries), (prefix_key, *keys), (prefix_value, *values) = (
        tensor.split(lengths, 2) for tensor in (query, key, value)
    )
    attend = functional.scaled_dot_product_attention
    outputs = []
    if lengths[0]:
        outputs = [attend(prefix_query, prefix_key, prefix_value, None, dropout, True, scale=scaling)]
    hidden = causal_bias(lengths[0] + max(lengths[1:]), query.dtype, query.device)
    for row_query, row_key, row_value in zip(queries, keys, values, strict=True):
        row_key, row_value = torch.cat([prefix_key, row_key], 2), torch.cat([prefix_value, row_value], 2)
        row_keys = row_key.shape[2]
        bias = hidden[lengths[0] : row_keys, :row_keys]
        outputs.append(attend(row_query, row_key, row_value, bias, dropout, scale=scaling))
    return torch.cat(outputs, 2).transpose(1, 2)


def _varlen(query, key, value, lengths: tuple[int, ...], scaling: float | None) -> torch.Tensor:
    """FlashAttention once for all rows: keys and values repeat the prefix before each row, queries do not.

    Its causal mask ends at the bottom right: a row's last query sees all of its keys.
    """
    index, query_starts, key_starts = _varlen_layout(lengths, query.device)
    if scaling is not None:
        # The function divides by the root of the width and takes no scale of ours.
        query = query * (scaling * query.shape[-1] ** 0.5)
    query, key, value = (tensor[0].transpose(0, 1) for tensor in (query, key, value))
    longest = max(lengths[1:])
    output = varlen_attn(
        query.contiguous(),
        key.index_select(0, index),
        value.index_select(0, index),
        query_starts,
        key_starts,
        max(longest, lengths[0]),
        lengths[0] + longest,
        is_causal=True,
    )
    return output[None]


def _has_varlen(query: torch.Tensor) -> bool:
    """FlashAttention needs 16 bits and Ampere or newer; V100 is older."""
    return (
        varlen_attn is not None
        and query.is_cuda
        and query.dtype in (torch.float16, torch.bfloat16)
        and torch.cuda.get_device_capability(query.device) >= (8, 0)
    )


@lru_cache(maxsize=4)
def _varlen_layout(lengths: tuple[int, ...], device: torch.device) -> tuple[torch.Tensor, ...]:
    """Which key stands where, and where each row's queries and keys start (int32). All layers share it."""
    prefix, *rests = lengths
    everything = torch.arange(sum(lengths))
    index = [everything[:prefix]]
    for rest in everything[prefix:].split(rests):
        index += [everything[:prefix], rest]
    query_starts = torch.tensor([0, *lengths]).cumsum(0)
    key_starts = torch.tensor([0, prefix, *(prefix + rest for rest in rests)]).cumsum(0)
    return tuple(tensor.to(device) for tensor in (torch.cat(index), query_starts.int(), key_starts.int()))


class PackedGPTJAttention(GPTJAttention):
    """GPT-J does not go through Transformers' interface: it picks a class by the implementation's name."""

    def _attn(self, query, key, value, attention_mask=None):
        dropout = self.attn_dropout.p if self.training else 0.0
        # GPT-J's keys and queries are in its weights' precision here; SDPA adds up in 32 bits by itself.
        output, weights = packed_attention(self, query, key, value, attention_mask, dropout=dropout)
        return output.transpose(1, 2), weights


if AttentionInterface:
    AttentionInterface.register(PACKED_ATTENTION, packed_attention)
    GPTJ_ATTENTION_CLASSES[PACKED_ATTENTION] = PackedGPTJAttention

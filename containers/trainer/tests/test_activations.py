"""The estimate of what layers keep, against what autograd keeps when the trainer reads rows."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import needs_packs
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPTJConfig,
    GPTNeoXConfig,
    GraniteConfig,
    LlamaConfig,
    MistralConfig,
    Olmo2Config,
    Phi3Config,
    PhiConfig,
    Qwen2Config,
    Qwen3Config,
)

from roslin_trainer import attention
from roslin_trainer.activations import layer_activations
from roslin_trainer.attention import PACKED_ATTENTION, PACKED_MODEL_TYPES
from roslin_trainer.batches import pad_rows
from roslin_trainer.loss import SupervisedLoss
from roslin_trainer.model import model_size, with_adapters, with_fused_gelu
from roslin_trainer.packing import pack_rows
from roslin_trainer.tokens import TokenRow

WIDTH, VALUE_BYTES = 128, 2
HEADS = {"num_attention_heads": 8, "num_key_value_heads": 2}
TOKENS = {"vocab_size": 256, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
# The proportions of Llama 3, Mistral 7B, Qwen 2.5 7B, Qwen 3 8B, and so on.
CONFIGS = {
    # Without dropout in attention: a GPU's kernel draws it itself, the CPU's keeps all weights.
    "gpt2": lambda: GPT2Config(n_embd=WIDTH, n_head=8, attn_pdrop=0.0, **TOKENS),
    "gptj": lambda: GPTJConfig(n_embd=WIDTH, n_head=2, rotary_dim=16, **TOKENS),
    "gpt_neox": lambda: GPTNeoXConfig(
        hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_attention_heads=8, **TOKENS
    ),
    "phi": lambda: PhiConfig(hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_attention_heads=8, **TOKENS),
    "phi3": lambda: Phi3Config(hidden_size=WIDTH, intermediate_size=344, **HEADS, **TOKENS),
    "llama": lambda: LlamaConfig(hidden_size=WIDTH, intermediate_size=448, **HEADS, **TOKENS),
    "mistral": lambda: MistralConfig(
        hidden_size=WIDTH, intermediate_size=448, sliding_window=None, **HEADS, **TOKENS
    ),
    "granite": lambda: GraniteConfig(hidden_size=WIDTH, intermediate_size=400, **HEADS, **TOKENS),
    "qwen2": lambda: Qwen2Config(hidden_size=WIDTH, intermediate_size=680, **HEADS, **TOKENS),
    "qwen3": lambda: Qwen3Config(hidden_size=WIDTH, intermediate_size=384, head_dim=16, **HEADS, **TOKENS),
    "olmo2": lambda: Olmo2Config(hidden_size=WIDTH, intermediate_size=344, **HEADS, **TOKENS),
}


class FlashAttention(torch.autograd.Function):
    """Keeps what PyTorch's keeps on a GPU: query, key, value and output."""

    @staticmethod
    def forward(context, query, key, value):
        output = query.clone()
        context.save_for_backward(query, key, value, output)
        return output


@pytest.fixture(autouse=True)
def as_on_a_gpu(monkeypatch):
    varlen = lambda query, key, value, *_, is_causal: FlashAttention.apply(query, key, value)  # noqa: E731
    monkeypatch.setattr(attention, "varlen_attn", varlen)
    monkeypatch.setattr(attention, "_has_varlen", lambda query: True)
    monkeypatch.setattr(attention, "_attend_on_cpu", attention._attend)


def build(model_type: str, layers: int, dropout: float | None, attention_name: str = PACKED_ATTENTION):
    config = CONFIGS[model_type]()
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):
        config.layer_types = ["full_attention"] * layers
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention_name)
    model = with_fused_gelu(model).to(torch.bfloat16)
    if dropout is not None:
        training = SimpleNamespace(lora=SimpleNamespace(rank=8, alpha=16, dropout=dropout))
        model = with_adapters(model, training, "test").to(torch.bfloat16)
    return model.train()


def kept_bytes_a_token(model, collate=pack_rows) -> float:
    """Of all tensors that autograd keeps in one step, each storage once, and no weight."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            # The tensor too: a storage that is freed could be another's a moment later.
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    # Long enough that what does not grow with the tokens counts for little.
    learned = np.arange(64) >= 56
    batch = collate([TokenRow(np.arange(row, row + 64, dtype=np.int32), learned) for row in range(1, 17)])
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        SupervisedLoss(model)(model, batch)
    return sum(size for size, _ in kept.values()) / batch.input_ids.numel()


@needs_packs
@pytest.mark.parametrize("dropout", [None, 0.0, 0.1], ids=["full", "lora", "lora with dropout"])
@pytest.mark.parametrize("model_type", sorted(PACKED_MODEL_TYPES))
def test_a_layer_keeps_no_more_than_is_estimated_and_not_much_less(model_type, dropout):
    small, large = (build(model_type, layers, dropout) for layers in (2, 4))
    a_layer = (kept_bytes_a_token(large) - kept_bytes_a_token(small)) / 2
    kept = a_layer / (WIDTH * VALUE_BYTES)
    estimated = layer_activations(small, small.config, dropout or 0.0)
    assert 0.7 * estimated < kept <= estimated


def test_eager_attention_keeps_its_weights_too():
    small, large = (build("gptj", layers, None, "eager") for layers in (2, 4))
    collate = partial(pad_rows, pad_id=0)
    a_layer = (kept_bytes_a_token(large, collate) - kept_bytes_a_token(small, collate)) / 2
    kept = a_layer / (WIDTH * VALUE_BYTES)
    without = layer_activations(small, small.config, 0.0)
    estimated = layer_activations(small, small.config, 0.0, eager_tokens=64)
    assert without < kept <= estimated


def test_the_size_of_a_model_counts_eager_attention_where_rows_are_padded(monkeypatch):
    config = CONFIGS["gptj"]()
    training = SimpleNamespace(method="full", max_tokens=64, lora=SimpleNamespace(dropout=0.0))
    packed = model_size(config, training).layer_activations
    monkeypatch.setattr(attention, "AttentionInterface", None)
    # Three values, and three for each of two heads and 64 tokens, over a width of 128.
    assert model_size(config, training).layer_activations - packed == 6

"""Packed attention against Transformers' eager attention over padded rows, for every model that may pack."""

import numpy as np
import pytest
import torch
from conftest import needs_packs
from transformers import AutoConfig, AutoModelForCausalLM

from roslin_trainer import attention
from roslin_trainer.attention import PACKED_ATTENTION, PACKED_MODEL_TYPES, attention_for
from roslin_trainer.batches import pad_rows
from roslin_trainer.loss import supervised_loss
from roslin_trainer.packing import collate_for, pack_rows
from roslin_trainer.tokens import TokenRow

pytestmark = needs_packs

SMALL = {
    "vocab_size": 96,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 1,
}
# What an architecture calls otherwise, or has dropout in by default.
PARTICULARS = {
    "gpt2": {"resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0},
    "gptj": {"rotary_dim": 4},
    "gpt_neox": {"intermediate_size": 64},
}
OTHERS = {"intermediate_size": 64, "num_key_value_heads": 2}


def small_config(model_type: str):
    return AutoConfig.for_model(model_type, **SMALL, **PARTICULARS.get(model_type, OTHERS))


def rows_with_prefix(prefix: int) -> list[TokenRow]:
    stream = np.random.RandomState(3)
    shared = stream.randint(2, 96, prefix)
    rows = []
    for length, prompt in ((9, 2), (21, 7), (14, 1), (30, 12)):
        ids = np.concatenate([shared, stream.randint(2, 96, length)]).astype(np.int32)
        # Rows that differ at once, so that they share the prefix and no more.
        ids[prefix] = 2 + len(rows)
        rows.append(TokenRow(ids, np.arange(len(ids)) >= prefix + prompt))
    return rows


def loss_and_gradients(model, batch) -> tuple[float, dict]:
    model.zero_grad()
    with supervised_loss(model) as loss_of:
        loss = loss_of(model, batch)
    loss.backward()
    return loss.item(), {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def eager_and_packed(model_type: str):
    torch.manual_seed(5)
    eager = AutoModelForCausalLM.from_config(small_config(model_type), attn_implementation="eager")
    packed = AutoModelForCausalLM.from_config(small_config(model_type), attn_implementation=PACKED_ATTENTION)
    packed.load_state_dict(eager.state_dict())
    return eager, packed


# The longest row has 30 tokens after the prefix.
@pytest.mark.parametrize(
    ("prefix", "longest_by_products"),
    [(0, 30), (11, 41), (0, 29), (11, 40)],
    ids=["products", "products, prefix", "SDPA", "SDPA, prefix"],
)
@pytest.mark.parametrize("model_type", sorted(PACKED_MODEL_TYPES))
def test_packed_rows_have_the_loss_and_gradients_of_padded_ones(
    monkeypatch, model_type, prefix, longest_by_products
):
    monkeypatch.setitem(attention.LONGEST_ROW_BY_PRODUCTS, torch.float32, longest_by_products)
    eager, packed = eager_and_packed(model_type)
    rows = rows_with_prefix(prefix)
    expected_loss, expected = loss_and_gradients(eager, pad_rows(rows, pad_id=1))
    batch = pack_rows(rows)
    assert batch.attention_mask.flatten().tolist()[0] == prefix
    loss, gradients = loss_and_gradients(packed, batch)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    for name, gradient in expected.items():
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-4, atol=1e-5)


def test_gradient_checkpointing_computes_the_same_packs_again():
    for model_type in ("gptj", "gpt_neox", "llama"):
        _, packed = eager_and_packed(model_type)
        batch = pack_rows(rows_with_prefix(11))
        expected_loss, expected = loss_and_gradients(packed.train(), batch)
        packed.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        loss, gradients = loss_and_gradients(packed, batch)
        assert loss == expected_loss
        torch.testing.assert_close(gradients, expected)


def varlen_by_the_book(query, key, value, query_starts, key_starts, max_q, max_k, is_causal):
    """What torch.nn.attention.varlen documents, one sequence after the other: [tokens, heads, width] each."""
    assert is_causal and query_starts.dtype == key_starts.dtype == torch.int32
    outputs = []
    bounds = zip(query_starts[:-1], query_starts[1:], key_starts[:-1], key_starts[1:], strict=True)
    for q0, q1, k0, k1 in bounds:
        assert q1 - q0 <= max_q and k1 - k0 <= max_k
        scores = torch.einsum("qhd,khd->hqk", query[q0:q1], key[k0:k1]) / query.shape[-1] ** 0.5
        # Aligned at the bottom right: the last query sees every key.
        hidden = torch.ones(q1 - q0, k1 - k0).triu(k1 - k0 - (q1 - q0) + 1).bool()
        weights = scores.masked_fill(hidden, float("-inf")).softmax(-1)
        outputs.append(torch.einsum("hqk,khd->qhd", weights, value[k0:k1]))
    return torch.cat(outputs)


@pytest.mark.parametrize("prefix", [0, 11])
@pytest.mark.parametrize("model_type", ["gptj", "gpt_neox", "llama", "granite"])
def test_variable_length_path_of_newer_gpus_is_the_same_attention(monkeypatch, model_type, prefix):
    _, packed = eager_and_packed(model_type)
    batch = pack_rows(rows_with_prefix(prefix))
    expected_loss, expected = loss_and_gradients(packed, batch)
    monkeypatch.setattr(attention, "varlen_attn", varlen_by_the_book)
    monkeypatch.setattr(attention, "_has_varlen", lambda query: True)
    loss, gradients = loss_and_gradients(packed, batch)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    for name, gradient in expected.items():
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-4, atol=1e-5)


def test_models_that_mix_neighbours_otherwise_are_padded():
    jamba = AutoConfig.for_model("jamba")
    assert attention_for(jamba, 1024) is None
    assert attention_for(small_config("gptj"), 1024) == PACKED_ATTENTION
    model = AutoModelForCausalLM.from_config(small_config("llama"))
    assert collate_for(model)(rows_with_prefix(0)).input_ids.shape == (4, 32)


def test_rows_longer_than_a_sliding_window_are_padded():
    config = AutoConfig.for_model("mistral", sliding_window=512)
    assert attention_for(config, 512) == PACKED_ATTENTION
    assert attention_for(config, 513) is None

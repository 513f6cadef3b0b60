"""The loss and its gradients against Transformers' own, over full logits of padded rows."""

import pytest
import torch
from conftest import DOLLY, ROWS
from transformers import AutoModelForCausalLM

from roslin_trainer.batches import pad_rows
from roslin_trainer.engine import TorchEngine
from roslin_trainer.formats import Exchange
from roslin_trainer.loss import supervised_loss
from roslin_trainer.packing import pack_rows
from roslin_trainer.tokens import tokenize_row

ARCHITECTURES = ["gptj", "neox", "llama"]


@pytest.fixture(scope="module")
def rows(tokenizer):
    return [tokenize_row(tokenizer, DOLLY, (Exchange(**row),), 128)[0] for row in ROWS[:8]]


def reference_gradients(model, rows) -> tuple[float, dict]:
    """Labels and full logits, as Transformers does it."""
    model.zero_grad()
    batch = pad_rows(rows, pad_id=1)
    loss = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=batch.labels).loss
    loss.backward()
    return loss.item(), gradients(model)


def gradients(model) -> dict:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_same(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("collate", [pack_rows, lambda rows: pad_rows(rows, 1)], ids=["packed", "padded"])
def test_loss_and_gradients_equal_the_reference(model_folders, rows, architecture, collate):
    model = AutoModelForCausalLM.from_pretrained(model_folders[architecture]).eval()
    expected_loss, expected = reference_gradients(model, rows)
    model.zero_grad()
    with supervised_loss(model) as loss_of:
        loss = loss_of(model, collate(rows)) / sum(row.supervised_tokens for row in rows)
    loss.backward()
    assert loss.item() == pytest.approx(expected_loss, abs=1e-6)
    assert_same(gradients(model), expected)


def test_accumulation_is_a_mean_over_tokens(make_run, model_folders, rows):
    model = AutoModelForCausalLM.from_pretrained(model_folders["llama"])
    expected_loss, expected = reference_gradients(model.eval(), rows)
    model.zero_grad()
    engine = TorchEngine(model, make_run().plan.training)
    step_tokens = sum(row.supervised_tokens for row in rows)
    parts = [rows[:1], rows[1:3], rows[3:], []]
    total = sum(engine.accumulate(part, step_tokens, part is parts[-1]).item() for part in parts)
    assert total / step_tokens == pytest.approx(expected_loss, abs=1e-6)
    assert_same(gradients(model), expected)


def test_model_gives_whole_logits_again_afterwards(model_folders, rows):
    model = AutoModelForCausalLM.from_pretrained(model_folders["llama"])
    with supervised_loss(model) as loss_of:
        loss_of(model, pack_rows(rows))
    assert model(torch.tensor([[5, 6, 7]])).logits.shape == (1, 3, 400)

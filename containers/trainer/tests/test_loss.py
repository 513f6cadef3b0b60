"""The loss and its gradients against Transformers' own, over full logits of padded rows."""

from types import SimpleNamespace

import pytest
import torch
from conftest import DOLLY, ROWS, needs_packs
from transformers import AutoModelForCausalLM

from roslin_trainer import evaluate, train
from roslin_trainer import loss as loss_module
from roslin_trainer.attention import PACKED_ATTENTION
from roslin_trainer.batches import pad_rows
from roslin_trainer.engine import TorchEngine
from roslin_trainer.formats import Exchange
from roslin_trainer.loss import supervised_loss
from roslin_trainer.model import load_model
from roslin_trainer.packing import collate_for
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
@pytest.mark.parametrize(
    "attention",
    [pytest.param(PACKED_ATTENTION, marks=needs_packs, id="packed"), pytest.param(None, id="padded")],
)
def test_loss_and_gradients_equal_the_reference(model_folders, rows, architecture, attention):
    folder = model_folders[architecture]
    reference = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    expected_loss, expected = reference_gradients(reference, rows)
    model = load_model(folder, "test", torch.float32, attention=attention).eval()
    with supervised_loss(model) as loss_of:
        loss = loss_of(model, collate_for(model)(rows)) / sum(row.supervised_tokens for row in rows)
    loss.backward()
    assert loss.item() == pytest.approx(expected_loss, abs=1e-6)
    assert_same(gradients(model), expected)


@needs_packs
def test_accumulation_is_a_mean_over_tokens(make_run, model_folders, rows):
    reference = AutoModelForCausalLM.from_pretrained(model_folders["llama"], attn_implementation="eager")
    expected_loss, expected = reference_gradients(reference.eval(), rows)
    model = load_model(model_folders["llama"], "test", torch.float32, attention=PACKED_ATTENTION)
    engine = TorchEngine(model, make_run().plan.training)
    step_tokens = sum(row.supervised_tokens for row in rows)
    parts = [rows[:1], rows[1:3], rows[3:], []]
    total = sum(engine.accumulate(part, step_tokens, part is parts[-1]).item() for part in parts)
    assert total / step_tokens == pytest.approx(expected_loss, abs=1e-6)
    assert_same(gradients(model), expected)


@needs_packs
@pytest.mark.parametrize("is_slow", [False, True], ids=["its-products", "products-in-32-bits"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_bf16_on_a_cpu_is_near_and_keeps_weights_and_gradients_in_32_bits(
    make_run, model_folders, rows, monkeypatch, architecture, is_slow
):
    monkeypatch.setattr("roslin_trainer.host.has_slow_bf16", lambda: is_slow)
    folder = model_folders[architecture]
    reference = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    expected_loss, expected = reference_gradients(reference, rows)
    model = load_model(folder, "test", torch.float32, attention=PACKED_ATTENTION)
    engine = TorchEngine(model, make_run().plan.training, torch.bfloat16)
    step_tokens = sum(row.supervised_tokens for row in rows)
    loss = engine.accumulate(rows, step_tokens, True).item() / step_tokens
    assert loss != expected_loss and loss == pytest.approx(expected_loss, rel=1e-3)
    for name, gradient in gradients(model).items():
        assert gradient.dtype == model.get_parameter(name).dtype == torch.float32
        assert torch.cosine_similarity(gradient.flatten(), expected[name].flatten(), 0) > 0.99, name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_cross_entropy_in_chunks_is_that_of_pytorch_in_32_bits(monkeypatch, dtype):
    monkeypatch.setattr(loss_module, "CHUNK_LOGITS", 7 * 50)
    logits, targets = torch.randn(33, 50).to(dtype), torch.randint(50, (33,))
    found, expected = logits.clone().requires_grad_(), logits.float().requires_grad_()
    loss = loss_module._CrossEntropySum.apply(found, targets)
    reference = torch.nn.functional.cross_entropy(expected, targets, reduction="sum")
    (loss / 11).backward(), (reference / 11).backward()
    torch.testing.assert_close(loss, reference.detach())
    torch.testing.assert_close(found.grad, expected.grad.to(dtype))


@pytest.mark.parametrize(("tokens", "most_rows"), [(1, 1), (150, 3), (100_000, 8)])
def test_held_out_loss_is_the_same_however_many_rows_fit_at_once(
    make_run, model_folders, rows, monkeypatch, tokens, most_rows
):
    model = AutoModelForCausalLM.from_pretrained(model_folders["llama"], attn_implementation="eager")
    expected, _ = reference_gradients(model.eval(), rows)
    shapes = []
    model.register_forward_pre_hook(lambda *call: shapes.append(call[2]["input_ids"].shape), with_kwargs=True)
    engine = TorchEngine(model, make_run().plan.training)
    engine.pack_tokens = tokens
    monkeypatch.setattr(evaluate, "TOKENS_AT_ONCE", tokens)
    goes_on = SimpleNamespace(requested=False)
    for loss in (train.held_out_loss(engine, rows, goes_on), evaluate.held_out_loss(model, rows, pad_id=1)):
        assert loss == pytest.approx(expected, abs=1e-6)
    # As many as fit, but for what is filled up to a multiple of eight.
    assert all(count == 1 or count * (width - 7) <= tokens for count, width in shapes)
    assert max(count for count, _ in shapes) == most_rows


@needs_packs
def test_model_gives_whole_logits_again_afterwards(model_folders, rows):
    model = load_model(model_folders["llama"], "test", torch.float32, attention=PACKED_ATTENTION)
    with supervised_loss(model) as loss_of:
        loss_of(model, collate_for(model)(rows))
    assert model(torch.tensor([[5, 6, 7]])).logits.shape == (1, 3, 400)

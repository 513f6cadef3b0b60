"""Attention of packed rows by plain products, against PyTorch's SDPA over the same rows."""

import pytest
import torch
from conftest import needs_packs

from roslin_trainer import attention
from roslin_trainer.attention import packed_attention

pytestmark = needs_packs

# Half a unit in the last place of bf16's eight bits.
ROUNDING = 2.0**-8
HEADS, WIDTH = 3, 16


def attend(dtype, lengths, inputs, output_gradient):
    """Output and gradients of query, key and value."""
    inputs = [each.to(dtype).requires_grad_() for each in inputs]
    output, _ = packed_attention(None, *inputs, torch.tensor(lengths)[None, None, None], scaling=0.3)
    output.backward(output_gradient.to(output.dtype))
    return [output.detach(), *(each.grad for each in inputs)]


def by_sdpa(monkeypatch, *arguments):
    with monkeypatch.context() as patch:
        patch.setattr(attention, "LONGEST_ROW_BY_PRODUCTS", {})
        return attend(*arguments)


@pytest.fixture(params=[(0, 9, 1, 30), (11, 9, 1, 30)], ids=["no prefix", "prefix"])
def pack(request):
    torch.manual_seed(3)
    tokens = sum(request.param)
    inputs = [torch.randn(1, HEADS, tokens, WIDTH).bfloat16().float() for _ in range(3)]
    return request.param, inputs, torch.randn(1, tokens, HEADS, WIDTH).bfloat16().float()


def test_in_32_bits_it_is_sdpa(monkeypatch, pack):
    expected = by_sdpa(monkeypatch, torch.float32, *pack)
    torch.testing.assert_close(attend(torch.float32, *pack), expected)


def test_in_16_bits_it_is_sdpa_but_for_a_few_roundings(monkeypatch, pack):
    monkeypatch.setattr("roslin_trainer.host.has_slow_bf16", lambda: False)
    found = attend(torch.bfloat16, *pack)
    for each, expected in zip(found, by_sdpa(monkeypatch, torch.float32, *pack), strict=True):
        assert each.dtype == torch.bfloat16
        assert (each - expected).abs().max() < 4 * ROUNDING * expected.abs().max()


def test_where_16_bits_are_slow_it_multiplies_in_32(monkeypatch, pack):
    monkeypatch.setattr("roslin_trainer.host.has_slow_bf16", lambda: True)
    found = attend(torch.bfloat16, *pack)
    expected = [each.bfloat16() for each in attend(torch.float32, *pack)]
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


@pytest.fixture
def products(monkeypatch):
    """The precision of each call of the products."""
    seen = []
    by_products = attention.attend_by_products

    def spy(query, *others):
        seen.append(query.dtype)
        return by_products(query, *others)

    monkeypatch.setattr(attention, "attend_by_products", spy)
    return seen


def test_where_16_bits_are_fast_it_multiplies_in_them(monkeypatch, pack, products):
    monkeypatch.setattr("roslin_trainer.host.has_slow_bf16", lambda: False)
    attend(torch.bfloat16, *pack)
    assert products == [torch.bfloat16]


def test_rows_that_are_too_long_go_to_sdpa(monkeypatch, pack, products):
    longest = pack[0][0] + 30
    for limit in (longest, longest - 1):
        monkeypatch.setattr(attention, "LONGEST_ROW_BY_PRODUCTS", {torch.float32: limit})
        attend(torch.float32, *pack)
    assert len(products) == 1

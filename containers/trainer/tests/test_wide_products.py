"""bf16 whose products are computed in 32 bits, against bf16 as PyTorch's autocast computes it."""

import copy

import pytest
import torch
from torch.nn import Linear, Sequential

from roslin_trainer.wide_products import widen_products

# Half a unit in the last place of bf16's eight bits.
ROUNDING = 2.0**-8


@pytest.fixture
def layers():
    torch.manual_seed(3)
    return Sequential(Linear(48, 64), Linear(64, 16, bias=False))


def outputs_and_gradients(layers, inputs):
    inputs = inputs.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = layers(inputs)
    outputs.float().square().sum().backward()
    return outputs, [inputs.grad, *(weight.grad for weight in layers.parameters())]


def test_rounds_where_autocast_does(layers):
    wide, inputs = copy.deepcopy(layers), torch.randn(20, 48)
    widen_products(wide)
    outputs, gradients = outputs_and_gradients(layers, inputs)
    wide_outputs, wide_gradients = outputs_and_gradients(wide, inputs)
    assert wide_outputs.dtype == outputs.dtype == torch.bfloat16
    for found, expected in zip([wide_outputs, *wide_gradients], [outputs, *gradients], strict=True):
        assert found.dtype == expected.dtype
        scale = expected.abs().max().item()
        torch.testing.assert_close(found, expected, rtol=2 * ROUNDING, atol=2 * ROUNDING * scale)


def test_rounds_inputs_weights_and_bias_before_it_multiplies(layers):
    layer, inputs = layers[0], torch.randn(200, 48)
    rounded = [tensor.bfloat16().double() for tensor in (inputs, layer.weight, layer.bias)]
    expected = torch.nn.functional.linear(*rounded).bfloat16()
    widen_products(layers)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(inputs)
    # A sum in 32 bits may fall on the other side of a rounding's middle; without a rounding half of them do.
    assert (found == expected).float().mean() > 0.99


def test_computes_in_32_bits_without_autocast(layers):
    inputs = torch.randn(20, 48)
    expected = layers(inputs)
    widen_products(layers)
    assert torch.equal(layers(inputs), expected)


def test_leaves_layers_with_weights_of_their_own_kind_alone():
    class FourBits(Linear):
        pass

    layers = Sequential(FourBits(8, 8), Linear(8, 8))
    widen_products(layers)
    assert ["forward" in vars(layer) for layer in layers] == [False, True]

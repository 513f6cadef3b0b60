"""bf16 on CPUs that multiply it more slowly than fp32: the same roundings, products in 32 bits.

A product of two bf16 numbers is exact in 32 bits, and the sums are in 32 bits either way.
"""

from functools import partial

import torch
import torch.nn.functional as functional

from roslin_trainer import host
from roslin_trainer.compat import is_autocast_on_cpu


def are_products_wide(dtype: torch.dtype) -> bool:
    return dtype == torch.bfloat16 and host.has_slow_bf16()


def widen_products(model: torch.nn.Module) -> None:
    """Under CPU autocast, plain linear layers round as autocast would, and multiply in 32 bits."""
    for module in model.modules():
        # Not of a kind derived from it: QLoRA's has weights in 4 bits.
        if type(module) is torch.nn.Linear:
            module.forward = partial(_linear, module)


def _linear(layer: torch.nn.Linear, inputs: torch.Tensor) -> torch.Tensor:
    if not is_autocast_on_cpu():
        return functional.linear(inputs, layer.weight, layer.bias)
    with torch.autocast("cpu", enabled=False):
        bias = None if layer.bias is None else _rounded(layer.bias)
        return functional.linear(_rounded(inputs), _rounded(layer.weight), bias).bfloat16()


def _rounded(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.bfloat16().float()

"""Imports what a rank does where there is a GPU, which is pretended. Prints what DeepSpeed takes for one.

The image's test runs it in each variant: there is no compiler there.
"""

from importlib import import_module
from types import SimpleNamespace

import torch

torch.cuda.is_available = lambda: True
torch.cuda.device_count = lambda: 8
torch.cuda.current_device = lambda: 0
torch.cuda.get_device_capability = lambda device=None: (7, 0)
torch.cuda.get_device_properties = lambda device=0: SimpleNamespace(
    major=7, minor=0, name="Tesla V100", total_memory=2**35
)

for module in ("train", "evaluate", "deepspeed_engine"):
    import_module(f"roslin_trainer.{module}")
print(import_module("deepspeed").accelerator.get_accelerator().device_name())

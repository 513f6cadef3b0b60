"""What PyTorch 2.0 and Transformers 4.49 call otherwise, or lack: those of the image's variant driver515."""

import torch
import transformers

TRANSFORMERS = tuple(int(part) for part in transformers.__version__.split(".")[:2])
TORCH = tuple(int(part) for part in torch.__version__.split(".")[:2])

# The registry of attention functions; None before Transformers 4.51, whose models take no attention of ours.
AttentionInterface = getattr(transformers, "AttentionInterface", None)
# Transformers' own name of the argument, and of the config's field, for a model's precision.
DTYPE = "dtype" if TRANSFORMERS >= (4, 56) else "torch_dtype"


def has_fused_adam(on_gpu: bool) -> bool:
    """PyTorch before 2.4 has the fused AdamW on GPUs alone."""
    return on_gpu or TORCH >= (2, 4)


def is_autocast_on_cpu() -> bool:
    """PyTorch before 2.4 has a function of its own for CPUs."""
    return torch.is_autocast_enabled("cpu") if TORCH >= (2, 4) else torch.is_autocast_cpu_enabled()


def misread_version(config) -> str | None:
    """The Transformers that wrote a model's config, where this one would read it wrongly and not say so.

    Since version 5 the rotary embedding's base stands where 4 does not look, and 4 takes its default.
    """
    version = getattr(config, "transformers_version", None) or "0"
    return version if TRANSFORMERS < (5, 0) and int(version.split(".")[0]) >= 5 else None

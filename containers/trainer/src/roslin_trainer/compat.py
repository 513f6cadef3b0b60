"""What PyTorch 2.0 and Transformers 4.49 call otherwise, or lack: those of the image's variant driver515."""

import os

import torch
import transformers

TRANSFORMERS = tuple(int(part) for part in transformers.__version__.split(".")[:2])
TORCH = tuple(int(part) for part in torch.__version__.split(".")[:2])

# The registry of attention functions; None before Transformers 4.51, whose models take no attention of ours.
AttentionInterface = getattr(transformers, "AttentionInterface", None)
# Transformers' own name of the argument, and of the config's field, for a model's precision.
DTYPE = "dtype" if TRANSFORMERS >= (4, 56) else "torch_dtype"
# PyTorch before 2.4 has the fused AdamW on GPUs alone, and cannot go on with it from a state that was read on
# the CPU, as DeepSpeed reads it.
HAS_FUSED_ADAM = TORCH >= (2, 4)


def import_deepspeed() -> None:
    """The first time it is imported, by whatever library.

    Where there is a GPU, the older one asks CUDA's compiler what it could build, and raises where there is
    none, as in the image. Nothing that is used here needs to be built.
    """
    if TORCH >= (2, 4) or not torch.cuda.is_available():
        return
    os.environ["DS_ACCELERATOR"] = "cuda"
    is_available, torch.cuda.is_available = torch.cuda.is_available, lambda: False
    try:
        import deepspeed  # noqa: F401
    finally:
        torch.cuda.is_available = is_available


def check_gradients_in_any_precision(optimizer) -> None:
    """The older ZeRO leaves out a step whose gradients are not finite in fp16 alone.

    It checks them just before it adapts the loss scale, in each step; otherwise it does the latter alone.
    """
    if TORCH >= (2, 4) or optimizer.dtype == torch.float16:
        return
    adapt_scale = optimizer._update_scale

    def check(_) -> None:
        optimizer.check_overflow()
        adapt_scale(optimizer.overflow)

    optimizer._update_scale = check


def is_autocast_on_cpu() -> bool:
    """PyTorch before 2.4 has a function of its own for CPUs."""
    return torch.is_autocast_enabled("cpu") if TORCH >= (2, 4) else torch.is_autocast_cpu_enabled()


def misread_version(config) -> str | None:
    """The Transformers that wrote a model's config, where this one would read it wrongly and not say so.

    Since version 5 the rotary embedding's base stands where 4 does not look, and 4 takes its default.
    """
    version = getattr(config, "transformers_version", None) or "0"
    return version if TRANSFORMERS < (5, 0) and int(version.split(".")[0]) >= 5 else None

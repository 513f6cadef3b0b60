"""Where a model lies that is read, not trained."""

import torch

# Of a GPU's memory. The rest is for the keys and values of 16 prompts and their answers, which in a model of
# 12 B take 9 GB, and for logits.
WEIGHTS_FRACTION = 0.5


def place(weight_bytes: int) -> dict[str, int] | str | None:
    """Transformers' `device_map`: one GPU, or its layers on all of them, and on the host where they overflow.

    None without a GPU. Training spreads a model over all GPUs, so that one of them may be too small for it.
    """
    if not torch.cuda.is_available():
        return None
    gpu_bytes = torch.cuda.get_device_properties(0).total_memory
    return {"": 0} if weight_bytes <= WEIGHTS_FRACTION * gpu_bytes else "auto"

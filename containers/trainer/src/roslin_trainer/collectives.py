"""What all ranks compute together."""

import torch
import torch.distributed as distributed


def sum_over_ranks(values: list[float], device: torch.device) -> list[float]:
    """Each value added up over all ranks, in 32 bits."""
    total = torch.tensor(values, dtype=torch.float32, device=device)
    distributed.all_reduce(total)
    return total.tolist()

"""Times the sum of two ranks' gradients in shared memory and by gloo, in turns; prints one JSON line.

Usage, under torchrun: gradient_sum.py gptj|neox.
"""

import json
import statistics
import sys

import torch
import torch.distributed as distributed

from roslin_trainer.gradient_sum import SharedSum, sum_by_gloo
from roslin_trainer.model import quiet_libraries
from trainer_speed import CONFIGS, join_ranks, timed, weights_without_memory

REPETITIONS = 15


def main() -> None:
    torch.set_num_threads(1)
    quiet_libraries()
    rank, _ = join_ranks()
    gradients = [torch.randn(weight.shape) for weight in weights_without_memory(CONFIGS[sys.argv[1]])]
    numbers = sum(gradient.numel() for gradient in gradients)
    ours = SharedSum(numbers)
    times = [(timed(ours, gradients)[0], timed(sum_by_gloo, gradients)[0]) for _ in range(REPETITIONS + 1)]
    # The first round warms both up, and is not counted.
    our_seconds, gloo_seconds = map(statistics.median, zip(*times[1:], strict=True))
    report = {
        "parametersMillion": numbers / 1e6,
        "oursMs": our_seconds * 1000,
        "glooMs": gloo_seconds * 1000,
    }
    if rank == 0:
        print(json.dumps(report))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()

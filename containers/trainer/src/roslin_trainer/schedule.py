"""The learning rate as a function of the step alone: a resumed run needs no state for it."""

import math

from roslin_trainer.plan import Training


def learning_rate(training: Training, step: int, total_steps: int) -> float:
    """The rate of a step (counted from 0). Linear and cosine fall to 0 at the end of the run."""
    if step < training.warmup_steps:
        return training.learning_rate * (step + 1) / training.warmup_steps
    progress = (step - training.warmup_steps) / max(1, total_steps - training.warmup_steps)
    if training.schedule == "linear":
        return training.learning_rate * (1 - progress)
    if training.schedule == "cosine":
        return training.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
    return training.learning_rate

"""Steps that left the weights as they were: a few are chance, a streak is the end."""

import math

MAX_BAD_LOSSES = 3
# Loss scaling begins at 65,536, lets one overflow pass and halves at each that follows: up to 16 are its
# ordinary search for a scale. At the 18th DeepSpeed itself gives up, with an error of its own.
MAX_OVERFLOWS_WITH_SCALING = 17


class BadSteps:
    """Counts steps in a row whose loss, or whose gradients, are no finite number."""

    def __init__(self, has_loss_scaling: bool):
        self._max_overflows = MAX_OVERFLOWS_WITH_SCALING if has_loss_scaling else MAX_BAD_LOSSES
        self._losses = 0
        self._overflows = 0

    def add(self, loss: float, gradient_norm: float) -> str | None:
        """What happened, once it has happened too often; else None."""
        self._losses = 0 if math.isfinite(loss) else self._losses + 1
        self._overflows = 0 if math.isfinite(gradient_norm) else self._overflows + 1
        if self._losses >= MAX_BAD_LOSSES:
            return f"The loss was {loss} in {self._losses} steps in a row"
        if self._overflows >= self._max_overflows:
            return f"The gradients' norm was {gradient_norm} in {self._overflows} steps in a row"
        return None

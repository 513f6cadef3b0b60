"""What a run has taken so far in hours and dollars, and when it must stop."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.plan import Limits

# Room for a last checkpoint, until one has been measured.
LEAST_MARGIN_SECONDS = 60.0


class Limit(IntEnum):
    COST = 1
    TIME = 2


@dataclass(frozen=True)
class Spent:
    """What the run's earlier attempts at training took, each at its own price."""

    seconds: float = 0.0
    usd: float = 0.0


NOTHING = Spent()


class HourlyPrice:
    """Of all nodes: the plan's price, until the real one of a node is in `file` (real_machine.py)."""

    def __init__(self, planned_usd: float, file: Path, nodes: int = 1):
        self._usd = planned_usd
        self._file = file
        self._nodes = nodes
        self._is_real = False

    def __call__(self) -> float:
        if not self._is_real and self._file.exists():
            self._usd, self._is_real = float(self._file.read_text()), True
        return self._usd * self._nodes


class Budget:
    """The cost limit counts all attempts of the run, the time limit this one alone, as Batch does."""

    def __init__(
        self,
        limits: Limits,
        started_at: float,
        earlier: Spent = NOTHING,
        price_usd_per_hour: Callable[[], float] | None = None,
        clock: Callable[[], float] = time.time,
    ):
        """`started_at` is the Unix time at which this attempt began, downloads and loading included."""
        self._limits = limits
        self._started_at = started_at
        self._earlier = earlier
        self._price_usd_per_hour = price_usd_per_hour or (lambda: limits.price_usd_per_hour * limits.nodes)
        self._clock = clock

    @property
    def elapsed_seconds(self) -> float:
        return self._earlier.seconds + self._attempt_seconds

    @property
    def cost_usd(self) -> float:
        return self._earlier.usd + self._cost(self._attempt_seconds)

    @property
    def _attempt_seconds(self) -> float:
        return self._clock() - self._started_at

    def exceeded(self, seconds_to_stop: float) -> Limit | None:
        """The limit that stopping any later would pass. However small it is, half of it is for training."""
        margin = max(LEAST_MARGIN_SECONDS, seconds_to_stop)
        max_usd, max_seconds = self._limits.max_usd, self._limits.max_hours * 3600
        # First, since without limits.maxUsd the plan's cost limit is what limits.maxHours cost.
        if self._attempt_seconds + min(margin, max_seconds / 2) >= max_seconds:
            return Limit.TIME
        if max_usd is not None and self.cost_usd + min(self._cost(margin), max_usd / 2) >= max_usd:
            return Limit.COST
        return None

    def error(self, limit: Limit) -> TrainerError:
        if limit == Limit.COST:
            return TrainerError(
                ExitCode.BUDGET_STOPPED,
                "COST_LIMIT_REACHED",
                f"Training has cost ${self.cost_usd:.2f} of the ${self._limits.max_usd:.2f} that it may: "
                f"{self.elapsed_seconds / 3600:.2f} h, now at ${self._price_usd_per_hour():.2f} an hour. "
                "The rest is kept for saving a checkpoint.",
                "Raise limits.maxUsd or limits.maxHours, of which the one that allows less counts, train "
                "fewer epochs, or choose a cheaper machine.",
            )
        return TrainerError(
            ExitCode.BUDGET_STOPPED,
            "TIME_LIMIT_REACHED",
            f"The job has run for {self._attempt_seconds / 3600:.2f} h of limits.maxHours "
            f"{self._limits.max_hours:g}. The rest is kept for saving a checkpoint.",
            "Raise limits.maxHours, or train fewer epochs.",
        )

    def _cost(self, seconds: float) -> float:
        return seconds / 3600 * self._price_usd_per_hour()

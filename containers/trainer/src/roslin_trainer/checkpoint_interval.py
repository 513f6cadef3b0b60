"""How often to save within an epoch: as rarely as loses little to interruptions, and costs little to do."""

import math
import time
from collections.abc import Callable

# Between two interruptions of one job. Assumed, on the safe side: AWS tells only how many Spot machines of a
# type it takes back in a month, under 5 % to over 20 %.
INTERRUPTION_SECONDS = {"spot": 2 * 3600.0, "on-demand": 24 * 3600.0, "reserved": 24 * 3600.0}
# Until the first save has been measured.
ASSUMED_SAVE_SECONDS = 10.0
MAX_COST_FRACTION = 0.02
LEAST_SECONDS = 60.0


class CheckpointInterval:
    """Young's interval, the square root of 2 × cost of a save × time between interruptions.

    Source: J. W. Young, A first order approximation to the optimum checkpoint interval, CACM 17(9), 1974.
    """

    def __init__(self, purchase: str, clock: Callable[[], float] = time.monotonic):
        self._interruption_seconds = INTERRUPTION_SECONDS[purchase]
        self._clock = clock
        self._saved_at = clock()
        self._purchase = purchase
        self._measured_seconds: float | None = None
        self._upload_seconds = 0.0

    def saved(self, seconds: float) -> None:
        """A save held training up for this long."""
        self._measured_seconds = seconds
        self._saved_at = self._clock()

    def uploaded(self, seconds: float) -> None:
        self._upload_seconds = seconds

    @property
    def save_seconds(self) -> float:
        return ASSUMED_SAVE_SECONDS if self._measured_seconds is None else self._measured_seconds

    @property
    def seconds(self) -> float:
        return max(self._bounds())

    @property
    def reason(self) -> str:
        young, cost, upload, least = self._bounds()
        how = "assumed" if self._measured_seconds is None else "measured"
        basis = f"a save holds training up {self.save_seconds:.1f} s ({how})"
        if self.seconds == young:
            hours = self._interruption_seconds / 3600
            why = f"{self._purchase} machines are taken to last {hours:.0f} h: √(2 × save × {hours:.0f} h)"
        elif self.seconds == cost:
            why = f"saving may take {MAX_COST_FRACTION:.0%} of the time"
        elif self.seconds == upload:
            why = f"an upload takes {self._upload_seconds:.0f} s, and the next should not wait for it"
        else:
            why = f"never more often than every {least:.0f} s"
        return f"{basis}, {why}"

    def is_due(self) -> bool:
        return self._clock() - self._saved_at >= self.seconds

    def _bounds(self) -> tuple[float, float, float, float]:
        young = math.sqrt(2 * self.save_seconds * self._interruption_seconds)
        return young, self.save_seconds / MAX_COST_FRACTION, 1.5 * self._upload_seconds, LEAST_SECONDS

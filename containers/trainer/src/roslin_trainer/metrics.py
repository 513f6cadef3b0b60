"""metrics.json: small, bounded, rewritten every few seconds while training."""

import json
import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from roslin_trainer.budget import Budget
from roslin_trainer.log import log
from roslin_trainer.raw_series import RawSeries
from roslin_trainer.storage import Folder

METRICS_FILE = "metrics.json"
FLUSH_SECONDS = 2.0
# Each write is a request that is paid for: a long run is looked at less often than a short one.
FLUSH_SHARE_OF_RUN = 1 / 60
MOST_FLUSH_SECONDS = 10.0
MAX_POINTS = 1000
COLUMNS = (
    "step",
    "loss",
    "learningRate",
    "gradientNorm",
    "tokensPerSecond",
    "samplesPerSecond",
    "supervisedTokensPerSecond",
    "paddingFraction",
    "stepSeconds",
)
# The first and the last loss are means: that of a single step is mostly the luck of its rows.
EDGE_FRACTION = 0.05
MAX_EDGE_STEPS = 100
# Speed is that of the last steps, so that a pause for a checkpoint is soon forgotten.
SPEED_STEPS = 20


@dataclass(frozen=True)
class StepNumbers:
    """One optimizer step of all ranks. `padding_tokens` are the slots computed beside those of the tokens."""

    loss: float
    learning_rate: float
    gradient_norm: float
    rows: int
    tokens: int
    supervised_tokens: int
    padding_tokens: int
    seconds: float

    def columns(self, step: int) -> dict[str, float]:
        """In the order of COLUMNS."""
        return {
            "step": step,
            "loss": self.loss,
            "learningRate": self.learning_rate,
            "gradientNorm": self.gradient_norm,
            "tokensPerSecond": self.tokens / self.seconds,
            "samplesPerSecond": self.rows / self.seconds,
            "supervisedTokensPerSecond": self.supervised_tokens / self.seconds,
            "paddingFraction": self.padding_tokens / (self.tokens + self.padding_tokens),
            "stepSeconds": self.seconds,
        }


class Series:
    """Columns of at most MAX_POINTS points: when full, each two neighbours become one, the mean of both."""

    def __init__(self, state: dict | None = None):
        state = state or {"stepsPerPoint": 1, "pending": [], "columns": {name: [] for name in COLUMNS}}
        self._steps_per_point: int = state["stepsPerPoint"]
        self._pending: list[list[float]] = state["pending"]
        self.columns: dict[str, list[float]] = state["columns"]

    def add(self, *values: float) -> None:
        """The values of one step, in the order of COLUMNS."""
        self._pending.append(list(values))
        if len(self._pending) < self._steps_per_point:
            return
        for name, column in zip(COLUMNS, zip(*self._pending, strict=True), strict=True):
            self.columns[name].append(_six_digits(_mean(column)))
        self._pending = []
        if len(self.columns["step"]) >= MAX_POINTS:
            self._halve()

    def state(self) -> dict:
        return {"stepsPerPoint": self._steps_per_point, "pending": self._pending, "columns": self.columns}

    def _halve(self) -> None:
        for name, column in self.columns.items():
            pairs = zip(column[::2], column[1::2], strict=True)
            self.columns[name] = [_six_digits(_mean(pair)) for pair in pairs]
        self._steps_per_point *= 2


class Metrics:
    """Collects numbers on the training thread; a background thread writes them."""

    def __init__(
        self,
        folder: Folder,
        device: str,
        world_size: int,
        steps_per_epoch: int,
        epochs: int,
        budget: Budget,
        raw: RawSeries | None,
    ):
        """`raw` is the first rank's alone: all ranks of a machine share its scratch disk."""
        self._folder = folder
        self._budget = budget
        self._raw = raw
        self._device = device
        self._world_size = world_size
        self._steps_per_epoch = steps_per_epoch
        self._epochs = epochs
        self.total_steps = steps_per_epoch * epochs
        edge = max(1, min(MAX_EDGE_STEPS, round(self.total_steps * EDGE_FRACTION)))
        self._edge_steps = edge
        self._step = 0
        self._first_losses: list[float] = []
        self._last_losses: deque[float] = deque(maxlen=edge)
        self._held_out: list[dict] = []
        self._series = Series()
        self._skipped_steps = 0
        self._recent: deque[StepNumbers] = deque(maxlen=SPEED_STEPS)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        """Writes the first object, so that a watcher sees progress before the first step ends."""
        self._write()
        self._thread.start()

    def close(self) -> None:
        """Writes the last object."""
        self._closed.set()
        self._thread.join()
        self._write()

    def add_step(self, numbers: StepNumbers) -> None:
        with self._lock:
            self._step += 1
            if len(self._first_losses) < self._edge_steps:
                self._first_losses.append(numbers.loss)
            self._last_losses.append(numbers.loss)
            self._recent.append(numbers)
            columns = numbers.columns(self._step)
            self._series.add(*columns.values())
            if self._raw:
                row = {name: _finite(_six_digits(value)) for name, value in columns.items()}
                # Whole, whatever its digits: it says which step the row is of.
                self._raw.add({**row, "step": self._step})

    def skip_step(self) -> None:
        """A step that left the weights as they were, because its loss was no number."""
        with self._lock:
            self._step += 1
            self._skipped_steps += 1
            if self._raw:
                self._raw.add({"step": self._step, "loss": None})

    def raw_upload(self) -> Callable[[], None]:
        with self._lock:
            return self._raw.snapshot()

    def add_held_out(self, epoch: int, loss: float) -> None:
        with self._lock:
            self._held_out.append({"epoch": epoch, "loss": loss})

    def has_held_out(self, epoch: int) -> bool:
        return any(point["epoch"] == epoch for point in self._held_out)

    def state(self) -> dict:
        """What a checkpoint keeps, so that the curve of a resumed run has no gap and no step twice."""
        with self._lock:
            return {
                "step": self._step,
                "skippedSteps": self._skipped_steps,
                "firstLosses": list(self._first_losses),
                "lastLosses": list(self._last_losses),
                "heldOut": list(self._held_out),
                "series": json.loads(json.dumps(self._series.state())),
            }

    def restore(self, state: dict) -> None:
        self._step = state["step"]
        self._skipped_steps = state["skippedSteps"]
        self._first_losses = state["firstLosses"]
        self._last_losses.extend(state["lastLosses"])
        self._held_out = state["heldOut"]
        self._series = Series(state["series"])

    def line(self) -> str:
        """`epoch 1.25/3 step 36/87 loss 1.234 812 tokens/s eta 1m12s`"""
        with self._lock:
            value = self._object()
        loss = f" loss {self._last_losses[-1]:.3f}" if self._last_losses else ""
        speed = f" {value['tokensPerSecond']:.0f} tokens/s" if value["tokensPerSecond"] else ""
        eta = f" eta {_duration(value['etaSeconds'])}" if value["etaSeconds"] is not None else ""
        place = f"epoch {value['epoch']:.2f}/{self._epochs} step {self._step}/{self.total_steps}"
        return f"{place}{loss}{speed}{eta}"

    def _object(self) -> dict:
        """The content of metrics.json (core/run-files.ts, metricsSchema)."""
        seconds = sum(step.seconds for step in self._recent)
        remaining = self.total_steps - self._step
        return {
            "updatedAt": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "device": self._device,
            "worldSize": self._world_size,
            "epoch": round(self._step / self._steps_per_epoch, 4),
            "epochs": self._epochs,
            "step": self._step,
            "totalSteps": self.total_steps,
            "skippedSteps": self._skipped_steps,
            "tokensPerSecond": self._rate(lambda step: step.tokens),
            "samplesPerSecond": self._rate(lambda step: step.rows),
            "supervisedTokensPerSecond": self._rate(lambda step: step.supervised_tokens),
            "paddingFraction": self._padding_fraction(),
            "stepSeconds": round(seconds / len(self._recent), 4) if seconds else None,
            "etaSeconds": round(seconds / len(self._recent) * remaining, 1) if seconds else None,
            "elapsedSeconds": round(self._budget.elapsed_seconds, 1),
            "costUsd": round(self._budget.cost_usd, 4),
            "lossFirst": _mean(self._first_losses) if self._first_losses else None,
            "lossLast": _mean(self._last_losses) if self._last_losses else None,
            "heldOutLoss": list(self._held_out),
            # A norm can overflow where the loss does not: mixed precision skips such a step and goes on.
            "series": {
                name: [_finite(value) for value in column] for name, column in self._series.columns.items()
            },
        }

    def _rate(self, counted: Callable[[StepNumbers], int]) -> float | None:
        seconds = sum(step.seconds for step in self._recent)
        return round(sum(counted(step) for step in self._recent) / seconds, 1) if seconds else None

    def _padding_fraction(self) -> float | None:
        padding = sum(step.padding_tokens for step in self._recent)
        tokens = sum(step.tokens for step in self._recent)
        return round(padding / (tokens + padding), 4) if tokens else None

    def _run(self) -> None:
        while not self._closed.wait(flush_seconds(self._budget.elapsed_seconds)):
            try:
                self._write()
            except Exception as error:
                # The next write may go through: only the last one, in close(), must.
                log(f"metrics.json could not be written: {error}")

    def _write(self) -> None:
        with self._lock:
            value = self._object()
        self._folder.write(METRICS_FILE, json.dumps(value, allow_nan=False).encode())


def flush_seconds(elapsed_seconds: float) -> float:
    """Every 2 seconds in the first two minutes of training, every 10 from the tenth on."""
    return max(FLUSH_SECONDS, min(MOST_FLUSH_SECONDS, elapsed_seconds * FLUSH_SHARE_OF_RUN))


def _mean(values) -> float:
    return sum(values) / len(values)


def _six_digits(value: float) -> float:
    """More than a plot shows, and a third of the bytes."""
    return float(f"{value:.6g}")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"

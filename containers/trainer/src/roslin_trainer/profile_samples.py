"""All that is kept of what one machine did: series, means, energy, and time throttled."""

import json

import numpy as np

from roslin_trainer.host import HostSample
from roslin_trainer.nvml import GpuSample
from roslin_trainer.profile_series import HIGH, LOW, MEAN, BandSeries

JOULES_PER_KWH = 3.6e6
HOST_COLUMNS = ("cpuPercent", "memoryMiB")
# In the order of GpuSample's numbers; the last one is made of its throttle reasons.
GPU_COLUMNS = (
    "utilisationPercent",
    "memoryMiB",
    "powerWatts",
    "temperatureCelsius",
    "smClockMHz",
    "pcieSentMiBPerSecond",
    "pcieReceivedMiBPerSecond",
    "nvlinkSentMiBPerSecond",
    "nvlinkReceivedMiBPerSecond",
    "throttledPercent",
)


class Samples:
    """Bounded, however many are added."""

    def __init__(self, gpus: int):
        self._series = BandSeries(len(HOST_COLUMNS) + gpus * len(GPU_COLUMNS))
        self._energy_joules = [0.0] * gpus
        self._throttled_seconds: list[dict[str, float]] = [{} for _ in range(gpus)]
        self._seconds = 0.0
        self._encoded_state: tuple[int, int] | None = None
        self._encoded = ""

    def add(self, seconds: float, machine: HostSample, gpus: list[GpuSample]) -> None:
        """`seconds` since the start. A sample stands for the time since the one before it."""
        elapsed, self._seconds = seconds - self._seconds, seconds
        values: list[float | None] = [*machine]
        for index, sample in enumerate(gpus):
            *numbers, reasons = sample
            values += [*numbers, None if reasons is None else 100.0 * bool(reasons)]
            self._energy_joules[index] += (sample.power_watts or 0) * elapsed
            throttled = self._throttled_seconds[index]
            for reason in reasons or ():
                throttled[reason] = throttled.get(reason, 0.0) + elapsed
        # None becomes NaN.
        self._series.add(seconds, np.array(values, np.float32))

    def series_json(self) -> str:
        """The series as JSON. A point comes ever more rarely, so mostly it is the text of the last time."""
        if self._encoded_state != self._series.state:
            self._encoded_state = self._series.state
            seconds, bands = self._series.points()
            is_offered = ~np.isnan(bands[HIGH]).all(axis=0)
            columns = [_band(bands[:, :, i]) if is_offered[i] else None for i in range(bands.shape[2])]
            series = {"seconds": _numbers(seconds, 1), **_named(columns)}
            self._encoded = json.dumps(series, allow_nan=False, separators=(",", ":"))
        return self._encoded

    def newest(self) -> dict:
        """The means since the last point of the series."""
        return _named(_numbers(self._series.newest()[MEAN], 1))

    def summary(self) -> dict:
        """Over all samples, not over the points that are left of them."""
        whole = self._series.whole()
        pairs = zip(_numbers(whole[MEAN], 1), _numbers(whole[HIGH], 1), strict=True)
        named = _named([{"mean": mean, "max": high} for mean, high in pairs])
        for gpu, joules, throttled in zip(
            named["gpus"], self._energy_joules, self._throttled_seconds, strict=True
        ):
            gpu["energyKwh"] = round(joules / JOULES_PER_KWH, 5)
            gpu["throttledSeconds"] = {reason: round(seconds, 1) for reason, seconds in throttled.items()}
        return {"hours": round(self._seconds / 3600, 5), **named}


def _named(columns: list) -> dict:
    of_host, of_gpus = columns[: len(HOST_COLUMNS)], columns[len(HOST_COLUMNS) :]
    size = len(GPU_COLUMNS)
    gpus = [of_gpus[start : start + size] for start in range(0, len(of_gpus), size)]
    return {
        "host": dict(zip(HOST_COLUMNS, of_host, strict=True)),
        "gpus": [dict(zip(GPU_COLUMNS, gpu, strict=True)) for gpu in gpus],
    }


def _band(bands: np.ndarray) -> dict[str, list]:
    """Whole numbers: the instruments are no better, and the file is read every few seconds."""
    return {"low": _numbers(bands[LOW]), "mean": _numbers(bands[MEAN]), "high": _numbers(bands[HIGH])}


def _numbers(values: np.ndarray, digits: int = 0) -> list[float | None]:
    if digits:
        rounded = values.astype(np.float64).round(digits).tolist()
    elif not np.isnan(values).any():
        return np.rint(values).astype(np.int64).tolist()
    else:
        rounded = np.rint(values).tolist()
    # NaN is no JSON, and the one number that is not itself.
    return [None if value != value else value if digits else int(value) for value in rounded]

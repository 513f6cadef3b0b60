"""Columns of numbers over time in bounded memory, however long they grow."""

import warnings

import numpy as np

MAX_POINTS = 1000
LOW, MEAN, HIGH = 0, 1, 2


class BandSeries:
    """At most MAX_POINTS points a column, each the lowest, mean and highest of the samples it stands for.

    When full, each two neighbours become one. A sample that is missing (NaN) counts for nothing.
    """

    def __init__(self, columns: int):
        self._bands = np.full((3, MAX_POINTS, columns), np.nan, np.float32)
        self._seconds = np.zeros(MAX_POINTS, np.float32)
        self._points = 0
        self._samples_per_point = 1
        self._pending = _Pending(columns)
        # Of all samples, so that means and maxima do not suffer from the merging of points.
        self._all = _Pending(columns)

    def add(self, seconds: float, values: np.ndarray) -> None:
        """One sample of each column; `seconds` since the start, float32 of shape (columns,)."""
        for total in (self._pending, self._all):
            total.add(seconds, values)
        if self._pending.count < self._samples_per_point:
            return
        self._seconds[self._points], self._bands[:, self._points] = self._pending.first, self._pending.bands()
        self._points += 1
        self._pending = _Pending(len(values))
        if self._points == MAX_POINTS:
            self._halve()

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """When each point begins, in seconds since the start, and the bands of shape (3, points, columns)."""
        return self._seconds[: self._points], self._bands[:, : self._points]

    def newest(self) -> np.ndarray:
        """The bands of what is no whole point yet, of shape (3, columns)."""
        return self._pending.bands()

    def whole(self) -> np.ndarray:
        """The bands of all samples ever added, of shape (3, columns)."""
        return self._all.bands()

    @property
    def state(self) -> tuple[int, int]:
        """Another one whenever the points are."""
        return self._samples_per_point, self._points

    def _halve(self) -> None:
        half = MAX_POINTS // 2
        pairs = self._bands.reshape(3, half, 2, -1)
        with warnings.catch_warnings():
            # Two points without a sample stay one without.
            warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
            means = np.nanmean(pairs[MEAN], axis=1)
        lows, highs = np.fmin.reduce(pairs[LOW], axis=1), np.fmax.reduce(pairs[HIGH], axis=1)
        self._bands[LOW, :half], self._bands[MEAN, :half], self._bands[HIGH, :half] = lows, means, highs
        self._seconds[:half] = self._seconds[::2]
        self._points = half
        self._samples_per_point *= 2


class _Pending:
    """Samples summed up."""

    def __init__(self, columns: int):
        self.count = 0
        self.first = 0.0
        self._low = np.full(columns, np.nan, np.float32)
        self._high = np.full(columns, np.nan, np.float32)
        self._sum = np.zeros(columns)
        self._present = np.zeros(columns)

    def add(self, seconds: float, values: np.ndarray) -> None:
        if self.count == 0:
            self.first = seconds
        self.count += 1
        is_present = ~np.isnan(values)
        self._low = np.fmin(self._low, values)
        self._high = np.fmax(self._high, values)
        self._sum += np.where(is_present, values, 0)
        self._present += is_present

    def bands(self) -> np.ndarray:
        """Shape (3, columns)."""
        mean = np.divide(
            self._sum, self._present, out=np.full_like(self._sum, np.nan), where=self._present > 0
        )
        return np.stack((self._low, mean, self._high)).astype(np.float32)

"""The distribution of one activation over calibration samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

HISTOGRAM_BINS = 2048


@dataclass(frozen=True)
class Histogram:
    """Counts of values in equal bins over [low, high]."""

    low: float
    high: float
    counts: NDArray[np.float64]

    @classmethod
    def of(cls, array: NDArray[Any], bins: int = HISTOGRAM_BINS) -> Histogram:
        """The histogram of `array` between its extremes."""
        low, high = float(np.min(array)), float(np.max(array))
        return cls(low, high, count_bins(array, low, high, bins))

    @property
    def bin_width(self) -> float:
        """The width of a bin; zero when all values are equal."""
        return (self.high - self.low) / len(self.counts)

    @property
    def centres(self) -> NDArray[np.float64]:
        """The middle of every bin."""
        return self.low + (np.arange(len(self.counts), dtype=np.float64) + 0.5) * self.bin_width

    def limited(self, low: float, high: float) -> Histogram:
        """The histogram after clipping every value to [low, high]."""
        new_low, new_high = _clip(self.low, low, high), _clip(self.high, low, high)
        if new_high <= new_low or self.bin_width == 0.0:
            return Histogram(new_low, new_high, np.array([self.counts.sum()]))
        bins = min(len(self.counts), max(1, round((new_high - new_low) / self.bin_width)))
        positions = (np.clip(self.centres, new_low, new_high) - new_low) / (new_high - new_low)
        index = np.minimum((positions * bins).astype(np.int64), bins - 1)
        counts = np.bincount(index, self.counts, bins).astype(np.float64)
        return Histogram(new_low, new_high, counts)


@dataclass(frozen=True)
class Distribution:
    """Extremes and histogram of one activation, all samples taken together.

    `source` gives the histogram, by another pass over the samples if need be. `response` is the
    function through which all readers see the value, where there is one.
    """

    low: float
    high: float
    source: Callable[[], Histogram]
    response: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None

    @property
    def histogram(self) -> Histogram:
        """Counts between `low` and `high`."""
        return self.source()

    def limited(self, low: float, high: float) -> Distribution:
        """The distribution after clipping every value to [low, high]."""
        if low <= self.low and self.high <= high:
            return self
        return replace(
            self,
            low=_clip(self.low, low, high),
            high=_clip(self.high, low, high),
            source=lambda: self.source().limited(low, high),
        )


def count_bins(
    array: NDArray[Any], low: float, high: float, bins: int = HISTOGRAM_BINS
) -> NDArray[np.float64]:
    """How many elements fall into each of `bins` equal bins over [low, high], ends included."""
    if high <= low:
        counts = np.zeros(bins)
        counts[0] = array.size
        return counts
    index = ((array.ravel() - low) * (bins / (high - low))).astype(np.int32)
    np.clip(index, 0, bins - 1, out=index)
    return np.bincount(index, minlength=bins).astype(np.float64)


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)

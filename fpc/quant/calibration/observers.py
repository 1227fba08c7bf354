"""From the distribution of an activation to the range its integers should span."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fpc.quant.calibration.distribution import Distribution, Histogram
from fpc.quant.scheme import Scheme


class Observer(Protocol):
    """A rule that chooses ranges."""

    @property
    def name(self) -> str:
        """The rule's name in reports."""
        ...

    def range(self, distribution: Distribution, scheme: Scheme) -> tuple[float, float]:
        """The reals that the smallest and the greatest integer should stand for."""
        ...


@dataclass(frozen=True)
class MinMax:
    """Everything that was seen."""

    name: str = "min-max"

    def range(self, distribution: Distribution, scheme: Scheme) -> tuple[float, float]:  # noqa: ARG002
        """The extremes."""
        return distribution.low, distribution.high


@dataclass(frozen=True)
class Percentile:
    """The central `percent` % of the values; half of the rest is cut on each side."""

    percent: float = 99.99

    @property
    def name(self) -> str:
        """The rule and its percentage."""
        return f"percentile {self.percent:g}"

    def range(self, distribution: Distribution, scheme: Scheme) -> tuple[float, float]:  # noqa: ARG002
        """The two quantiles, interpolated within the histogram's bins."""
        histogram = distribution.histogram
        cut = (1.0 - self.percent / 100.0) / 2.0
        return _quantile(histogram, cut), _quantile(histogram, 1.0 - cut)


def _quantile(histogram: Histogram, fraction: float) -> float:
    cumulative = np.concatenate([[0.0], np.cumsum(histogram.counts)])
    edges = histogram.low + np.arange(len(cumulative)) * histogram.bin_width
    return float(np.interp(fraction * float(cumulative[-1]), cumulative, edges))


@dataclass(frozen=True)
class MeanSquaredError:
    """The range with the least mean squared error of quantisation, clipping included.

    Where one activation reads the value, the error is that of the activation's result. Both ends
    are searched in turn over `candidates` fractions of what was seen, `rounds` times.
    """

    candidates: int = 64
    rounds: int = 2
    name: str = "mse"

    def range(self, distribution: Distribution, scheme: Scheme) -> tuple[float, float]:
        """The best of a grid of clipped ranges."""
        error = _QuantisationError.of(distribution, scheme)
        low, high = min(distribution.low, 0.0), max(distribution.high, 0.0)
        fractions = np.arange(1, self.candidates + 1) / self.candidates
        best_low, best_high = low, high
        for _ in range(self.rounds):
            if high > 0.0:
                errors = [error(best_low, high * fraction) for fraction in fractions]
                best_high = high * float(fractions[_last_minimum(errors)])
            if low < 0.0:
                errors = [error(low * fraction, best_high) for fraction in fractions]
                best_low = low * float(fractions[_last_minimum(errors)])
        return best_low, best_high


@dataclass(frozen=True)
class _QuantisationError:
    """The summed squared error of quantising a histogram's values, as their reader sees it."""

    reals: NDArray[np.float64]
    counts: NDArray[np.float64]
    response: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    scheme: Scheme

    @classmethod
    def of(cls, distribution: Distribution, scheme: Scheme) -> _QuantisationError:
        """The error of a distribution's values."""
        histogram = distribution.histogram
        response = distribution.response or _identity
        return cls(histogram.centres, histogram.counts, response, scheme)

    def __call__(self, low: float, high: float) -> float:
        """The error of the range [low, high]."""
        params = self.scheme.activation_params(low, high)
        steps = np.rint(self.reals / params.scale) + params.zero_point
        steps = np.clip(steps, self.scheme.lowest, self.scheme.highest)
        restored = (steps - params.zero_point) * params.scale
        return float(self.counts @ (self.response(self.reals) - self.response(restored)) ** 2)


def _identity(reals: NDArray[np.float64]) -> NDArray[np.float64]:
    return reals


def _last_minimum(errors: list[float]) -> int:
    return len(errors) - 1 - int(np.argmin(errors[::-1]))


@dataclass(frozen=True)
class Entropy:
    """The range that loses the least information.

    Migacz, "8-bit inference with TensorRT" (GTC 2017): the threshold on magnitudes that minimises
    the Kullback-Leibler divergence of the quantised from the clipped distribution. Thresholds are
    tried every `stride` bins. The number of levels up to the threshold is what the scheme has left
    on the side of the greater magnitudes. The first bin counts as the second does: the zeros of a
    ReLU are exact whatever the range, and their number would drown everything else.
    """

    stride: int = 8
    name: str = "entropy"

    def range(self, distribution: Distribution, scheme: Scheme) -> tuple[float, float]:
        """The seen range within the threshold."""
        histogram = distribution.histogram
        low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
        reach = max(-low, high)
        if reach == 0.0:
            return low, high
        magnitudes = _magnitudes(histogram, reach)
        magnitudes[0] = magnitudes[1]
        bins = len(magnitudes)
        best, threshold = np.inf, reach
        for count in range(bins, 0, -self.stride):
            limit = reach * count / bins
            span = min(high, limit) + min(-low, limit)
            levels = max(1, round(scheme.steps * limit / span))
            if levels >= count:
                break
            divergence = _divergence(magnitudes, count, levels)
            if divergence < best:
                best, threshold = divergence, limit
        return max(low, -threshold), min(high, threshold)


def _magnitudes(histogram: Histogram, reach: float) -> NDArray[np.float64]:
    """The counts of absolute values in equal bins over [0, reach]."""
    bins = len(histogram.counts)
    index = np.minimum((np.abs(histogram.centres) / reach * bins).astype(np.int64), bins - 1)
    return np.bincount(index, histogram.counts, bins).astype(np.float64)


def _divergence(counts: NDArray[np.float64], kept: int, levels: int) -> float:
    """The divergence between the first `kept` bins, outliers put into the last, and their merger.

    The merger has `levels` levels, each spread evenly over its bins that are not empty.
    """
    inside = counts[:kept]
    starts = np.arange(levels) * kept // levels
    widths = np.diff(np.append(starts, kept))
    filled = np.add.reduceat((inside > 0.0).astype(np.float64), starts)
    means = np.add.reduceat(inside, starts) / np.maximum(filled, 1.0)
    merged = np.where(inside > 0.0, np.repeat(means, widths), 0.0)
    reference = inside.copy()
    reference[-1] += counts[kept:].sum()
    total = merged.sum()
    if total == 0.0:
        return float(np.inf)
    p = reference / reference.sum()
    q = np.maximum(merged / total, np.where(p > 0.0, np.finfo(np.float64).eps, 1.0))
    present = p > 0.0
    return float(np.sum(p[present] * np.log(p[present] / q[present])))

"""The median of repeated runs and how well they determine it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

CONFIDENCE = 0.95
_DISTURBED = 1.2
SMALLEST_SAMPLE = 6
"""The fewest runs of which two bound the median with `CONFIDENCE`: 1 - 2 / 2**6 is above it."""


class Interval(NamedTuple):
    """A range that holds the true value with `CONFIDENCE`."""

    low: float
    high: float


def median(runs: Sequence[float]) -> float:
    """The middle of `runs`, of which there is at least one."""
    return statistics.median(runs)


def median_interval(runs: Sequence[float]) -> Interval:
    """An interval that holds the median with `CONFIDENCE`, whatever the runs' distribution.

    Its ends are order statistics: how many of n independent runs fall below the true median is
    binomial(n, 1/2) (Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2). Fewer than
    `SMALLEST_SAMPLE` runs give their whole range, which holds the median less surely. Runs that a
    busy neighbour slows down in turn are not independent: measuring again later shows how far the
    median itself wanders.
    """
    ordered = sorted(runs)
    rank = _outer_rank(len(ordered))
    return Interval(ordered[rank], ordered[-1 - rank])


def is_disturbed(runs: Sequence[float]) -> bool:
    """Whether something else had the processor in most of `runs`.

    A few runs get through between two time slices of a neighbour, and the others wait for it: the
    median is then far above the fastest. On an idle machine it is within some percent of it.
    """
    return median(runs) > _DISTURBED * min(runs)


def relative_half_width(runs: Sequence[float]) -> float:
    """Half the interval's width in parts of the median; infinite for a median of zero."""
    low, high = median_interval(runs)
    middle = median(runs)
    return (high - low) / 2 / middle if middle > 0 else math.inf


@cache
def _outer_rank(count: int) -> int:
    """The largest r, from 0, with P(binomial(count, 1/2) <= r) <= (1 - CONFIDENCE) / 2."""
    outside = (1.0 - CONFIDENCE) / 2.0
    total = 0.0
    for rank in range(count // 2):
        total += math.exp(
            math.lgamma(count + 1)
            - math.lgamma(rank + 1)
            - math.lgamma(count - rank + 1)
            - count * math.log(2)
        )
        if total > outside:
            return max(rank - 1, 0)
    return max(count // 2 - 1, 0)

"""Latencies of several models taken in turns, so that what disturbs the machine disturbs all."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Protocol

_RUNS = 9


class Timed(Protocol):
    """A model made ready to run in some runtime."""

    def time_ms(self, repeats: int, *, warm_up: int = 3) -> tuple[float, ...]:
        """Wall-clock milliseconds of each of `repeats` runs, after `warm_up` more."""
        ...


def latencies_ms(models: Mapping[str, Timed], rounds: int) -> dict[str, float]:
    """For every model the median of the round in which it ran fastest.

    Neighbours of the machine slow rounds down and never speed them up.
    """
    turns = [
        {name: statistics.median(model.time_ms(_RUNS)) for name, model in models.items()}
        for _ in range(rounds)
    ]
    return {name: min(turn[name] for turn in turns) for name in models}

"""Measured networks as counts of their distinct kernels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fpc.costmodel.features import FeatureFamily, Matrix
from fpc.costmodel.kernels import Work
from fpc.costmodel.regression import Measured


@dataclass(frozen=True)
class Networks:
    """Networks with measured latencies.

    `counts` [networks, kernels] says how often each of the distinct kernels `works` runs.
    """

    works: tuple[Work, ...]
    counts: Matrix
    latency_ms: Matrix

    @classmethod
    def of(cls, rows: Iterable[tuple[Sequence[Work], float]]) -> Networks:
        """Networks given as their kernels and a latency in milliseconds."""
        columns: dict[Work, int] = {}
        entries: list[tuple[int, int]] = []
        latencies: list[float] = []
        for row, (works, latency_ms) in enumerate(rows):
            latencies.append(latency_ms)
            entries.extend((row, columns.setdefault(work, len(columns))) for work in works)
        counts = np.zeros((len(latencies), len(columns)))
        for row, column in entries:
            counts[row, column] += 1.0
        return cls(tuple(columns), counts, np.array(latencies))

    def measured(self, family: FeatureFamily) -> Measured:
        """The networks for a fit of `family`."""
        return Measured(self.counts, family.of_kernels(self.works), self.latency_ms)

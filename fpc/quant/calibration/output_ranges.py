"""Ranges of the graph's outputs: wider than what calibration saw, never clipped.

An activation has millions of elements in a hundred samples, so its extremes are well known. The
scores of a classifier are a few hundred numbers, their extremes are what the caller is after, and
the next input easily exceeds them: on unseen images, saturated top scores cost more than anything
else does. A range wider by a fifth costs 1.6 dB of the last rounding and prevents that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fpc.ir.graph import Graph, Value
from fpc.ir.op import Quantisation
from fpc.ir.types import TensorType
from fpc.quant.analysis.saturation import clamp_bounds
from fpc.quant.calibration.distribution import Distribution
from fpc.quant.calibration.observers import Observer
from fpc.quant.scheme import Scheme

HEADROOM = 0.25
"""How far the range of scores reaches past what was seen, in parts of it."""


@dataclass(frozen=True)
class PinnedDistribution(Distribution):
    """A distribution whose extremes are the range to use, whatever the observer."""


@dataclass(frozen=True)
class Unpinned:
    """An observer for all distributions but pinned ones, which keep their extremes."""

    observer: Observer

    @property
    def name(self) -> str:
        """The observer's name."""
        return self.observer.name

    def range(self, distribution: Distribution, scheme: Scheme) -> tuple[float, float]:
        """The observer's range, or the pinned one."""
        if isinstance(distribution, PinnedDistribution):
            return distribution.low, distribution.high
        return self.observer.range(distribution, scheme)


def pin_outputs(
    graph: Graph, statistics: Mapping[Value, Distribution]
) -> dict[Value, Distribution]:
    """`statistics` with what the outputs of `graph` are made of pinned, and scores widened."""
    pinned = dict(statistics)
    for output in graph.outputs:
        headroom = HEADROOM if gives_scores(output.type) else 0.0
        for value in _sources(output, statistics):
            found = statistics[value]
            pinned[value] = pin(found, found.low * (1 + headroom), found.high * (1 + headroom))
    return pinned


def pin(found: Distribution, low: float, high: float) -> PinnedDistribution:
    """`found`, to be quantised over [low, high]."""
    return PinnedDistribution(
        low=low,
        high=high,
        source=found.source,
    )


def gives_scores(type: TensorType) -> bool:
    """Whether an output looks like the scores of classes: [1, C] or [1, C, 1, 1] with C >= 2.

    Other single vectors, [1, N, 1] of a detector say, are lists of things, not of choices.
    """
    batch, classes, *rest = (*type.shape, 0, 0)[: max(type.rank, 2)]
    return type.dtype.is_float and batch == 1 and classes >= 2 and rest in ([], [1, 1])


def _sources(value: Value, statistics: Mapping[Value, Distribution]) -> set[Value]:
    """The observed values that `value` only moves, selects or clips."""
    if value in statistics:
        return {value}
    node = value.producer
    if node is None:
        return set()
    if node.op.quantisation is Quantisation.SAME or clamp_bounds(node.op) is not None:
        return {source for operand in node.operands for source in _sources(operand, statistics)}
    return set()

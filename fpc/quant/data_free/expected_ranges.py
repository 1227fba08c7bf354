"""Calibration without data: what trained batch norms promise, and what synthetic images miss.

Dead-leaves images (`fpc.quant.data_free.synthetic_samples`) excite a vision network's early and
middle layers much as photographs do: they show the channel means that bias correction needs, and
most ranges. Two things they do not show. Extremes of layers that specialise: there the trained
batch norms say how far activations reach (Nagel et al., "Data-free quantization through weight
equalization and bias correction", ICCV 2019, section 4.2.1). And the answers: nothing is recognised
in a synthetic image, so logits stay far below those of real objects; what follows the last layers
is widened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fpc.ir import ops
from fpc.ir.graph import Graph, Value
from fpc.ir.op import Op
from fpc.quant.analysis.placement import weight_of
from fpc.quant.analysis.saturation import Bounds, clamp_bounds
from fpc.quant.calibration.distribution import Distribution, Histogram
from fpc.quant.calibration.ranges import hull
from fpc.quant.calibration.statistics import Statistics

DEVIATIONS = 4.0
"""How many standard deviations from its mean a normalised channel is expected to reach."""
ANSWER_MARGIN = 2.5
"""How much further answers reach on real inputs than on synthetic ones.

Measured: 1.9 to 2.5 for the logits of a MobileNetV1 on ImageNet, by the images' contrast. A margin
too wide by two costs 6 dB of the last layers' own noise, one too narrow costs the answers.
"""


def expected_ranges(graph: Graph) -> dict[str, Bounds]:
    """The ranges that batch norms promise, by value name, for a graph that still has its own.

    A normalised channel has the mean `bias` and the deviation |`scale`|; a value ranges over the
    hull of its channels, `DEVIATIONS` deviations from their means, through the activation after.
    """
    ranges: dict[str, Bounds] = {}
    for node in graph:
        match node.op:
            case ops.BatchNorm() if node.input(1).is_constant and node.input(2).is_constant:
                reach = DEVIATIONS * np.abs(node.input(1).data.astype(np.float64))
                mean = node.input(2).data.astype(np.float64)
                ranges[node.output.name] = float((mean - reach).min()), float((mean + reach).max())
            case op:
                known = ranges.get(node.operands[0].name) if node.operands else None
                passed = None if known is None else _through(op, known)
                if passed is not None:
                    ranges[node.outputs[0].name] = passed
    return ranges


def _through(op: Op, known: Bounds) -> Bounds | None:
    """The range after an activation; None for other ops."""
    low, high = known
    clamp = clamp_bounds(op)
    if clamp is not None:
        low, high = np.clip([low, high], *clamp)
        return float(low), float(high)
    match op:
        case ops.LeakyRelu(alpha=alpha):
            return min(low, low * alpha), high
        case ops.HardSwish():
            return max(low, -0.375), max(high, 0.0)
        case ops.Silu():
            return max(low, -0.279), max(high, 0.0)
        case _:
            return None


def widen(
    graph: Graph, statistics: Mapping[Value, Distribution], expected: Mapping[str, Bounds]
) -> Statistics:
    """`statistics` of synthetic samples, widened to what real inputs may bring.

    graph: the one that was observed; expected: `expected_ranges` of the graph before its batch
    norms were folded, matched by value name. Values of the last layers, behind which there is no
    other convolution or dense layer, are widened by `ANSWER_MARGIN`. Histograms get empty bins at
    the ends: a rule that cuts tails would cut them again, so choose ranges by `MinMax`.
    """
    answers = _answers(graph)
    widened: dict[Value, Distribution] = {}
    for value, seen in statistics.items():
        low, high = seen.low, seen.high
        if value in answers:
            low, high = min(low * ANSWER_MARGIN, low), max(high * ANSWER_MARGIN, high)
        promised = expected.get(value.name)
        if promised is not None:
            low, high = hull((low, high), promised)
        widened[value] = _over(seen, low, high)
    return Statistics(widened)


def _over(seen: Distribution, low: float, high: float) -> Distribution:
    if (low, high) == (seen.low, seen.high):
        return seen
    return replace(seen, low=low, high=high, source=lambda: _padded(seen.histogram, low, high))


def _padded(histogram: Histogram, low: float, high: float) -> Histogram:
    """`histogram` in bins over [low, high], a wider range."""
    bins = len(histogram.counts)
    index = ((histogram.centres - low) * (bins / (high - low))).astype(np.int64)
    counts = np.bincount(np.clip(index, 0, bins - 1), histogram.counts, bins)
    return Histogram(low, high, counts.astype(np.float64))


def _answers(graph: Graph) -> set[Value]:
    """The results of last layers, and what is computed from them alone."""
    followed: set[Value] = set()
    answers: set[Value] = set()
    for node in reversed(graph):
        if weight_of(node) is not None or any(value in followed for value in node.outputs):
            followed.update(node.operands)
    for node in graph:
        if any(value in followed for value in node.outputs):
            continue
        if weight_of(node) is not None or any(value in answers for value in node.operands):
            answers.update(node.outputs)
    return answers

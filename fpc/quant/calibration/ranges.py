"""The range of every activation: observed where it arises, derived where values only move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fpc.diagnostics.errors import QuantError
from fpc.ir import ops
from fpc.ir.graph import Value
from fpc.ir.op import Quantisation
from fpc.quant.analysis.readers import reading_of
from fpc.quant.analysis.saturation import (
    EVERYTHING,
    Bounds,
    clamp_bounds,
    clamped_to,
    intersection,
)
from fpc.quant.calibration.distribution import Distribution
from fpc.quant.calibration.observers import Observer
from fpc.quant.scheme import Scheme


class Ranges:
    """Ranges of one graph's activations under one scheme and observer."""

    def __init__(
        self, statistics: Mapping[Value, Distribution], scheme: Scheme, observer: Observer
    ) -> None:
        self._statistics = statistics
        self._scheme = scheme
        self._observer = observer
        self._known: dict[tuple[Value, Bounds], Bounds] = {}

    def of(self, value: Value, bounds: Bounds = EVERYTHING) -> Bounds:
        """The range that integers should span for `value` clipped to `bounds`.

        `QuantError` when nothing is known of the value.
        """
        key = value, bounds
        if key not in self._known:
            self._known[key] = self._find(value, bounds)
        return self._known[key]

    def _find(self, value: Value, bounds: Bounds) -> Bounds:
        if value.is_constant:
            return constant_range(value, bounds)
        node = value.producer
        fixed = None if node is None else self._scheme.fixed_results.get(type(node.op))
        if fixed is not None:
            return intersection(self._scheme.representable(fixed), bounds)
        distribution = self._statistics.get(value)
        if distribution is not None:
            reading = reading_of(value)
            if reading is not None:
                distribution = replace(distribution, response=reading.response)
            observed = self._observer.range(distribution.limited(*bounds), self._scheme)
            return self._with_headroom(value, bounds, observed)
        if node is not None:
            limits = clamp_bounds(node.op)
            if limits is not None:
                return self.of(node.input(0), intersection(bounds, limits))
            if node.op.quantisation is Quantisation.SAME:
                parts = [self.of(operand, bounds) for operand in node.operands]
                return hull(*parts, *fill_range(node.op, bounds))
        raise QuantError(
            "not-observed",
            f"no statistics were gathered of %{value.name}",
            location=value.location,
            help="calibrate the graph that is quantised, after the last pass that changes it",
        )

    def _with_headroom(self, value: Value, bounds: Bounds, observed: Bounds) -> Bounds:
        """More than was observed, as far as `value` can go and its readers see."""
        low, high = (self._scheme.headroom * end for end in observed)
        return intersection(intersection((low, high), bounds), clamped_to(value))


def constant_range(value: Value, bounds: Bounds = EVERYTHING) -> Bounds:
    """The extremes of a constant clipped to `bounds`; `QuantError` when it is not finite."""
    data = value.data
    if not np.isfinite(data).all():
        raise QuantError(
            "not-finite",
            f"the constant %{value.name} holds NaN or infinity",
            location=value.location,
            help="such a model cannot be quantised; export it again from sound weights",
        )
    if data.size == 0:
        return 0.0, 0.0
    low, high = np.clip([float(data.min()), float(data.max())], *bounds)
    return float(low), float(high)


def fill_range(op: object, bounds: Bounds = EVERYTHING) -> tuple[Bounds, ...]:
    """The value that padding brings in, as a range; nothing for other ops."""
    match op:
        case ops.Pad(value=fill, mode=ops.PadMode.CONSTANT):
            clipped = float(np.clip(fill, *bounds))
            return ((clipped, clipped),)
        case _:
            return ()


def hull(*ranges: Bounds) -> Bounds:
    """The smallest interval that holds all of `ranges`."""
    return min(low for low, _ in ranges), max(high for _, high in ranges)

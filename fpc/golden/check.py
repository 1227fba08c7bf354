"""Comparing a graph with its golden record: what changed first, and by how much."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fpc.golden.record import FloatSummary, GoldenRecord, LayerRecord, TensorRecord, record
from fpc.interp.runner import Runner
from fpc.ir.graph import Graph

FLOAT_TOLERANCE = 1e-4
"""In parts of a value's range: floats are summed in another order on another machine."""


@dataclass(frozen=True)
class LayerChange:
    """A layer that no longer computes what was recorded."""

    name: str
    op: str
    source: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        source = f" (from {', '.join(self.source)})" if self.source else ""
        return f"%{self.name} = {self.op}{source}: {self.reason}"


@dataclass(frozen=True)
class OutputChange:
    """An output that differs; counts and the greatest difference where elements were recorded."""

    name: str
    reason: str
    differing: int | None = None
    elements: int | None = None
    greatest_difference: float | None = None

    def __str__(self) -> str:
        if self.differing is None:
            return f"output %{self.name}: {self.reason}"
        return (
            f"output %{self.name}: {self.differing} of {self.elements} elements differ, "
            f"by at most {self.greatest_difference:g}"
        )


@dataclass(frozen=True)
class GoldenReport:
    """What changed since the record was made.

    `stages` are the stages whose text changed, in the order of compilation; a changed text alone
    (another weight, another name) need not change an output. `layers` are in the graph's order:
    the first is where the change came in.
    """

    stages: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    layers: tuple[LayerChange, ...] = ()
    outputs: tuple[OutputChange, ...] = ()

    @property
    def is_unchanged(self) -> bool:
        """Whether inputs, layers and outputs are what they were; stages' texts may differ."""
        return not (self.inputs or self.layers or self.outputs)

    @property
    def first_layer(self) -> LayerChange | None:
        """The first layer that changed."""
        return self.layers[0] if self.layers else None

    def __str__(self) -> str:
        lines = [*self.inputs, *map(str, self.outputs)]
        if self.layers:
            lines.append(f"first changed layer: {self.layers[0]}")
        if len(self.layers) > 1:
            lines.append(f"{len(self.layers) - 1} later layers changed too")
        if self.stages:
            lines.append(f"first changed stage: {self.stages[0]}")
        return "\n".join(lines) if lines else "unchanged"


def check(
    golden: GoldenRecord,
    graph: Graph,
    *,
    stages: Mapping[str, Graph] | None = None,
    runner: Runner | None = None,
) -> GoldenReport:
    """Run `graph` as the record says, and compare.

    `stages` and `runner` are as in `fpc.golden.record.record`; stages that either side lacks are
    not compared.
    """
    now = record(
        graph,
        seed=golden.seed,
        samples=golden.samples,
        numerics=golden.numerics,
        stages=stages,
        runner=runner,
    )
    return compare(golden, now)


def compare(golden: GoldenRecord, now: GoldenRecord) -> GoldenReport:
    """What changed from `golden` to `now`, two records of one seed."""
    stages = tuple(
        name for name, text in golden.stages.items() if now.stages.get(name, text) != text
    )
    outputs = [
        _output_change(index, golden, now)
        for index in range(max(len(golden.outputs), len(now.outputs)))
    ]
    return GoldenReport(
        stages,
        _input_changes(golden.inputs, now.inputs),
        _layer_changes(golden.layers, now.layers),
        tuple(change for change in outputs if change is not None),
    )


def _input_changes(
    before: Sequence[TensorRecord], after: Sequence[TensorRecord]
) -> tuple[str, ...]:
    then, now = ([f"%{value.name}: {value.type}" for value in side] for side in (before, after))
    if then == now:
        return ()
    return (f"inputs were {', '.join(then)}, now {', '.join(now)}",)


def _layer_changes(
    before: Sequence[LayerRecord], after: Sequence[LayerRecord]
) -> tuple[LayerChange, ...]:
    """Layers are found again by name; new ones are reported where they stand."""
    known = {layer.name: layer for layer in before}
    present = {layer.name for layer in after}
    gone = [
        LayerChange(layer.name, layer.op, layer.source, "is gone")
        for layer in before
        if layer.name not in present
    ]
    changes: list[LayerChange] = []
    for layer in after:
        if layer.name not in known:
            changes.append(LayerChange(layer.name, layer.op, layer.source, "is new"))
            continue
        reason = _difference(known[layer.name], layer)
        if reason is not None:
            changes.append(LayerChange(layer.name, layer.op, layer.source, reason))
    return (*changes, *gone)


def _difference(before: TensorRecord, after: TensorRecord) -> str | None:
    if before.type != after.type:
        return f"its type was {before.type}, now {after.type}"
    if before.digest != after.digest:
        return f"its digest was {before.digest}, now {after.digest}"
    if before.summary is None or after.summary is None:
        return None
    return _summary_difference(before.summary, after.summary)


def _summary_difference(before: FloatSummary, after: FloatSummary) -> str | None:
    reach = max(abs(before.low), abs(before.high), 1e-30)
    for name in ("low", "high", "mean", "rms"):
        then, now = getattr(before, name), getattr(after, name)
        if not _is_close(then, now, FLOAT_TOLERANCE * reach):
            return f"its {name} was {then:g}, now {now:g}"
    return None


def _output_change(index: int, golden: GoldenRecord, now: GoldenRecord) -> OutputChange | None:
    if index >= len(now.outputs):
        return OutputChange(golden.outputs[index].name, "is gone")
    if index >= len(golden.outputs):
        return OutputChange(now.outputs[index].name, "is new")
    before, after = golden.outputs[index], now.outputs[index]
    reason = _difference(before, after)
    if before.elements is None or after.elements is None or before.type != after.type:
        return None if reason is None else OutputChange(after.name, reason)
    tolerance = 0.0
    if before.summary is not None:
        tolerance = FLOAT_TOLERANCE * max(abs(before.summary.low), abs(before.summary.high))
    pairs = list(zip(before.elements, after.elements, strict=True))
    differing = [abs(a - b) for a, b in pairs if not _is_close(a, b, tolerance)]
    if not differing:
        return None if reason is None else OutputChange(after.name, reason)
    return OutputChange(after.name, "differs", len(differing), len(pairs), max(differing))


def _is_close(a: float, b: float, tolerance: float) -> bool:
    both_undefined = math.isnan(a) and math.isnan(b)
    return a == b or both_undefined or abs(a - b) <= tolerance

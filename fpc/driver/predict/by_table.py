"""The latency of a model, looked up part by part."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fpc.costmodel.tables.table import LatencyTable
from fpc.driver.phases.prepare import imported_from, naming, prepare
from fpc.ir.graph import Graph
from fpc.report.schema import KernelPart, PredictionPart
from fpc.targets.description import Target


def predict_model_by_table(
    model: Path,
    target: Target,
    table: LatencyTable[Any],
    input_shapes: Mapping[str, tuple[int, ...]],
    *,
    simplify: bool = True,
) -> PredictionPart:
    """The latency of an ONNX model after `target`'s pipelines. Errors name the model."""
    with naming(model):
        imported = imported_from(model, input_shapes, simplify=simplify)
        return predict_graph_by_table(prepare(imported, target).graph, table)


def predict_graph_by_table(graph: Graph, table: LatencyTable[Any]) -> PredictionPart:
    """The latency of an optimised graph: a sum of figures that somebody measured.

    It never extrapolates: `CostModelError` (`cost.not-in-table`) for what the table does not have.
    """
    found = table.predict(graph)
    return PredictionPart(
        latency_ms=found.latency_ms,
        interval_ms=found.interval_ms,
        extrapolates=False,
        condition=table.condition,
        fitted_on=f"nothing: looked up in the {len(table.entries)} entries (replayed) of "
        f"{table.source}",
        notes=table.notes,
        kernels=tuple(
            KernelPart(node=piece.name, op=piece.kind, latency_ms=piece.latency_ms)
            for piece in sorted(found.pieces, key=lambda piece: -piece.latency_ms)
        ),
    )

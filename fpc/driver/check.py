"""Where a model would run on a target, without quantising it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fpc.driver.phases.describe import place
from fpc.driver.phases.prepare import imported_from, naming, prepare
from fpc.report.schema import PlacementPart
from fpc.targets.description import Target


def check_model(
    model: Path,
    target: Target,
    input_shapes: Mapping[str, tuple[int, ...]],
    *,
    int16: bool = False,
    simplify: bool = True,
) -> PlacementPart:
    """The placement of the model's nodes after `target`'s pipelines. Errors name the model."""
    with naming(model):
        imported = imported_from(model, input_shapes, simplify=simplify)
        return place(prepare(imported, target).graph, target, int16=int16)

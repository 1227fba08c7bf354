"""A network becomes the kernels whose tiles are compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fpc.backends.tvm.artifact import NUMERICS
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.planner import plan
from fpc.backends.tvm.tuning.case import Case, cases, needed, tilable
from fpc.backends.tvm.tuning.tile_table import TileTable
from fpc.diagnostics.progress import silent
from fpc.driver.options import CompileOptions, Precision
from fpc.driver.phases.integer_source import integer_precision
from fpc.driver.phases.io_types import set_io_types
from fpc.driver.phases.lower import set_layout
from fpc.driver.phases.prepare import imported_from, naming, prepare
from fpc.driver.phases.quantise import quantise
from fpc.driver.phases.watch import random_inputs
from fpc.interp.executor import run_keeping
from fpc.ir.graph import Graph
from fpc.targets.description import Target

_SAMPLES = 3


def cases_of(
    model: Path | Graph,
    input_shapes: Mapping[str, tuple[int, ...]],
    target: Target,
    isa: Isa,
    precision: Precision = Precision.INT8,
) -> list[Case]:
    """The kernels of a model with a choice of tiles, and what they compute of noise.

    A float model is quantised in `precision`. Any `FpcError` names the model.
    """
    with naming(model):
        graph = _integers(model, input_shapes, target, precision)
        planned = plan(graph, isa, TileTable(isa.name))
    calls = tuple(tilable(planned, isa).values())
    values = run_keeping(graph, random_inputs(graph), needed(planned, calls), NUMERICS)
    return list(cases(planned, calls, values))


def _integers(
    model: Path | Graph,
    input_shapes: Mapping[str, tuple[int, ...]],
    target: Target,
    wanted: Precision,
) -> Graph:
    """The model as `compile_model` hands it to a back end, ranges from noise.

    What the numbers are changes neither the kernels nor how long they take.
    """
    imported = imported_from(model, input_shapes)
    graph = prepare(imported, target).graph
    precision = integer_precision(imported.graph)
    options = CompileOptions(
        target=target.name,
        precision=precision or wanted,
        calibration=[random_inputs(imported.graph, seed) for seed in range(_SAMPLES)],
        recipe="min-max",
        allow_degraded=True,
    )
    if precision is None:
        graph = quantise(
            imported.graph, graph, target, options, options.preprocessing, silent
        ).graph.clone()
    set_io_types(graph, options, options.precision)
    set_layout(graph, "nhwc")
    return graph

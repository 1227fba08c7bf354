"""A small compiled network with two inputs and two outputs, and what it must compute."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fpc.backends.tvm.artifact import NUMERICS
from fpc.backends.tvm.emitter import emit
from fpc.backends.tvm.isa.description import Isa
from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.constant import Array
from fpc.ir.graph import Graph
from fpc.ir.types import QuantParams
from tests.numeric.integer_cases import Draw

SHAPE = (1, 5, 7, 11)


def forked() -> Graph:
    """The sum of two maps, and a dense layer on its mean: odd shapes, all quantised."""
    draw = Draw(3)
    graph = Graph("forked")
    inputs = [graph.add_input(name, draw.type(SHAPE)) for name in ("left", "right")]
    total = graph.add(ops.Add(), *inputs, name="total", quant=QuantParams.per_tensor(0.05, 7))
    mean = graph.add(
        ops.ReduceMean(axes=(1, 2), keep_dims=False),
        *total.outputs,
        name="mean",
        quant=QuantParams.per_tensor(0.02, -3),
    )
    (weights, weights_quant), (bias, bias_quant), scale = draw.weights(
        (13, SHAPE[-1]), mean.outputs[0].type
    )
    logits = graph.add(
        ops.Dense(),
        *mean.outputs,
        graph.constant(weights, quant=weights_quant),
        graph.constant(bias, quant=bias_quant),
        name="logits",
        quant=draw.quant(scale),
    )
    graph.set_outputs((*total.outputs, *logits.outputs))
    return graph


def draw_inputs(graph: Graph) -> tuple[Array, ...]:
    """Any bytes."""
    generator = np.random.default_rng(5)
    return tuple(generator.integers(-128, 128, v.type.shape, np.int8) for v in graph.inputs)


def interpreted(graph: Graph, inputs: Sequence[Array]) -> tuple[Array, ...]:
    """The outputs that every bit is held against."""
    return tuple(run(graph, inputs, NUMERICS))


def write_artifact(folder: Path, graph: Graph, isa: Isa) -> Path:
    """The artifact of `graph` in `folder`."""
    folder.mkdir()
    for name, content in emit(graph, isa).items():
        (folder / name).write_bytes(content)
    return folder

"""Kernels with data, and a network of two of them: what tiles are compared on."""

from __future__ import annotations

import numpy as np

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.planner import plan
from fpc.backends.tvm.tuning.case import Case, cases, needed, tilable
from fpc.backends.tvm.tuning.tile_table import TileTable
from fpc.driver.phases.watch import random_inputs
from fpc.interp.executor import run_keeping
from fpc.interp.numerics import Numerics
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.op import Layout
from fpc.ir.types import f32
from tests.numeric.integer_cases import Draw, one_op


def pointwise(dtype: DType = DType.I8) -> Graph:
    """32 positions, 24 channels, 40 units; activations and weights of a type."""
    draw = Draw(5, dtype, dtype)
    x = draw.type((1, 4, 8, 24))
    w, b, scale = draw.weights((40, 1, 1, 24), x)
    return one_op(ops.Conv2d(layout=Layout.NHWC), [x, w, b], draw.quant(scale))


def pointwise_case(isa: Isa, dtype: DType = DType.I8) -> Case:
    """The only kernel of `pointwise`."""
    graph = pointwise(dtype)
    planned = plan(graph, isa, TileTable(isa.name))
    calls = tuple(tilable(planned, isa).values())
    keep = needed(planned, calls)
    values = run_keeping(graph, random_inputs(graph), keep, Numerics.TFLITE_XNNPACK)
    [found] = cases(planned, calls, values)
    return found


def two_layers() -> Graph:
    """Two pointwise layers in float32, of which the first has more units."""
    generator = np.random.default_rng(0)
    graph = Graph("two_layers")
    x = graph.add_input("x", f32(1, 24, 4, 4))
    for units in (40, 8):
        shape = (units, x.type.shape[1], 1, 1)
        w = graph.constant(generator.standard_normal(shape).astype(np.float32))
        x = graph.add(ops.Conv2d(), x, w).output
    graph.set_outputs([x])
    return graph

"""Target `host`: what it says of pools and resizes is what XNNPACK does with the file."""

import numpy as np
import pytest

from fpc.driver.compile import compile_model
from fpc.driver.options import CompileOptions, Precision
from fpc.ir import ops
from fpc.ir.graph import Graph
from fpc.ir.types import f32
from fpc.measure.litert.model import LiteRtModel

POOL = ops.MaxPool((3, 3), (2, 2), (1, 1, 1, 1))
CORNERS = ops.Coordinates.ALIGN_CORNERS
EVEN = ops.Coordinates.ASYMMETRIC
HALF_DOWN, HALF_UP = ops.NearestRounding.HALF_DOWN, ops.NearestRounding.HALF_UP

CASES = {
    "pool": ([POOL], ["PADV2"]),
    "pool, SAME": ([ops.MaxPool((3, 3), (1, 1), (1, 1, 1, 1))], []),
    "pool, last row unread": ([ops.MaxPool((2, 2), (2, 2), (0, 0, 1, 1))], []),
    "pool after relu": ([ops.Relu(), POOL], []),
    "pool after clip": ([ops.Clip(0.0, 1.0), POOL], []),
    "pool after clip below": ([ops.Clip(-1.0, 1.0), POOL], ["PADV2"]),
    "pool after sigmoid": ([ops.Sigmoid(), POOL], []),
    "pool after silu": ([ops.Silu(), POOL], ["PADV2"]),
    "pool after relu and pool": ([ops.Relu(), ops.MaxPool((2, 2)), POOL], []),
    "pool before relu": ([POOL, ops.Relu()], []),
    "pools before relu": ([POOL, ops.MaxPool((2, 2)), ops.Relu6()], []),
    "doubled": ([ops.Resize((28, 28), coordinates=EVEN)], []),
    "doubled, to the nearest": ([ops.Resize((28, 28), rounding=HALF_DOWN)], []),
    "doubled, shifted": ([ops.Resize((28, 28))], ["GATHER", "GATHER"]),
    "widened, shifted": ([ops.Resize((14, 28))], ["GATHER", "GATHER"]),
    "doubled between corners": ([ops.Resize((28, 28), coordinates=CORNERS, rounding=HALF_UP)], []),
    "tripled between corners": (
        [ops.Resize((42, 42), coordinates=CORNERS, rounding=HALF_UP)],
        ["RESIZE_NEAREST_NEIGHBOR"],
    ),
    "sixfold": ([ops.Resize((84, 84), coordinates=EVEN)], ["RESIZE_NEAREST_NEIGHBOR"]),
}


@pytest.mark.parametrize("case", CASES)
def test_placement_is_what_xnnpack_takes(case):
    chain, outside = CASES[case]
    graph = Graph()
    weights = np.random.default_rng(0).normal(size=(8, 3, 1, 1)).astype("f4")
    x = graph.add_input("x", f32(1, 3, 14, 14))
    value = graph.add(ops.Conv2d(), x, graph.constant(weights)).output
    for op in chain:
        value = graph.add(op, value).output
    graph.set_outputs([value])
    asked = CompileOptions(
        target="host", precision=Precision.INT8, recipe="min-max", allow_degraded=True
    )
    compiled = compile_model(graph, asked)
    left = LiteRtModel(compiled.model).placement.outside
    assert [kernel.code for kernel in left] == outside
    said = {node.op for node in compiled.report.placement.off_path}
    assert said == ({chain[-1].mnemonic} if outside else set())

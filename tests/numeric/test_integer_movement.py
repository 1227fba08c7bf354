"""Moving quantised values against LiteRT: every bit, under both numerics."""

from __future__ import annotations

import pytest

from fpc.ir import ops
from fpc.ir.op import Layout
from fpc.ir.ops import DepthOrder, PadMode
from tests.numeric.integer_cases import PRECISIONS, Draw, assert_litert_agrees, one_op

SHAPE = (2, 7, 5, 12)
MOVES = {
    "split": ops.Split(3, (1, 7, 4)),
    "split height": ops.Split(1, (3, 4)),
    "slice": ops.Slice((0, 1, 2, 3), (2, 6, 5, 11), (1, 2, 1, 3)),
    "pad": ops.Pad((0, 1, 2, 0), (0, 0, 3, 1)),
    "pad value": ops.Pad((0, 1, 2, 0), (0, 0, 3, 0), 0.7),
    "pad far value": ops.Pad((0, 1, 2, 0), (0, 0, 3, 0), -1e4),
    "pad reflect": ops.Pad((0, 1, 2, 0), (0, 3, 1, 0), mode=PadMode.REFLECT),
    "pad edge": ops.Pad((0, 1, 2, 0), (0, 0, 1, 0), mode=PadMode.EDGE),
    "reshape": ops.Reshape((2, 35, 12)),
    "transpose": ops.Transpose((0, 3, 1, 2)),
    "depth to space": ops.DepthToSpace(2, DepthOrder.DCR, Layout.NHWC),
    "depth to space crd": ops.DepthToSpace(2, DepthOrder.CRD, Layout.NHWC),
}


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("seed", range(3))
def test_move(dtype, name, seed):
    x = Draw(seed, dtype).type(SHAPE)
    assert_litert_agrees(one_op(MOVES[name], [x], x.quantisation))


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("axis", [1, 2, 3])
def test_concat(dtype, axis):
    draw = Draw(axis, dtype)
    quant = draw.quant(0.03)
    shapes = [
        tuple(extent + (i if a == axis else 0) for a, extent in enumerate(SHAPE)) for i in range(3)
    ]
    xs = [draw.type(shape).with_quant(quant) for shape in shapes]
    assert_litert_agrees(one_op(ops.Concat(axis), xs, quant))

"""What is known of signs, from what computes a value and from what reads it."""

import numpy as np
import pytest

from fpc.ir import ops
from fpc.ir.graph import Graph
from fpc.ir.op import Activation
from fpc.ir.signs import is_clamped_at_zero, is_non_negative
from fpc.ir.types import QuantParams, f32

POOL = ops.MaxPool((2, 2))
MEAN = ops.AvgPool((2, 2))
BILINEAR = ops.Resize((9, 9), ops.Interpolation.BILINEAR)


def chain(*chained):
    graph = Graph()
    value = x = graph.add_input("x", f32(1, 4, 8, 8))
    for op in chained:
        value = graph.add(op, value).output
    graph.set_outputs([value])
    return x, value


@pytest.mark.parametrize(
    ("chained", "known"),
    [
        ([], False),
        ([ops.Relu()], True),
        ([ops.Clip(0.5, None)], True),
        ([ops.Clip(None, 6.0)], False),
        ([ops.Softmax(1), POOL, MEAN, BILINEAR], True),
        ([ops.Relu(), ops.Pad((0, 0, 1, 1), (0, 0, 1, 1), value=-1.0)], False),
        ([ops.Sigmoid(), ops.Tanh()], False),
    ],
)
def test_what_computes_a_value(chained, known):
    assert is_non_negative(chain(*chained)[1]) == known


def test_fused_clamps_and_every_operand_count():
    graph = Graph()
    x = graph.add_input("x", f32(1, 4))
    total = graph.add(ops.Add(Activation.RELU6), x, x).output
    assert is_non_negative(total)
    assert is_non_negative(graph.add(ops.Concat(1), total, total).output)
    assert not is_non_negative(graph.add(ops.Concat(1), total, x).output)


def test_stored_integers_are_judged_around_zero_only():
    graph = Graph()
    data = np.array([0, 3], np.int8)
    assert is_non_negative(graph.constant(data, "even", QuantParams.per_tensor(0.1)))
    assert not is_non_negative(graph.constant(data, "uneven", QuantParams.per_tensor(0.1, 2)))


@pytest.mark.parametrize(
    ("chained", "known"),
    [
        ([], False),
        ([ops.Relu()], True),
        ([POOL, ops.Reshape((1, 196)), ops.Relu6()], True),
        ([ops.Clip(-1.0, 1.0)], False),
        ([POOL], False),
        ([MEAN, ops.Relu()], False),
        ([BILINEAR, ops.Relu()], False),
    ],
)
def test_what_reads_a_value(chained, known):
    assert is_clamped_at_zero(chain(*chained)[0]) == known

"""How great sums become, against every sum there is, and operands that are known to be positive."""

import itertools

import numpy as np
import pytest

from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.op import Activation
from fpc.ir.types import f32
from fpc.quant.analysis.accumulators import (
    Span,
    greatest_sums,
    greatest_sums_of_parts,
    is_non_negative,
    part_width,
    span_of,
)

SPANS = [Span(-8, 7), Span(0, 7)]


@pytest.mark.parametrize("span", SPANS)
def test_the_greatest_sum_is_reached_and_never_passed(span):
    weights = np.random.default_rng(0).integers(-9, 10, (20, 5))
    operands = np.array(list(itertools.product((span.low, 0, 3, span.high), repeat=5)))
    sums = np.abs(weights @ operands.T).max(axis=1)
    np.testing.assert_array_equal(greatest_sums(weights, span), sums)


@pytest.mark.parametrize("span", SPANS)
def test_no_part_of_a_sum_is_greater(span):
    rng = np.random.default_rng(1)
    weights = rng.integers(-9, 10, (1, 40))
    bound = greatest_sums(weights, span)
    for operand in rng.integers(span.low, span.high + 1, (200, 40)):
        order = rng.permutation(40)
        partial = np.cumsum((weights[0] * operand)[order])
        assert np.abs(partial).max() <= bound


def test_parts_are_of_neighbouring_channels():
    weights = np.array([[[1, 2], [3, 4], [5, 6], [7, -80]]])
    assert greatest_sums_of_parts(weights, Span(0, 1), 4) == [80]
    assert greatest_sums_of_parts(weights[:, :3], Span(0, 1), 1) == [11]
    assert greatest_sums_of_parts(weights[:, :3], Span(-2, 1), 3) == [42]


@pytest.mark.parametrize(
    ("channels", "taps", "width"),
    [
        (576, 1, 144),
        (960, 1, 120),
        (1280, 1, 128),
        (64, 9, 16),
        (3, 9, 16),
        (3, 49, 2),
        (40, 1, 48),
    ],
)
def test_parts_are_equal_and_of_pairs(channels, taps, width):
    assert part_width(channels, taps, 144) == width


def test_the_least_int16_weight_does_not_overflow():
    assert greatest_sums(np.array([[-32768, -32768]], np.int16), Span(0, 1)) == [65536]


def test_what_is_known_to_be_positive():
    graph = Graph("signs")
    x = graph.add_input("x", f32(1, 4, 6, 6))

    def after(op, *operands):
        return graph.add(op, *operands).output

    relu = after(ops.Relu6(), x)
    weights = graph.constant(np.ones((4, 4, 1, 1), np.float32))
    fused = after(ops.Conv2d(activation=Activation.RELU), x, weights)
    positive = [
        relu,
        fused,
        after(ops.Clip(0.0, 9.0), x),
        after(ops.MaxPool((2, 2)), relu),
        after(ops.GlobalAvgPool(), relu),
        after(ops.Concat(1), relu, fused),
        after(ops.Pad((0, 0, 1, 1), (0, 0, 1, 1)), fused),
    ]
    other = [
        x,
        after(ops.Clip(-1.0, 9.0), x),
        after(ops.Conv2d(), relu, weights),
        after(ops.Conv2d(activation=Activation.RELU_N1_TO_1), relu, weights),
        after(ops.Concat(1), relu, x),
        after(ops.Pad((0, 0, 1, 1), (0, 0, 1, 1), -1.0), fused),
        after(ops.Sub(), relu, fused),
    ]
    assert all(map(is_non_negative, positive))
    assert not any(map(is_non_negative, other))
    assert span_of(relu, DType.I16) == (0, 32767)
    assert span_of(x, DType.I16) == (-32768, 32767)

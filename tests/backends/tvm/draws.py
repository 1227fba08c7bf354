"""Random graphs of one operator, of odd shapes, and inputs that reach their type's extremes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fpc.ir import ops
from fpc.ir.constant import Array
from fpc.ir.graph import Graph
from fpc.ir.op import Activation, Layout, Op
from tests.backends.tflite.graphs import random_inputs
from tests.numeric.integer_cases import Draw, one_op, same_pads

NHWC = Layout.NHWC


def extreme_inputs(graph: Graph) -> list[Array]:
    """Random integers, a third of them the least or the greatest of the type."""
    rng = np.random.default_rng(5)
    inputs = random_inputs(graph)
    for array in inputs:
        limits = np.iinfo(array.dtype)
        array[rng.random(array.shape) < 1 / 6] = limits.min
        array[rng.random(array.shape) < 1 / 6] = limits.max
    return inputs


def drawn_convolution(draw: Draw, groups: int = 1) -> Graph:
    """A convolution of any shape, depthwise a third of the time."""
    size = draw.pair(5, 9)
    kernel, strides, dilations = draw.pair(1, 3), draw.pair(1, 2), draw.pair(1, 2)
    pads = draw.choice([(0,) * 4, same_pads(size, kernel, strides, dilations), (1, 0, 2, 1)])
    channels, units = draw.integer(1, 19), draw.integer(1, 37)
    if draw.integer(0, 2) == 0:
        groups = units = channels
    x = draw.type((draw.integer(1, 2), *size, channels))
    w, b, scale = draw.weights((units, *kernel, channels // groups), x)
    op = ops.Conv2d(strides, pads, dilations, groups, draw.choice(list(Activation)), NHWC)
    return one_op(op, [x, w, b if draw.integer(0, 4) else None], draw.quant(scale))


def convolution_of_whole_lines(draw: Draw) -> Graph:
    """A convolution of few channels whose lines end where vectors do: none of them is padded."""
    x = draw.type((1, 9, 64, 3))
    w, b, scale = draw.weights((8, 5, 5, 3), x)
    return one_op(ops.Conv2d((4, 4), layout=NHWC), [x, w, b], draw.quant(scale))


def long_maps(draw: Draw) -> list[Graph]:
    """Convolutions with padding, pools and means of maps that are made band by band."""
    graphs: list[Graph] = []
    for shape in ((1, 28, 14, 20), (2, 12, 9, 64), (1, 27, 8, 3)):
        x = draw.type(shape)
        w, b, scale = draw.weights((33, 3, 3, shape[-1]), x)
        convolution = ops.Conv2d(pads=(1, 1, 1, 1), activation=Activation.RELU, layout=NHWC)
        graphs += [
            one_op(convolution, [x, w, b], draw.quant(scale)),
            one_op(ops.MaxPool((3, 3), (2, 2), layout=NHWC), [x], x.quantisation),
            one_op(ops.MaxPool((3, 3), pads=(1, 1, 1, 1), layout=NHWC), [x], x.quantisation),
            one_op(ops.AvgPool((3, 3), (2, 2), layout=NHWC), [x], x.quantisation),
            one_op(ops.GlobalAvgPool(NHWC), [x], draw.quant(0.01)),
        ]
    return graphs


def drawn_dense(draw: Draw) -> Graph:
    """A dense layer with a scale, or one a unit."""
    x = draw.type((*draw.pair(1, 5), draw.integer(1, 70))[draw.integer(0, 1) :])
    w, b, scale = draw.weights(
        (draw.integer(1, 40), x.shape[-1]), x, per_axis=bool(draw.integer(0, 1))
    )
    return one_op(ops.Dense(draw.choice(list(Activation))), [x, w, b], draw.quant(scale))


def drawn_of_two(draw: Draw) -> Graph:
    """A sum, difference or product of scales far apart."""
    shape = (draw.integer(1, 2), *draw.pair(1, 4), draw.integer(1, 20))
    other = draw.choice([shape, (1, 1, 1, shape[3]), (shape[0], 1, 1, shape[3]), (1, 1, 1, 1)])
    op = draw.choice([ops.Add, ops.Sub, ops.Mul])(draw.choice(list(Activation)))
    scales = [draw.factor(0.001, 0.5) for _ in range(3)]
    x, y = draw.type(shape, scales[0]), draw.type(other, scales[1])
    return one_op(op, [x, y], draw.quant(scales[2]))


def with_residual(draw: Draw, graph: Graph) -> Graph:
    """The graph, its result added to or followed by another input, scales far apart."""
    result = graph.outputs[0]
    other = graph.add_input("other", draw.type(result.type.shape, draw.factor(0.003, 0.3)))
    operands = (result, other) if draw.integer(0, 1) else (other, result)
    kind = result.type.with_quant(draw.quant(result.type.quantisation.scale * draw.factor(0.5, 2)))
    op = ops.Add(draw.choice(list(Activation)))
    graph.set_outputs(graph.add(op, *operands, name="sum", results=[kind]).outputs)
    return graph


def _pointwise(draw: Draw) -> Graph:
    x = draw.type((1, 2, 6, 10))
    w, b, scale = draw.weights((45, 1, 1, 10), x)
    return one_op(ops.Conv2d(layout=NHWC), [x, w, b], draw.quant(scale))


def _spatial(draw: Draw) -> Graph:
    x = draw.type((1, 5, 6, 3))
    w, b, scale = draw.weights((30, 3, 3, 3), x)
    return one_op(ops.Conv2d(pads=(1, 1, 1, 1), layout=NHWC), [x, w, b], draw.quant(scale))


def _depthwise(draw: Draw) -> Graph:
    x = draw.type((1, 6, 12, 20))
    w, b, scale = draw.weights((20, 3, 3, 1), x)
    op = ops.Conv2d(pads=(1, 1, 1, 1), groups=20, layout=NHWC)
    return one_op(op, [x, w, b], draw.quant(scale))


def _grouped(draw: Draw) -> Graph:
    """Vectors with units of one group and of two."""
    x = draw.type((1, 5, 6, 60))
    w, b, scale = draw.weights((72, 3, 3, 20), x)
    op = ops.Conv2d(pads=(1, 1, 1, 1), groups=3, layout=NHWC)
    return one_op(op, [x, w, b], draw.quant(scale))


TILED: Mapping[str, Callable[[Draw], Graph]] = {
    "pointwise": _pointwise,
    "spatial": _spatial,
    "depthwise": _depthwise,
    "grouped": _grouped,
    "residual": lambda draw: with_residual(draw, _pointwise(draw)),
}
"""Graphs of one kernel with many tiles, by the family's name."""


def float_islands() -> list[Graph]:
    """Bytes that become reals in between: functions of them, and sums over channels."""
    return [
        _island(ops.Unary(ops.Function.EXP), ops.Sigmoid()),
        _island(ops.Tanh(), is_read_twice=True),
        _island(ops.LocalResponseNorm(5, 0.01, layout=NHWC)),
        _island(ops.LocalResponseNorm(4, 2.0, 0.6, 0.5, layout=NHWC), ops.LeakyRelu(0.3)),
    ]


def _island(*functions: Op, is_read_twice: bool = False) -> Graph:
    """Functions of dequantised bytes, the first one's reals quantised."""
    graph = Graph("island")
    kind = Draw(6).type((2, 3, 4, 21))
    x = graph.add_input("x", kind)
    reals = graph.add(ops.Dequantize(), x, name="reals").output
    found = [graph.add(function, reals).output for function in functions]
    bytes_again = graph.add(ops.Quantize(), found[0], results=[kind]).output
    graph.set_outputs([bytes_again, *found, *([reals] if is_read_twice else [])])
    return graph

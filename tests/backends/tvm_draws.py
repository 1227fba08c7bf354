"""Random graphs of one operator, of odd shapes, and inputs that reach their type's extremes."""

from __future__ import annotations

import numpy as np

from fpc.ir import ops
from fpc.ir.constant import Array
from fpc.ir.graph import Graph
from fpc.ir.op import Activation, Layout
from tests.backends.tflite_graphs import random_inputs
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

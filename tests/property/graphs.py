"""Random float graphs, rich in what passes look for.

A graph grows step by step; a step applies one operator to values made before, or writes one of the
idioms that exporters leave behind (`tests.property.idioms`). Shapes are small, and every step keeps
its values near 1, so that two ways to compute a graph stay comparable. Operators that are not
continuous, such as quantize and cast, read inputs of the graph only: rounding elsewhere must not
become a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from hypothesis import strategies as st

from fpc.ir.dtype import DType
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Activation, Op
from fpc.ir.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Cast,
    Clip,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Coordinates,
    Dense,
    DepthOrder,
    DepthToSpace,
    Dequantize,
    Div,
    Function,
    Gelu,
    GlobalAvgPool,
    HardSigmoid,
    HardSwish,
    Interpolation,
    LeakyRelu,
    LocalResponseNorm,
    MatMul,
    Maximum,
    MaxPool,
    Minimum,
    Mul,
    NearestRounding,
    Pad,
    PadMode,
    PRelu,
    Quantize,
    ReduceMean,
    Relu,
    Relu6,
    Requantize,
    Reshape,
    Resize,
    Sigmoid,
    Silu,
    Slice,
    Softmax,
    Split,
    Sub,
    Tanh,
    Transpose,
    Unary,
)
from fpc.ir.types import QuantParams, f32

T = TypeVar("T")

ACTIVATIONS = (Activation.NONE, Activation.NONE, Activation.RELU, Activation.RELU6)
MOST_ELEMENTS = 2048


class Builder:
    """A growing graph; `values` are those a step may read, newest last."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self.graph = Graph("random")
        self.noise = np.random.default_rng(self.integer(0, 2**16))
        self.values: list[Value] = []

    def integer(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def pick(self, items: Sequence[T]) -> T:
        return items[self.integer(0, len(items) - 1)]

    def chance(self, percent: int) -> bool:
        return self.integer(1, 100) <= percent

    def value(self, fits: Callable[[Value], bool] = lambda _: True) -> Value | None:
        """A value that fits, mostly a new one; None when there is none."""
        found = [value for value in self.values if fits(value)]
        if not found:
            return None
        return found[-1] if self.chance(60) else self.pick(found)

    def map(self) -> Value | None:
        """A feature map."""
        return self.value(lambda value: value.type.rank == 4)

    def constant(self, *shape: int, low: float = -1.0, high: float = 1.0) -> Value:
        data = self.noise.uniform(low, high, shape).astype(np.float32)
        return self.graph.constant(data, "k")

    def filters(self, out: int, group_channels: int, kernel_h: int, kernel_w: int) -> Value:
        """Filters [O, I, h, w] that keep values near 1."""
        bound = 2.0 / math.sqrt(group_channels * kernel_h * kernel_w)
        return self.constant(out, group_channels, kernel_h, kernel_w, low=-bound, high=bound)

    def scalar(self, number: float, like: Value) -> Value:
        """A constant that broadcasts to `like`, of one element but of any rank it may have."""
        rank = self.integer(0, like.type.rank)
        return self.graph.constant(np.full((1,) * rank, number, np.float32), "c")

    def apply(self, op: Op, *operands: Value | None) -> Value:
        node = self.add(op, *operands)
        return node.outputs[0]

    def add(self, op: Op, *operands: Value | None) -> Node[Op]:
        node = self.graph.add(op, *operands, name=op.mnemonic)
        self.values.extend(v for v in node.outputs if 0 < v.type.size <= MOST_ELEMENTS)
        return node


def convolution(b: Builder) -> None:
    x = b.map()
    if x is None:
        return
    _, channels, height, width = x.type.shape
    kernel_h, kernel_w = b.pick(((1, 1), (3, 3), (1, 3), (2, 2)))
    pads = b.pick(((0, 0, 0, 0), (kernel_h // 2, kernel_w // 2) * 2, (0, 1, 1, 0)))
    dilations = b.pick(((1, 1), (1, 1), (2, 1)))
    op = Conv2d(
        b.pick(((1, 1), (1, 1), (2, 2), (1, 2))),
        pads,
        dilations,
        groups := b.pick([g for g in (1, 1, 2, channels) if channels % g == 0]),
        b.pick(ACTIVATIONS),
    )
    if (
        dilations[0] * (kernel_h - 1) >= height + pads[0] + pads[2]
        or kernel_w > width + pads[1] + pads[3]
    ):
        return
    out = groups * b.integer(1, 3)
    bias = b.constant(out) if b.chance(60) else None
    b.apply(op, x, b.filters(out, channels // groups, kernel_h, kernel_w), bias)


def transposed_convolution(b: Builder) -> None:
    x = b.map()
    if x is None or max(x.type.shape[2:]) > 6:
        return
    channels = x.type.shape[1]
    groups = b.pick([g for g in (1, 2) if channels % g == 0])
    kernel = b.integer(2, 3)
    op = ConvTranspose2d(
        b.pick(((1, 1), (2, 2))),
        (0, 1, 0, 0),
        (0, 0),
        groups=groups,
        activation=b.pick(ACTIVATIONS),
    )
    out = groups * b.integer(1, 2)
    bias = b.constant(out) if b.chance(60) else None
    b.apply(op, x, b.filters(out, channels // groups, kernel, kernel), bias)


def batch_norm(b: Builder, x: Value | None = None) -> None:
    x = x or b.value(lambda value: value.type.rank >= 2)
    if x is None:
        return
    channels = x.type.shape[1]
    scale, variance = (b.constant(channels, low=0.5, high=2.0) for _ in range(2))
    bias, mean = (b.constant(channels) for _ in range(2))
    b.apply(BatchNorm(b.pick((1e-5, 1e-3))), x, scale, bias, mean, variance)


def dense(b: Builder) -> None:
    x = b.value(lambda value: value.type.rank >= 2)
    if x is None:
        return
    units, features = b.integer(1, 5), x.type.shape[-1]
    bound = 2.0 / math.sqrt(features)
    if b.chance(30):
        b.apply(MatMul(), x, b.constant(features, units, low=-bound, high=bound))
        return
    weight = b.constant(units, features, low=-bound, high=bound)
    bias = b.constant(units) if b.chance(60) else None
    b.apply(Dense(b.pick(ACTIVATIONS)), x, weight, bias)


def pooling(b: Builder) -> None:
    x = b.map()
    if x is None:
        return
    _, _, height, width = x.type.shape
    kernel = (min(height, b.integer(1, 3)), min(width, b.integer(1, 3)))
    strides = b.pick(((1, 1), (2, 2)))
    pads = b.pick(((0, 0, 0, 0), (kernel[0] // 2, kernel[1] // 2) * 2))
    if b.chance(50):
        b.apply(MaxPool(kernel, strides, pads), x)
    else:
        b.apply(AvgPool(kernel, strides, pads, b.chance(30)), x)


def reduction(b: Builder) -> None:
    x = b.map()
    if x is None:
        return
    axes = b.pick(((2, 3), (2, 3), (1,), (0, 3)))
    op = GlobalAvgPool() if b.chance(40) else ReduceMean(axes, b.chance(60))
    b.apply(op, x)


def activation(b: Builder) -> None:
    x = b.value()
    if x is None:
        return
    low, high = b.pick(((0.0, 6.0), (0.0, None), (-1.0, 1.0), (None, 0.5), (None, None)))
    op = b.pick(
        (
            Relu(),
            Relu6(),
            Clip(low, high),
            LeakyRelu(b.pick((0.01, 0.2))),
            Sigmoid(),
            HardSigmoid(),
            Silu(),
            HardSwish(),
            Tanh(),
            Gelu(b.chance(30)),
            Unary(b.pick((Function.ABS, Function.NEG, Function.ERF))),
        )
    )
    b.apply(op, x)


def slope(b: Builder) -> None:
    x = b.map()
    if x is not None:
        b.apply(PRelu(), x, b.constant(x.type.shape[1], 1, 1, low=0.0))


def bounded_function(b: Builder) -> None:
    """Functions with poles or exponential growth, kept away from both."""
    x = b.value(lambda value: value.type.rank >= 1)
    if x is None:
        return
    squashed = b.apply(Sigmoid(), x)
    op = b.pick(
        (
            Unary(Function.EXP),
            Softmax(b.integer(0, x.type.rank - 1)),
            Unary(Function.SQRT),
            Unary(Function.LOG),
        )
    )
    if isinstance(op, Unary) and op.function is not Function.EXP:
        squashed = b.apply(Add(), squashed, b.scalar(0.5, squashed))
    b.apply(op, squashed)


def normalisation(b: Builder) -> None:
    x = b.map()
    if x is not None:
        b.apply(LocalResponseNorm(b.pick((3, 5)), 0.1), x)


def binary(b: Builder) -> None:
    x = b.value()
    if x is None:
        return
    y = b.value(lambda value: value.type.shape == x.type.shape)
    if b.chance(25):
        y = b.value(lambda value: _broadcasts(value, x)) or y
    op = b.pick((Add, Sub, Mul))(b.pick(ACTIVATIONS))
    if b.chance(20):
        op = b.pick((Maximum(), Minimum()))
    if y is not None:
        b.apply(op, x, y)


def _broadcasts(small: Value, large: Value) -> bool:
    try:
        return np.broadcast_shapes(small.type.shape, large.type.shape) == large.type.shape
    except ValueError:
        return False


def affine(b: Builder) -> None:
    """Arithmetic with a constant: a number, one a channel, or one an element."""
    x = b.value()
    if x is None:
        return
    shape = x.type.shape
    by_channel = shape[1:2] + (1,) * (len(shape) - 2)
    form = b.pick(("number", "channel", "element"))
    constants = {
        "number": lambda: b.scalar(b.pick((0.0, 1.0, 0.5, -1.0, 2.0)), x),
        "channel": lambda: b.constant(*by_channel, low=0.5, high=1.5),
        "element": lambda: b.constant(*shape, low=0.5, high=1.5),
    }
    constant = constants[form]()
    op = b.pick((Add(), Sub(), Mul(), Mul(Activation.RELU), Div()))
    reverses = b.chance(25) and not isinstance(op, Div)
    if isinstance(op, Div) and not np.all(constant.data):
        return
    b.apply(op, *((constant, x) if reverses else (x, constant)))


def concatenation(b: Builder) -> None:
    x = b.value(lambda value: value.type.rank >= 2)
    if x is None:
        return
    axis = b.integer(0, 1) if b.chance(20) else 1
    parts = [x]
    for _ in range(b.integer(0, 2)):
        other = b.value(
            lambda value: (
                value.type.rank == x.type.rank
                and _without(value.type.shape, axis) == _without(x.type.shape, axis)
            )
        )
        parts.append(other or x)
    b.apply(Concat(axis), *parts)


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


def cutting(b: Builder) -> None:
    x = b.value(lambda value: value.type.rank >= 2)
    if x is None:
        return
    axis = b.integer(0, x.type.rank - 1)
    extent = x.type.shape[axis]
    cut = b.integer(0, extent)
    if b.chance(50) and 0 < cut < extent:
        pieces = b.add(Split(axis, (cut, extent - cut)), x)
        if b.chance(30):
            b.apply(Concat(axis), *pieces.outputs)
        return
    starts = tuple(b.integer(0, n - 1) if b.chance(30) else 0 for n in x.type.shape)
    steps = tuple(b.integer(1, 2) if b.chance(20) else 1 for _ in starts)
    b.apply(Slice(starts, x.type.shape, steps), x)


def padding(b: Builder) -> None:
    x = b.value(lambda value: value.type.rank in (2, 4))
    if x is None:
        return
    mode = b.pick((PadMode.CONSTANT, PadMode.CONSTANT, PadMode.REFLECT, PadMode.EDGE))
    before, after = (
        tuple(
            b.integer(0, min(2, extent - 1)) if axis >= x.type.rank - 2 and b.chance(60) else 0
            for axis, extent in enumerate(x.type.shape)
        )
        for _ in range(2)
    )
    b.apply(Pad(before, after, b.pick((0.0, 0.0, -1.0)), mode), x)


def reshaping(b: Builder) -> None:
    x = b.value()
    if x is None:
        return
    batch, size = (x.type.shape or (1,))[0], x.type.size
    rest = size // max(batch, 1)
    shapes = [(size,), (batch, rest), (batch, rest, 1, 1), (batch, 1, rest), x.type.shape]
    shapes += [(batch, d, rest // d) for d in (2, 3) if rest % d == 0]
    shapes += [(batch, rest // 4, 2, 2)] if rest % 4 == 0 else []
    y = b.apply(Reshape(b.pick(shapes)), x)
    if b.chance(30):
        b.apply(Reshape(b.pick(shapes)), y)


def transposition(b: Builder) -> None:
    x = b.value(lambda value: value.type.rank >= 2)
    if x is None:
        return
    rank = x.type.rank
    orders = [tuple(range(rank)), tuple(reversed(range(rank))), (0, *range(2, rank), 1)]
    order = b.pick(orders)
    y = b.apply(Transpose(order), x)
    if b.chance(40):
        back = tuple(order.index(axis) for axis in range(rank))
        b.apply(Transpose(back), y)


def resizing(b: Builder) -> None:
    x = b.map()
    if x is None:
        return
    if x.type.shape[1] % 4 == 0 and b.chance(50):
        b.apply(DepthToSpace(2, b.pick(tuple(DepthOrder))), x)
        return
    _, _, height, width = x.type.shape
    size = b.pick(((height, width), (2 * height, 2 * width), (height, 3), (1, 1)))
    interpolation = b.pick(tuple(Interpolation))
    coordinates = b.pick(tuple(Coordinates))
    b.apply(Resize(size, interpolation, coordinates, b.pick(tuple(NearestRounding))), x)


def number_representation(b: Builder) -> None:
    """Quantise an input of the graph and come back, or cast there and back."""
    x = b.pick(b.graph.inputs)
    if b.chance(40):
        whole = b.graph.add(Cast(DType.I32), x).output
        b.apply(Cast(DType.F32), whole)
        return
    quant = QuantParams.per_tensor(0.03, b.integer(-128, 127))
    integer = b.graph.add(Quantize(), x, quant=quant).output
    if b.chance(50):
        unsigned = QuantParams.per_tensor(0.04, b.integer(0, 255))
        integer = b.graph.add(Requantize(DType.U8), integer, quant=unsigned).output
    if integer.type.rank == 4 and b.chance(50):
        integer = b.graph.add(MaxPool((1, 1)), integer).output
    b.apply(Dequantize(), integer)


def repetition(b: Builder) -> None:
    """A node once more, with the same operands."""
    nodes = [node for node in b.graph if node.outputs[0].type.dtype is DType.F32]
    if nodes:
        node = b.pick(nodes)
        b.graph.add(node.op, *node.inputs)
        twin = b.graph.nodes[-1]
        b.values.extend(twin.outputs)


def constant_arithmetic(b: Builder) -> None:
    """A constant computed from constants, then used."""
    x = b.value(lambda value: value.type.rank >= 1)
    if x is None:
        return
    extent = x.type.shape[-1]
    total = b.graph.add(Add(), b.constant(extent), b.constant(1)).output
    flat = b.graph.add(Reshape((1, extent)), total).output
    turned = b.graph.add(Transpose((1, 0)), flat).output
    row = b.graph.add(Reshape((extent,)), turned).output
    b.apply(Mul(), x, row)


STEPS: tuple[Callable[[Builder], None], ...] = (
    *(convolution, convolution, convolution, batch_norm, batch_norm, activation, activation),
    *(binary, binary, affine, affine, dense, pooling, reduction, slope, bounded_function),
    *(transposed_convolution, normalisation, concatenation, cutting, padding, reshaping),
    *(transposition, resizing, number_representation, repetition, constant_arithmetic),
)


@st.composite
def graphs(draw: st.DrawFn, most_steps: int = 12) -> Graph:
    """A verified float graph of some steps, with one to three inputs and outputs."""
    from tests.property.idioms import IDIOMS

    b = Builder(draw)
    for index in range(b.integer(1, 3)):
        shape = (1, b.integer(1, 4), b.integer(1, 8), b.integer(1, 8))
        if index == 2:
            shape = shape[:2]
        b.values.append(b.graph.add_input("x", f32(*shape)))
    for _ in range(b.integer(1, most_steps)):
        idiom = b.chance(35)
        b.pick(IDIOMS if idiom else STEPS)(b)
    others = [b.pick(b.values) for _ in range(b.integer(0, 2))]
    b.graph.set_outputs([b.values[-1], *others])
    return b.graph

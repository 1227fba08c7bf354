"""What exporters write out and passes put together again, as steps of `tests.property.graphs`."""

from __future__ import annotations

import math
from collections.abc import Callable

from fpc.ir.graph import Value
from fpc.ir.op import Activation
from fpc.ir.ops import (
    Add,
    AvgPool,
    Clip,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Div,
    Function,
    Gelu,
    GlobalAvgPool,
    HardSigmoid,
    HardSwish,
    MatMul,
    Maximum,
    MaxPool,
    Minimum,
    Mul,
    Pad,
    ReduceMean,
    Relu,
    Relu6,
    Reshape,
    Sigmoid,
    Silu,
    Slice,
    Sub,
    Tanh,
    Transpose,
    Unary,
)
from tests.property.graphs import Builder, batch_norm


def filtered(b: Builder, x: Value) -> Value:
    """A convolution of any grouping that keeps the map's extents."""
    channels = x.type.shape[1]
    depthwise = b.chance(40)
    out = channels if depthwise else b.integer(1, 4)
    filters = b.filters(out, 1 if depthwise else channels, 3, 3)
    op = Conv2d(pads=(1, 1, 1, 1), groups=channels if depthwise else 1)
    return b.apply(op, x, filters, b.constant(out) if b.chance(50) else None)


def convolution_batch_norm(b: Builder) -> None:
    x = b.map()
    if x is None:
        return
    y = filtered(b, x)
    if b.chance(20):
        y = b.apply(ConvTranspose2d(), x, b.filters(2, x.type.shape[1], 1, 1))
    batch_norm(b, y)
    if b.chance(60):
        b.apply(b.pick((Relu(), Relu6(), Clip(0.0, 6.0), Clip(-1.0, 1.0))), b.values[-1])


def batch_norm_convolution(b: Builder) -> None:
    x = b.map()
    if x is None:
        return
    batch_norm(b, x)
    normalised, channels = b.values[-1], x.type.shape[1]
    if b.chance(50):
        b.apply(Conv2d(), normalised, b.filters(2, channels, 1, 1), b.constant(2))
    else:
        filtered(b, normalised)


def dense_batch_norm(b: Builder) -> None:
    x = b.value(lambda value: value.type.rank == 2)
    if x is None:
        return
    features = x.type.shape[1]
    bound = 2.0 / math.sqrt(features)
    b.apply(Dense(), x, b.constant(3, features, low=-bound, high=bound), b.constant(3))
    batch_norm(b, b.values[-1])


def shared_filters(b: Builder) -> None:
    """Two convolutions of one filter, one of them normalised."""
    x = b.map()
    if x is None:
        return
    filters = b.filters(2, x.type.shape[1], 1, 1)
    first, second = (b.apply(Conv2d(), x, filters) for _ in range(2))
    batch_norm(b, first)
    b.apply(Add(), b.values[-1], second)


def hard_swish(b: Builder) -> None:
    """x * clip(x + 3, 0, 6) / 6, its factors in some order."""
    x = b.value()
    if x is None:
        return
    three = b.scalar(3.0, x)
    shifted = b.apply(Add(), *((x, three) if b.chance(50) else (three, x)))
    if b.chance(30):
        gate = b.apply(Minimum(), b.apply(Relu(), shifted), b.scalar(6.0, x))
    else:
        gate = b.apply(b.pick((Relu6(), Clip(0.0, 6.0))), shifted)
    divisor = (Div(), b.scalar(6.0, x)) if b.chance(50) else (Mul(), b.scalar(1 / 6, x))
    if b.chance(50):
        gate = b.apply(divisor[0], gate, divisor[1])
        if b.chance(70):
            b.apply(Mul(), *((x, gate) if b.chance(50) else (gate, x)))
    else:
        product = b.apply(Mul(), *((x, gate) if b.chance(50) else (gate, x)))
        b.apply(divisor[0], product, divisor[1])


def smooth_activation(b: Builder) -> None:
    """A layer and an activation that some runtimes have and others must be given in parts."""
    x = b.map()
    if x is not None:
        b.apply(b.pick((HardSwish(), Silu(), Gelu(), HardSigmoid(), Tanh())), filtered(b, x))


def hard_sigmoid_gate(b: Builder) -> None:
    x = b.value()
    if x is not None:
        b.apply(Mul(), b.apply(HardSigmoid(), x), x)


def silu(b: Builder) -> None:
    x = b.value()
    if x is None:
        return
    gate = b.apply(Sigmoid(), x)
    b.apply(Mul(), *((x, gate) if b.chance(50) else (gate, x)))


def gelu(b: Builder) -> None:
    """x * 0.5 * (1 + erf(x / sqrt 2)), the half in one of two places."""
    x = b.value()
    if x is None:
        return
    root = b.apply(Div(), x, b.scalar(math.sqrt(2), x))
    gate = b.apply(Add(), b.apply(Unary(Function.ERF), root), b.scalar(1.0, x))
    if b.chance(50):
        b.apply(Mul(), b.apply(Mul(), x, gate), b.scalar(0.5, x))
    else:
        b.apply(Mul(), b.apply(Mul(), x, b.scalar(0.5, x)), gate)


def padded_window(b: Builder) -> None:
    """Padding of its own before an operator that could pad itself."""
    x = b.map()
    if x is None:
        return
    value = b.pick((0.0, 0.0, 0.0, 1.0))
    padded = b.apply(Pad((0, 0, 1, 0), (0, 0, 1, 2), value), x)
    if padded.type.shape[2] < 2 or padded.type.shape[3] < 2:
        return
    if b.chance(60):
        b.apply(Conv2d(), padded, b.filters(2, x.type.shape[1], 2, 2))
    else:
        b.apply(b.pick((AvgPool((2, 2)), MaxPool((2, 2)))), padded)


def clamp_by_constants(b: Builder) -> None:
    x = b.value()
    if x is None:
        return
    low, high = b.pick(((0.0, 6.0), (-1.0, 1.0), (0.0, 1.0)))
    if b.chance(50):
        b.apply(Minimum(), b.apply(Maximum(), x, b.scalar(low, x)), b.scalar(high, x))
    else:
        b.apply(Maximum(), b.apply(Minimum(), b.scalar(high, x), x), b.scalar(low, x))


def clamp_after_arithmetic(b: Builder) -> None:
    x = b.value()
    y = None if x is None else b.value(lambda value: value.type.shape == x.type.shape)
    if x is not None and y is not None:
        total = b.apply(b.pick((Add(), Sub(), Mul())), x, y)
        b.apply(b.pick((Relu(), Relu6(), Clip(0.0, 6.0), Clip(-1.0, 1.0))), total)
        if b.chance(30):
            b.apply(Relu(), b.values[-1])


def residual_block(b: Builder) -> None:
    x = b.map()
    if x is None:
        return
    channels = x.type.shape[1]
    widened = b.apply(Conv2d(activation=Activation.RELU6), x, b.filters(4, channels, 1, 1))
    narrowed = filtered(b, widened)
    back = b.apply(Conv2d(), narrowed, b.filters(channels, narrowed.type.shape[1], 1, 1))
    b.apply(Add(), x, back)


def squeeze_and_excite(b: Builder) -> None:
    x = b.map()
    if x is None:
        return
    channels = x.type.shape[1]
    pooled = b.apply(GlobalAvgPool() if b.chance(50) else ReduceMean((2, 3)), x)
    squeezed = b.apply(Relu(), b.apply(Conv2d(), pooled, b.filters(2, channels, 1, 1)))
    excited = b.apply(Conv2d(), squeezed, b.filters(channels, 2, 1, 1))
    b.apply(Mul(), x, b.apply(HardSigmoid() if b.chance(50) else Sigmoid(), excited))


def classifier(b: Builder) -> None:
    """Pool, flatten, multiply, add."""
    x = b.map()
    if x is None:
        return
    batch, channels = x.type.shape[:2]
    pooled = b.apply(ReduceMean((2, 3), b.chance(50)), x)
    flat = b.apply(Reshape((batch, channels)), pooled)
    product = b.apply(MatMul(), flat, b.constant(channels, 3))
    b.apply(Add(), product, b.constant(3))


def scaled_and_shifted(b: Builder) -> None:
    """A layer followed by arithmetic with one number a channel, or one for all."""
    x = b.map()
    if x is None:
        return
    y = filtered(b, x)
    shape = (y.type.shape[1], 1, 1) if b.chance(70) else ()
    y = b.apply(Mul(), y, b.constant(*shape, low=0.5, high=1.5))
    b.apply(b.pick((Add(), Sub())), y, b.constant(*shape))


def arithmetic_of_constants(b: Builder) -> None:
    """A number a channel that is itself computed from constants."""
    x = b.map()
    if x is None:
        return
    shape = (x.type.shape[1], 1, 1)
    b.apply(Mul(), x, b.apply(Add(), b.constant(*shape), b.constant(*shape)))


def channel_shuffle(b: Builder) -> None:
    x = b.map()
    if x is None or x.type.shape[1] % 2:
        return
    batch, channels, height, width = x.type.shape
    groups = b.apply(Reshape((batch, 2, channels // 2, height, width)), x)
    swapped = b.apply(Transpose((0, 2, 1, 3, 4)), groups)
    b.apply(Reshape(x.type.shape), swapped)


def focus(b: Builder) -> None:
    """Every other row and column of a map, the pieces stacked and convolved (YOLOv5, YOLOX)."""
    x = b.map()
    if x is None or min(x.type.shape[2:]) < 2:
        return
    batch, channels, height, width = x.type.shape
    height, width = height // 2 * 2, width // 2 * 2
    even = b.apply(Slice((0,) * 4, (batch, channels, height, width), (1,) * 4), x)
    pieces = [
        b.apply(Slice((0, 0, row, column), even.type.shape, (1, 1, 2, 2)), even)
        for column in range(2)
        for row in range(2)
    ]
    filtered(b, b.apply(Concat(1), *pieces))


def there_and_back(b: Builder) -> None:
    """Movements that together move nothing."""
    x = b.map()
    if x is None:
        return
    shape = x.type.shape
    match b.integer(0, 3):
        case 0:
            b.apply(Transpose((0, 3, 1, 2)), b.apply(Transpose((0, 2, 3, 1)), x))
        case 1:
            b.apply(Reshape(shape), b.apply(Reshape((shape[0], x.type.size // shape[0])), x))
        case 2:
            b.apply(Slice((0,) * 4, shape, (1,) * 4), b.apply(Pad((0,) * 4, (0,) * 4), x))
        case _:
            b.apply(Concat(1), x)


# What a pass needs and few graphs would have stands here several times.
IDIOMS: tuple[Callable[[Builder], None], ...] = (
    convolution_batch_norm,
    convolution_batch_norm,
    batch_norm_convolution,
    dense_batch_norm,
    shared_filters,
    smooth_activation,
    smooth_activation,
    hard_swish,
    hard_swish,
    hard_sigmoid_gate,
    silu,
    gelu,
    padded_window,
    padded_window,
    padded_window,
    clamp_by_constants,
    clamp_after_arithmetic,
    residual_block,
    squeeze_and_excite,
    classifier,
    scaled_and_shifted,
    scaled_and_shifted,
    arithmetic_of_constants,
    channel_shuffle,
    focus,
    focus,
    focus,
    focus,
    there_and_back,
)

"""Networks whose latency is compared, with random weights: time does not depend on their values.

MobileNetV3-large: Howard et al. 2019, table 1. FasterNet-T0: Chen et al. 2023, table 1 and the
authors' published configuration.
"""

from __future__ import annotations

import numpy as np

from fpc.ir.graph import Graph, Value
from fpc.ir.op import Op
from fpc.ir.ops import (
    Add,
    Concat,
    Conv2d,
    Gelu,
    GlobalAvgPool,
    HardSigmoid,
    HardSwish,
    Mul,
    Relu,
    Reshape,
    Split,
)
from fpc.ir.types import f32


class _Builder:
    def __init__(self, name: str, size: int) -> None:
        self.graph = Graph(name)
        self.x = self.graph.add_input("image", f32(1, 3, size, size))
        self._random = np.random.default_rng(0)

    def conv(self, x: Value, out: int, kernel: int, stride: int = 1, groups: int = 1) -> Value:
        """Convolution with He-initialised weights and a bias; padded unless it patches."""
        inputs = x.type.shape[1] // groups
        spread = (2.0 / (inputs * kernel * kernel)) ** 0.5
        shape = (out, inputs, kernel, kernel)
        weight = (self._random.standard_normal(shape) * spread).astype(np.float32)
        bias = (0.1 * self._random.standard_normal(out)).astype(np.float32)
        pad = 0 if kernel == stride else kernel // 2
        return self.graph.add(
            Conv2d(strides=(stride, stride), pads=(pad,) * 4, groups=groups),
            x,
            self.graph.constant(weight, "w"),
            self.graph.constant(bias, "b"),
        ).output

    def apply(self, op: Op, *inputs: Value) -> Value:
        """Any other operator."""
        return self.graph.add(op, *inputs).output

    def finish(self, x: Value, classes: int = 1000) -> Graph:
        """A 1 x 1 classifier and a flat result."""
        scores = self.conv(x, classes, 1)
        self.graph.set_outputs([self.apply(Reshape((1, classes)), scores)])
        return self.graph


_MOBILENET_V3_LARGE = (
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
)


def mobilenet_v3_large() -> Graph:
    """MobileNetV3-large 1.0 at 224 pixels, as trained: hard-swish and squeeze-excite spelt out."""
    b = _Builder("mobilenet_v3_large", 224)
    x = b.apply(HardSwish(), b.conv(b.x, 16, 3, 2))
    for kernel, wide, out, excite, swish, stride in _MOBILENET_V3_LARGE:
        activation: Op = HardSwish() if swish else Relu()
        y = x if wide == x.type.shape[1] else b.apply(activation, b.conv(x, wide, 1))
        y = b.apply(activation, b.conv(y, wide, kernel, stride, groups=wide))
        if excite:
            squeezed = max(8, (wide // 4 + 4) // 8 * 8)
            gate = b.apply(Relu(), b.conv(b.apply(GlobalAvgPool(), y), squeezed, 1))
            y = b.apply(Mul(), y, b.apply(HardSigmoid(), b.conv(gate, wide, 1)))
        y = b.conv(y, out, 1)
        x = b.apply(Add(), x, y) if stride == 1 and out == x.type.shape[1] else y
    x = b.apply(HardSwish(), b.conv(x, 960, 1))
    x = b.apply(HardSwish(), b.conv(b.apply(GlobalAvgPool(), x), 1280, 1))
    return b.finish(x)


def fasternet_t0() -> Graph:
    """FasterNet-T0 at 224 pixels: partial 3 x 3 convolutions on a quarter of the channels, GELU."""
    b = _Builder("fasternet_t0", 224)
    x = b.conv(b.x, 40, 4, 4)
    for stage, depth in enumerate((1, 2, 8, 2)):
        if stage:
            x = b.conv(x, 2 * x.type.shape[1], 2, 2)
        width = x.type.shape[1]
        for _ in range(depth):
            part, rest = b.graph.add(Split(1, (width // 4, width - width // 4)), x).outputs
            mixed = b.apply(Concat(1), b.conv(part, width // 4, 3), rest)
            wide = b.apply(Gelu(), b.conv(mixed, 2 * width, 1))
            x = b.apply(Add(), x, b.conv(wide, width, 1))
    x = b.apply(Gelu(), b.conv(b.apply(GlobalAvgPool(), x), 1280, 1))
    return b.finish(x)

"""Random quantised graphs of one op, and their comparison with LiteRT bit by bit."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fpc.backends.tflite.emitter import emit
from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.op import Activation
from fpc.ir.types import QuantParams, TensorType
from fpc.measure.litert.model import LiteRtModel
from tests.backends.tflite.graphs import quantised_graph, random_inputs

PRECISIONS = (DType.I8, DType.I16)
FUSED = tuple(Activation)

type_of_kernels = {"reference": Numerics.TFLITE_REFERENCE, "default": Numerics.TFLITE_XNNPACK}


class Draw:
    """Random shapes, quantisations and arrays, all from one seed."""

    def __init__(self, seed: int, dtype: DType = DType.I8, weights: DType = DType.I8) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = dtype
        self.weight_dtype = weights

    def integer(self, low: int, high: int) -> int:
        """A number from `low` to `high`, both included."""
        return int(self.rng.integers(low, high + 1))

    def pair(self, low: int, high: int) -> tuple[int, int]:
        return self.integer(low, high), self.integer(low, high)

    def choice(self, options: Sequence):
        return options[self.integer(0, len(options) - 1)]

    def factor(self, low: float, high: float) -> float:
        """A positive real, its logarithm uniform."""
        return float(math.exp(self.rng.uniform(math.log(low), math.log(high))))

    def zero_point(self, dtype: DType | None = None) -> int:
        """As often an extreme of the type as any other value; 0 in 16 bits."""
        dtype = dtype or self.dtype
        if dtype is DType.I16:
            return 0
        low, high = dtype.minimum, dtype.maximum
        return self.choice([low, high, self.integer(low, high), self.integer(low, high)])

    def quant(self, scale: float, zero_point: int | None = None) -> QuantParams:
        """Quantisation of activations: `scale` is that of an 8-bit type."""
        if self.dtype is DType.I16:
            return QuantParams.per_tensor(scale / 256)
        return QuantParams.per_tensor(
            scale, self.zero_point() if zero_point is None else zero_point
        )

    def type(
        self, shape: Sequence[int], scale: float = 0.03, zero_point: int | None = None
    ) -> TensorType:
        return TensorType(self.dtype, tuple(shape), self.quant(scale, zero_point))

    def integers(self, shape: Sequence[int], dtype: DType | None = None) -> Array:
        dtype = dtype or self.dtype
        low = -127 if dtype is DType.I8 else dtype.minimum
        return self.rng.integers(low, dtype.maximum, shape, dtype.numpy, endpoint=True)

    def weights(
        self, shape: tuple[int, ...], x: TensorType, *, per_axis: bool = True
    ) -> tuple[tuple[Array, QuantParams], tuple[Array, QuantParams], float]:
        """Filters, biases, and a scale of the result that spreads it over the 8-bit range."""
        fan_in, steps = math.prod(shape[1:]), 1 << (self.weight_dtype.bits - 8)
        scales = [self.factor(0.002, 0.02) / steps for _ in range(shape[0] if per_axis else 1)]
        quant = QuantParams.per_axis(tuple(scales), 0)
        if not per_axis:
            quant = QuantParams.per_tensor(scales[0])
        x_scale = x.quantisation.scale
        spread = 73.0 * 73.0 * math.sqrt(fan_in) * max(quant.scales) * steps * 0.03
        products = tuple(x_scale * scale for scale in quant.scales)
        bias_quant = QuantParams.per_axis(products, 0)
        if not per_axis:
            bias_quant = QuantParams.per_tensor(products[0])
        reals = self.rng.uniform(-1, 1, shape[0]) * spread
        bias_type = np.int64 if self.dtype is DType.I16 else np.int32
        bias = np.rint(reals / np.array(bias_quant.scales)).astype(bias_type)
        y_scale = spread / 64.0 * self.factor(0.5, 2.0)
        return (self.integers(shape, self.weight_dtype), quant), (bias, bias_quant), y_scale


def same_pads(
    size: tuple[int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int] = (1, 1),
) -> tuple[int, int, int, int]:
    """TensorFlow's SAME padding of a map of `size`."""
    totals = [
        max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        for n, k, s, d in zip(size, kernel, strides, dilations, strict=True)
    ]
    top, left = (total // 2 for total in totals)
    return top, left, totals[0] - top, totals[1] - left


def assert_litert_agrees(
    graph: Graph, inputs: Sequence[Array] | None = None, *, default_tolerance: int = 0
) -> None:
    """LiteRT computes what the interpreter does.

    Its reference kernels bit for bit; its default kernels within `default_tolerance` steps.
    16-bit graphs are compared with the reference kernels only.
    """
    inputs = random_inputs(graph) if inputs is None else list(inputs)
    content = emit(graph)
    for value, ours, theirs in _results(graph, content, inputs, "reference"):
        np.testing.assert_array_equal(ours, theirs, f"%{value.name}, reference kernels")
    if any(value.type.dtype is DType.I16 for value in (*graph.inputs, *graph.outputs)):
        return
    for value, ours, theirs in _results(graph, content, inputs, "default"):
        apart = np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max()
        assert apart <= default_tolerance, f"%{value.name}: {apart} steps apart"


def _results(graph: Graph, content: bytes, inputs: list[Array], kernels: str):
    theirs = LiteRtModel(content, kernels=kernels)(inputs)
    ours = run(graph, inputs, type_of_kernels[kernels])
    for value, a, b in zip(graph.outputs, ours, theirs, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        yield value, a, b


def every_integer(type: TensorType) -> Array:
    """All values of an 8-bit type, or evenly spaced ones of a 16-bit type, in its shape."""
    return (
        np.linspace(type.dtype.minimum, type.dtype.maximum, type.size)
        .astype(type.dtype.numpy)
        .reshape(type.shape)
    )


def one_op(op, operands, result: QuantParams) -> Graph:
    """`op` on inputs (types) and constants (array and quantisation)."""
    return quantised_graph(op, operands, result)

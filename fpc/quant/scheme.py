"""Quantisation schemes: which integers stand for which reals, and for which ops."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.op import Op
from fpc.ir.types import QuantParams

_SCALE_OF_ZEROS = 1.0 / 255.0


@dataclass(frozen=True)
class Scheme:
    """How a back end represents real tensors as integers.

    Activations are quantised per tensor in `activation_dtype`, around zero when `symmetric`, with
    `headroom` times the range that samples showed.
    Weights are integers of `weight_dtype` in [-`weight_limit`, `weight_limit`] with zero point 0,
    one scale an output channel except for the ops in `per_tensor_ops`. Where `summed_products` is
    given, so many products at a time must fit into an accumulator of 32 bits, and weights get as
    many bits as leave them room. A bias has `bias_dtype` and the scale input scale * weight scale,
    and one common shift leaves `bias_bits` of it, where given. With `power_of_two` every scale is
    a power of two. Only `integer_ops` have an integer form; `fixed_results` says which of them give
    results of one prescribed quantisation.
    """

    name: str
    activation_dtype: DType
    symmetric: bool
    bias_dtype: DType
    integer_ops: frozenset[type[Op]]
    fixed_results: Mapping[type[Op], QuantParams] = field(hash=False)
    weight_dtype: DType = DType.I8
    weight_limit: int = 127
    summed_products: int | None = None
    headroom: float = 1.0
    per_tensor_ops: frozenset[type[Op]] = frozenset()
    power_of_two: bool = False
    bias_bits: int | None = None

    @property
    def lowest(self) -> int:
        """The smallest integer an activation takes."""
        smallest = self.activation_dtype.minimum
        return smallest + 1 if self.symmetric else smallest

    @property
    def highest(self) -> int:
        """The greatest integer an activation takes."""
        return self.activation_dtype.maximum

    @property
    def steps(self) -> int:
        """How many steps there are between the smallest and the greatest integer."""
        return self.highest - self.lowest

    def activation_params(self, low: float, high: float) -> QuantParams:
        """The quantisation whose integers span [low, high], widened to contain zero.

        Zero is exactly representable: padding with zeros must add no error. A range that is a
        single point at zero gets an arbitrary small scale.
        """
        low, high = min(low, 0.0), max(high, 0.0)
        if self.symmetric:
            scale = _usable(max(-low, high) / self.highest)
            return QuantParams.per_tensor(self.scale_from(scale), 0)
        scale = _usable((high - low) / self.steps)
        zero_point = int(np.clip(round(self.lowest - low / scale), self.lowest, self.highest))
        return QuantParams.per_tensor(scale, zero_point)

    def scale_from(self, scale: float) -> float:
        """`scale`, or the power of two that is the next greater one."""
        return next_power_of_two(scale) if self.power_of_two else scale

    def representable(self, params: QuantParams) -> tuple[float, float]:
        """The smallest and the greatest real that `params` can express."""
        low = (self.lowest - params.zero_point) * params.scale
        return low, (self.highest - params.zero_point) * params.scale

    def restricted_to(self, ops: frozenset[type[Op]]) -> Scheme:
        """This scheme with no integer form for anything but `ops`."""
        return replace(self, integer_ops=self.integer_ops & ops)

    @property
    def has_per_tensor_convolutions(self) -> bool:
        """Whether all output channels of a convolution have one scale."""
        return ops.Conv2d in self.per_tensor_ops

    def has_per_axis_weights(self, op: Op) -> bool:
        """Whether the weights of `op` have one scale an output channel."""
        return type(op) not in self.per_tensor_ops


def next_power_of_two(number: float) -> float:
    """The smallest power of two that is at least `number` (positive)."""
    fraction, exponent = math.frexp(number)
    return math.ldexp(1.0, exponent - 1 if fraction == 0.5 else exponent)


def _usable(scale: float) -> float:
    """`scale`, unless it is zero or too small to be a normal float32."""
    smallest = float(np.finfo(np.float32).tiny)
    return scale if scale > smallest else _SCALE_OF_ZEROS


_INT8_AND_INT16_OPS: frozenset[type[Op]] = frozenset(
    {
        ops.Conv2d,
        ops.ConvTranspose2d,
        ops.Dense,
        ops.MatMul,
        ops.MaxPool,
        ops.AvgPool,
        ops.GlobalAvgPool,
        ops.ReduceMean,
        ops.Relu,
        ops.Relu6,
        ops.Clip,
        ops.LeakyRelu,
        ops.Sigmoid,
        ops.Tanh,
        ops.Softmax,
        ops.Add,
        ops.Sub,
        ops.Mul,
        ops.Maximum,
        ops.Minimum,
        ops.Concat,
        ops.Split,
        ops.Slice,
        ops.Pad,
        ops.Reshape,
        ops.Transpose,
        ops.Resize,
    }
)

TFLITE_INT8 = Scheme(
    name="tflite-int8",
    activation_dtype=DType.I8,
    symmetric=False,
    bias_dtype=DType.I32,
    integer_ops=_INT8_AND_INT16_OPS | {ops.PRelu, ops.HardSwish, ops.Gelu, ops.DepthToSpace},
    fixed_results=MappingProxyType(
        {
            ops.Sigmoid: QuantParams.per_tensor(1.0 / 256.0, -128),
            ops.Softmax: QuantParams.per_tensor(1.0 / 256.0, -128),
            ops.Tanh: QuantParams.per_tensor(1.0 / 128.0, 0),
        }
    ),
)
"""TensorFlow Lite's int8 (its "8-bit quantization specification"), weights per output channel.

`Clip`, `Relu` and `Relu6` end as saturation of somebody's result, or as a requantisation.
"""

TFLITE_INT16 = Scheme(
    name="tflite-int16x8",
    activation_dtype=DType.I16,
    symmetric=True,
    headroom=2.0,
    bias_dtype=DType.I64,
    integer_ops=_INT8_AND_INT16_OPS,
    fixed_results=MappingProxyType(
        {
            ops.Sigmoid: QuantParams.per_tensor(1.0 / 32768.0, 0),
            ops.Softmax: QuantParams.per_tensor(1.0 / 32768.0, 0),
            ops.Tanh: QuantParams.per_tensor(1.0 / 32768.0, 0),
        }
    ),
)
"""TensorFlow Lite's 16x8: symmetric int16 activations, int8 weights, int64 bias.

What samples did not show is clipped, which costs more than a step twice as wide: one of sixteen
bits is well spent on it.
"""

TVM_INT16 = replace(
    TFLITE_INT16,
    name="tvm-int16",
    weight_dtype=DType.I16,
    weight_limit=DType.I16.maximum,
    summed_products=144,
)
"""What fpc's own kernels make of 16 bits: TensorFlow Lite's 16x8 with wider weights.

The noise of int8 weights covers that of int16 activations, and processors multiply int16 by int16
anyway. 15 bits of each leave no room for a sum of products in 32 bits, so weights give up what is
too much: after a ReLU, sums of 144 products (16 channels of 3 x 3 taps) let them keep 12 bits or
more. Sums are emptied into 64 bits so often and no oftener, because that costs as much as a few
products.
"""

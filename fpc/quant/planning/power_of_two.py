"""Quantisation with scales that are powers of two, as accelerators that only shift want it.

Activations and weights are int8 around zero with one scale a tensor. The scale that spans
everything (Vitis AI calls the choice NonOverflow) can waste almost a bit; half of it clips a few
large weights and halves the rounding error of all others (MinMSE). For weights the better is taken
here; for activations the ladder tries both, as its recipes `min-max` and `mse`.

Source of the limits: Xilinx Vitis AI, vai_q_onnx (README and `refine.py`).
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from fpc.ir import ops
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.quant.scheme import Scheme, next_power_of_two

LARGEST_SHIFT = 16
"""By how many places a sum of products may be shifted to the result (`shift_cut`)."""

_CLIPPINGS = 3

POWER_OF_TWO_INT8 = Scheme(
    name="power-of-two-int8",
    activation_dtype=DType.I8,
    symmetric=True,
    bias_dtype=DType.I32,
    integer_ops=frozenset(
        {
            ops.Conv2d,
            ops.Dense,
            ops.MaxPool,
            ops.AvgPool,
            ops.GlobalAvgPool,
            ops.ReduceMean,
            ops.Relu,
            ops.Relu6,
            ops.Clip,
            ops.LeakyRelu,
            ops.HardSwish,
            ops.Add,
            ops.Mul,
            ops.Concat,
            ops.Split,
            ops.Slice,
            ops.Pad,
            ops.Reshape,
            ops.Transpose,
        }
    ),
    fixed_results=MappingProxyType({}),
    per_tensor_ops=frozenset({ops.Conv2d, ops.Dense}),
    power_of_two=True,
    bias_bits=8,
)
"""A DPU's int8: the numbers that numerics `pow2` computes with."""


def weight_scale(weight: Array, spanning: float, limit: int) -> float:
    """The power of two with the least squared error of `weight` rounded and clipped to `limit`.

    Candidates are the one that spans everything (`spanning` is the scale that just does) and the
    two below it; the greatest of equals.
    """
    greatest = next_power_of_two(spanning)
    candidates = [greatest / 2**halvings for halvings in range(_CLIPPINGS)]
    return min(candidates, key=lambda scale: _squared_error(weight, scale, limit))


def _squared_error(weight: Array, scale: float, limit: int) -> float:
    steps = np.clip(np.rint(weight / scale), -limit, limit)
    return float(np.square(weight - steps * scale, dtype=np.float64).sum())

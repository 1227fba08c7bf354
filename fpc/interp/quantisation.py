"""Changes of number representation: real to integer and back, and between integers.

XNNPACK takes these ops too, so all but `cast` depend on the numerics.
"""

from __future__ import annotations

import numpy as np

from fpc.interp.call import Array, Call
from fpc.interp.integer.fixed_point import (
    broadcast_channels,
    multiply_with_two_roundings,
    quantize_multiplier,
    round_half_away,
)
from fpc.interp.numerics import Numerics
from fpc.ir.dtype import DType
from fpc.ir.ops import Cast, Dequantize, Quantize, Requantize
from fpc.ir.types import TensorType

_FAR = 2.0**31


def cast(call: Call[Cast], x: Array) -> Array:
    """`Cast`; floats outside an integer type's range saturate."""
    target = call.op.to
    if target.is_integer and np.issubdtype(x.dtype, np.floating):
        limited = np.clip(np.trunc(x.astype(np.float64)), target.minimum, target.maximum)
        if target.bits == 64:
            limited = np.minimum(limited, np.nextafter(2.0**63, 0.0))
        return np.nan_to_num(limited).astype(target.numpy)
    return x.astype(target.numpy)


def quantize(call: Call[Quantize], x: Array) -> Array:
    """`Quantize`.

    TensorFlow Lite (`reference/quantize.h`) divides by the scale and rounds halves away from zero;
    XNNPACK multiplies by the float32 reciprocal of the scale and rounds halves to even. Infinities
    saturate and NaN is taken for 0; the reference kernel is undefined beyond 2**31 steps.
    """
    result = call.result
    scales, zero_points = _per_axis(result, x.ndim)
    if call.numerics is Numerics.TFLITE_XNNPACK:
        steps = x.astype(np.float32) * (np.float32(1) / scales)
    else:
        steps = x.astype(np.float32) / scales
    steps = np.nan_to_num(steps, posinf=_FAR, neginf=-_FAR)
    nearest = np.rint if call.numerics is Numerics.TFLITE_XNNPACK else round_half_away
    return _saturate(nearest(steps).astype(np.float64) + zero_points, result)


def dequantize(call: Call[Dequantize], x: Array) -> Array:
    """`Dequantize`: scale * (x - zero point), the product rounded to float32."""
    scales, zero_points = _per_axis(call.operand(0), x.ndim)
    return (x.astype(np.int64) - zero_points).astype(np.float32) * scales


def requantize(call: Call[Requantize], x: Array) -> Array:
    """`Requantize`."""
    return change_quantisation(x, call.operand(0), call.result, call.numerics)


def change_quantisation(
    x: Array, source: TensorType, result: TensorType, numerics: Numerics
) -> Array:
    """Integers of one quantised type expressed in another (TFLite QUANTIZE on integers).

    TensorFlow Lite (`reference/requantize.h`) multiplies in 31-bit fixed point with two roundings;
    XNNPACK (`qs8-vcvt`) in 8 fractional bits, halves up, within one 8-bit type.
    """
    centred = x.astype(np.int64) - source.quantisation.zero_point
    if numerics is Numerics.TFLITE_XNNPACK and source.dtype is result.dtype is not DType.I16:
        ratio = np.float32(source.quantisation.scale) / np.float32(result.quantisation.scale)
        factor = int(np.rint(np.float32(256) * ratio))
        steps = (centred * factor + 128) >> 8
    else:
        factor = quantize_multiplier(source.quantisation.scale / result.quantisation.scale)
        steps = multiply_with_two_roundings(centred, factor)
    return _saturate(steps + result.quantisation.zero_point, result)


def _per_axis(tensor: TensorType, rank: int) -> tuple[Array, Array]:
    quant = tensor.quantisation
    axis = 0 if quant.axis is None else quant.axis
    scales = broadcast_channels(np.array(quant.scales, np.float32), rank, axis)
    return scales, broadcast_channels(np.array(quant.zero_points, np.int64), rank, axis)


def _saturate(values: Array, tensor: TensorType) -> Array:
    limited = np.clip(values, tensor.dtype.minimum, tensor.dtype.maximum)
    return limited.astype(tensor.dtype.numpy)

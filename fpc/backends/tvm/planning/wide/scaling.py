"""The parameters of the end of kernels that sum products of int16 or float32."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fpc.backends.tvm.kernels.requantise import padded_channels
from fpc.backends.tvm.kernels.wide.scaling import Scaling
from fpc.backends.tvm.planning.fixed_point import shift_of
from fpc.backends.tvm.planning.site import SumOfProducts
from fpc.backends.tvm.planning.wide.accumulators import Accumulators
from fpc.backends.tvm.planning.wide.floating import limits
from fpc.interp.integer.fixed_point import quantize_multiplier, reduced_multiplier
from fpc.interp.integer.rescale import activation_range, effective_scales
from fpc.interp.numerics import Numerics
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.ops import Dense

_HALF_BITS = 16
_GREATEST_ADDEND = (1 << 30) - (1 << 15)
"""What can be added to the upper half of a product, itself less than 2**30, and to a carry."""


class Ending(NamedTuple):
    """How sums are scaled, and the parameters of the kernels' `Finish`."""

    scaling: Scaling
    parameters: tuple[Array, ...]


def ending_of(site: SumOfProducts, accumulators: Accumulators, lanes: int) -> Ending:
    """The end of a layer whose sums are in `accumulators`; channels fill whole vectors."""
    given, result = site.node.optional_input(2), site.node.output.type
    is_float = accumulators.sums is DType.F32
    kind = DType.F32 if is_float else DType.I64
    bias = np.zeros(site.type(1).shape[0], kind.numpy) if given is None else given.data
    if is_float:
        return Ending(Scaling.NONE, (limits(site.op.activation), padded_channels(bias, lanes)))
    span = activation_range(result, site.op.activation, Numerics.TFLITE_XNNPACK)
    quants = site.type().quantisation, site.type(1).quantisation, result.quantisation
    factors = np.broadcast_to(effective_scales(*quants), bias.shape)
    if isinstance(site.op, Dense):
        scaling, numbers = Scaling.REAL, (bias, factors.astype(np.float64).view(np.int64))
    else:
        scaling, numbers = _fixed_point(site, accumulators, factors, bias)
    padded = (padded_channels(array, lanes) for array in numbers)
    return Ending(scaling, (np.array(span, scaling.sums.numpy), *padded))


def _fixed_point(
    site: SumOfProducts, accumulators: Accumulators, factors: Array, bias: Array
) -> tuple[Scaling, tuple[Array, Array]]:
    multiplier = quantize_multiplier(factors)
    shift = shift_of(site, multiplier)
    reduced = reduced_multiplier(multiplier)
    shift = np.where(reduced == 0, _HALF_BITS, shift)
    addend = bias * reduced + (np.int64(1) << (shift - 1))
    upper, lower = addend >> _HALF_BITS, addend & ((1 << _HALF_BITS) - 1)
    if (
        accumulators == (DType.I32, 1)
        and int(shift.min(initial=_HALF_BITS)) >= _HALF_BITS
        and int(np.abs(upper).max(initial=0)) <= _GREATEST_ADDEND
    ):
        halves = np.stack([lower, upper, shift - _HALF_BITS]).astype(np.int32)
        return Scaling.FIXED_POINT_IN_HALVES, (reduced.astype(np.int16), halves)
    return Scaling.FIXED_POINT, (reduced.astype(np.int32), np.stack([addend, shift]))

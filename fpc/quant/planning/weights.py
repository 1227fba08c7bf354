"""Weights and biases as integers that no accumulator overflows on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.types import QuantParams
from fpc.quant.analysis.accumulators import Span, greatest_sums_of_parts, part_width
from fpc.quant.planning.power_of_two import LARGEST_SHIFT, weight_scale
from fpc.quant.scheme import Scheme, next_power_of_two

FloatArray = NDArray[np.floating[Any]]

_BIAS_LIMIT = float(1 << 30)
_ACCUMULATOR_LIMIT = float((1 << 31) - (1 << 24))
_SMALLEST_MULTIPLIER = 2.0**-24
"""A channel whose products count less than this in the result's steps has none that matter."""

_TYPICAL_OPERAND = 64.0


@dataclass(frozen=True)
class WeightScales:
    """The parameters of a weight, and the output channels that overflow made noticeably coarser."""

    params: QuantParams
    coarser: tuple[int, ...] = ()


def weight_params(weight: FloatArray, scheme: Scheme, *, per_axis: bool = True) -> QuantParams:
    """Symmetric parameters that span `weight` ([out channels, ...]), by output channel (axis 0).

    A channel of zeros takes the greatest scale of the others, so that its bias keeps a sound one.
    """
    scales = _spanning_scales(weight, scheme)
    if not per_axis:
        return QuantParams.per_tensor(_one_scale(weight, scales, scheme), 0)
    return QuantParams.per_axis(tuple(scales.tolist()), axis=0)


def guarded_weight_params(
    weight: FloatArray,
    bias: FloatArray | None,
    x: QuantParams,
    result: QuantParams,
    scheme: Scheme,
    *,
    span: Span | None = None,
    per_axis: bool = True,
) -> WeightScales:
    """`weight_params`, with scales raised where integers would overflow or the multiplier vanish.

    x and result are the parameters of the operand and of the result; `span` is what the operand's
    integers can be, None for all of the scheme's. With int32 biases the bias stays within 2^30 and
    the sum of all products and the bias within 2^31 for any operand. A channel counts as coarser
    where its rounding may then move the result by a quarter of a step: those of nearly dead
    channels never do. With `summed_products` that many products stay within 2^31.
    """
    channels = len(weight)
    scales = _spanning_scales(weight, scheme)
    if scheme.summed_products is not None:
        span = span or Span(scheme.activation_dtype.minimum, scheme.activation_dtype.maximum)
        scales = np.maximum(scales, _summable_scales(weight, span, scheme.summed_products))
    smallest = 2.0**-LARGEST_SHIFT if scheme.power_of_two else _SMALLEST_MULTIPLIER
    least = np.full(channels, smallest * result.scale / x.scale)
    if scheme.bias_dtype is DType.I32:
        magnitudes = np.abs(weight.reshape(channels, -1)).sum(axis=1, dtype=np.float64)
        offset = np.zeros(channels) if bias is None else np.abs(bias.astype(np.float64))
        reach = max(scheme.highest - x.zero_point, x.zero_point - scheme.lowest)
        sums = magnitudes * reach + offset / x.scale
        least = np.maximum(least, offset / x.scale / _BIAS_LIMIT)
        least = np.maximum(least, sums / _ACCUMULATOR_LIMIT)
    rounding = least * x.scale / result.scale * weight[0].size * _TYPICAL_OPERAND / 2
    coarser = tuple(int(c) for c in np.flatnonzero((least > scales) & (rounding > 0.25)))
    if not per_axis:
        scale = max(_one_scale(weight, scales, scheme), scheme.scale_from(float(least.max())))
        return WeightScales(QuantParams.per_tensor(scale, 0), coarser)
    scales = np.maximum(scales, least)
    return WeightScales(QuantParams.per_axis(tuple(scales.tolist()), axis=0), coarser)


def quantise_weight(weight: FloatArray, params: QuantParams, scheme: Scheme) -> Array:
    """`weight` rounded to the nearest integers of `params`, halves to even, saturated."""
    steps = weight / channel_scales(params, weight.ndim).astype(weight.dtype)
    np.rint(steps, out=steps)
    limited = np.clip(steps, -scheme.weight_limit, scheme.weight_limit, out=steps)
    return limited.astype(scheme.weight_dtype.numpy)


def quantise_bias(
    bias: FloatArray, x: QuantParams, weight: QuantParams, dtype: DType, bits: int | None = None
) -> tuple[NDArray[Any], QuantParams]:
    """`bias` ([out channels]) as accumulator integers of scale x.scale * weight.scale[channel].

    Rounded to nearest, saturated at the limits of `dtype`. With `bits`, to integers of that many
    bits, all of them shifted to the left by as much as the greatest needs.
    """
    scales = np.broadcast_to(np.array(weight.scales) * x.scale, bias.shape)
    params = QuantParams.per_axis(tuple(scales.tolist()), axis=0)
    if weight.axis is None:
        params = QuantParams.per_tensor(weight.scale * x.scale)
    steps = bias.astype(np.float64) / np.array(params.scales)
    reach = float(np.abs(steps).max(initial=0.0))
    unit = 1.0
    if bits is not None and reach > 0.0:
        unit = max(1.0, next_power_of_two(reach / (2 ** (bits - 1) - 1)))
    steps = np.rint(steps / unit) * unit
    highest = np.nextafter(float(dtype.maximum), 0.0) if dtype is DType.I64 else dtype.maximum
    return np.clip(steps, dtype.minimum, highest).astype(dtype.numpy), params


def quantise_activation(array: FloatArray, params: QuantParams, dtype: DType) -> NDArray[Any]:
    """A constant operand of an elementwise op in per-tensor `params`, rounded to nearest."""
    steps = np.rint(array.astype(np.float64) / params.scale) + params.zero_point
    return np.clip(steps, dtype.minimum, dtype.maximum).astype(dtype.numpy)


def channel_scales(params: QuantParams, rank: int) -> NDArray[np.float64]:
    """The scales shaped to broadcast over a weight of `rank` with output channels first."""
    return np.array(params.scales).reshape(-1, *(1,) * (rank - 1))


def _one_scale(weight: FloatArray, spanning: NDArray[np.float64], scheme: Scheme) -> float:
    """The scale of a whole weight whose channels are spanned by the scales `spanning`."""
    greatest = float(spanning.max())
    if not scheme.power_of_two:
        return greatest
    return weight_scale(weight, greatest, scheme.weight_limit)


def _summable_scales(weight: FloatArray, span: Span, products: int) -> NDArray[np.float64]:
    """The least scales with which 32 bits hold the sums of `products` products, by channel."""
    terms = weight.reshape(len(weight), weight.shape[1], -1)
    width = part_width(*terms.shape[1:], products)
    return greatest_sums_of_parts(terms, span, width) / _ACCUMULATOR_LIMIT


def _spanning_scales(weight: FloatArray, scheme: Scheme) -> NDArray[np.float64]:
    rows = weight.reshape(len(weight), -1)
    reach = np.maximum(rows.max(axis=1, initial=0.0), -rows.min(axis=1, initial=0.0))
    scales = reach.astype(np.float64) / scheme.weight_limit
    usable = scales > np.finfo(np.float32).tiny
    return np.where(usable, scales, scales.max() if usable.any() else 1.0 / scheme.weight_limit)

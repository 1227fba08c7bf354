"""How kernels of convolutions and dense layers end."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fpc.backends.tvm.assembler import Stored
from fpc.backends.tvm.kernels.requantise import (
    limits_of,
    may_be_rectified,
    padded_channels,
    rectifying,
    saturates,
)
from fpc.backends.tvm.planning.elementwise import fused_sum_numbers
from fpc.backends.tvm.planning.site import FusedSum, Site, SumOfProducts
from fpc.interp.integer.rescale import effective_scales_float32
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.quant.analysis.accumulators import Span, extreme_sums

_LARGEST_BYTE = 255


@dataclass(frozen=True)
class Requantisation:
    """An epilogue's parameters, how they let it clamp, and what is added to the result."""

    parameters: tuple[Array, ...]
    saturates: bool
    rectifies: bool = False
    residual: Stored | None = None


def requantisation(site: SumOfProducts, weights: Array, lanes: int) -> Requantisation:
    """The end of sums with `weights` [unit, ...], for whole vectors of units."""
    sums = _sums(site, weights)
    if site.fused is not None:
        return _added(site, site.fused, sums, lanes)
    zero_point, low, high, _ = sums.limits.tolist()
    bias, scales = sums.parameters(lanes)
    ends = saturates(site.isa, site.result, (zero_point, low, high), sums.loudest)
    if ends and may_be_rectified(site.isa, site.result, zero_point, sums.span):
        parameters = (*rectifying(bias, scales), sums.limits)
        return Requantisation(parameters, saturates=True, rectifies=True)
    return Requantisation((bias, scales, sums.limits), ends)


def _added(site: SumOfProducts, fused: FusedSum, sums: _Sums, lanes: int) -> Requantisation:
    """The end of sums that are an operand of another one.

    Where that saturates, its zero point is in the addend.
    """
    numbers = fused_sum_numbers(Site(fused.node, site.assembler), fused.own)
    left, right, addend, shift, low, high, zero_point = numbers.tolist()
    greatest = _LARGEST_BYTE * (abs(left) + abs(right))
    loudest = max(sums.loudest, math.ldexp(greatest, -shift))
    ends = saturates(site.isa, site.result, (zero_point, low, high), loudest)
    if ends := ends and greatest + ((_LARGEST_BYTE + 1) << shift) <= DType.I32.maximum:
        numbers[2:] = addend + (zero_point << shift), shift, low + zero_point, high + zero_point, 0
    return Requantisation(
        (*sums.parameters(lanes), sums.limits, numbers),
        ends,
        residual=site.assembler.operand(fused.residual),
    )


@dataclass(frozen=True)
class _Sums:
    """Sums of one layer: what they start from, what scales them, their limits and extremes."""

    bias: Array
    scales: Array
    limits: Array
    least: Array
    greatest: Array

    @property
    def span(self) -> tuple[float, float]:
        """The least and the greatest of all units."""
        return float(self.least.min(initial=0.0)), float(self.greatest.max(initial=0.0))

    @property
    def loudest(self) -> float:
        """The greatest magnitude of a scaled sum."""
        return float((np.maximum(self.greatest, -self.least) * self.scales).max(initial=0.0))

    def parameters(self, lanes: int) -> tuple[Array, Array]:
        """Bias and scales of whole vectors of units."""
        return padded_channels(self.bias, lanes), padded_channels(self.scales, lanes)


def _sums(site: SumOfProducts, weights: Array) -> _Sums:
    """What operands are offset by is in the bias."""
    x, w, result = site.type(), site.type(1), site.node.output.type
    zero_point, bias = x.quantisation.zero_point, site.node.optional_input(2)
    held = zero_point + site.isa.offset
    rows = weights.reshape(weights.shape[0], -1).astype(np.int64)
    given = np.zeros(len(rows), np.int64) if bias is None else bias.data.astype(np.int64)
    scales = effective_scales_float32(x.quantisation, w.quantisation, result.quantisation)
    span = Span(x.dtype.minimum - zero_point, x.dtype.maximum - zero_point)
    least, greatest = extreme_sums(rows, span)
    return _Sums(
        bias=(given - held * rows.sum(axis=1)).astype(np.int32),
        scales=np.broadcast_to(scales, given.shape),
        limits=limits_of(result, site.op.activation, site.result, held),
        least=given + least,
        greatest=given + greatest,
    )

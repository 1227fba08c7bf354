"""What holds the sums of a layer of int16, and in how many parts they are taken."""

from __future__ import annotations

from typing import NamedTuple

from fpc.backends.tvm.buffer import round_up
from fpc.backends.tvm.kernels.wide.convolution import wide_dot
from fpc.backends.tvm.planning.site import SumOfProducts
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.quant.analysis.accumulators import greatest_sums_of_parts, span_of

_MOST_PARTS = 64
_GREATEST = DType.I32.maximum - (1 << 15)
"""Sums up to it can be rounded to multiples of 2**16 in 32 bits."""


class Accumulators(NamedTuple):
    """The type in which products are summed, and in how many parts of the input channels."""

    sums: DType
    parts: int = 1


def accumulators_of(site: SumOfProducts, weights: Array) -> Accumulators:
    """What holds every sum with weights [unit, tap, channel]: int32 in as few parts as will do.

    The weights' own sums decide, whatever made them: int64 where the parts would be too many.
    """
    if site.type().dtype is DType.F32:
        return Accumulators(DType.F32)
    span, by_channel = span_of(site.node.input(0), DType.I16), weights.swapaxes(1, 2)
    terms = round_up(weights.shape[2], site.isa.lanes)
    steps = terms // wide_dot(site.isa, DType.I32).depth
    for parts in (number for number in range(1, _MOST_PARTS + 1) if steps % number == 0):
        greatest = greatest_sums_of_parts(by_channel, span, terms // parts)
        if greatest.max(initial=0) <= _GREATEST:
            return Accumulators(DType.I32, parts)
    return Accumulators(DType.I64)

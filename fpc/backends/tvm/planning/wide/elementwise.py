"""Sums and products of two int16 tensors."""

from __future__ import annotations

from functools import partial

import numpy as np

from fpc.backends.tvm.kernels.wide.elementwise import WideProduct, WideSum
from fpc.backends.tvm.kernels.wide.fixed_point import factor_of, small_factor_of
from fpc.backends.tvm.planning.elementwise import emit_elementwise
from fpc.backends.tvm.planning.site import Site
from fpc.interp.integer.elementwise import product_scale, reference_sum_factors
from fpc.interp.integer.fixed_point import quantize_multiplier
from fpc.interp.integer.rescale import activation_range
from fpc.interp.numerics import Numerics
from fpc.ir.constant import Array
from fpc.ir.ops import Add, Mul, Sub


def add(site: Site[Add]) -> None:
    """`Add`."""
    _signed_sum(site, subtracts=False)


def sub(site: Site[Sub]) -> None:
    """`Sub`."""
    _signed_sum(site, subtracts=True)


def _signed_sum(site: Site[Add] | Site[Sub], *, subtracts: bool) -> None:
    site.require_integers()
    emit_elementwise(site, partial(WideSum, subtracts=subtracts), int16_sum_numbers(site))


def int16_sum_numbers(site: Site[Add] | Site[Sub], first: int = 0) -> list[Array]:
    """The parameters `INT16_SUM` of a sum whose operand `first` comes first."""
    quants = site.type(0).quantisation, site.type(1).quantisation
    _, *operands, whole = reference_sum_factors(*quants, site.node.output.type)
    if int(whole.exponent) > 0:
        raise site.unsupported(
            "its operands' scales are more than 2**14 times its result's",
            "calibrate with samples that are typical of the model's inputs",
        )
    factors = operands[first], operands[1 - first], whole
    return [_limits(site).astype(np.int32), *map(small_factor_of, factors)]


def mul(site: Site[Mul]) -> None:
    """`Mul`."""
    site.require_integers()
    types = site.type(0), site.type(1), site.node.output.type
    factor = quantize_multiplier(float(product_scale(*(each.quantisation for each in types))))
    emit_elementwise(site, WideProduct, [_limits(site), factor_of(factor)])


def _limits(site: Site[Add] | Site[Sub] | Site[Mul]) -> Array:
    span = activation_range(site.node.output.type, site.op.activation, Numerics.TFLITE_XNNPACK)
    return np.array(span, np.int64)

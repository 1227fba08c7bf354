"""Sums, products and extremes of two tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np

from fpc.backends.tvm.buffer import Buffer
from fpc.backends.tvm.kernels.elementwise import Extreme, Product, Sum
from fpc.backends.tvm.kernels.table import AnyKernel
from fpc.backends.tvm.planning.site import Site
from fpc.interp.integer.elementwise import product_scale, xnnpack_sum_factors
from fpc.interp.integer.rescale import activation_range
from fpc.interp.numerics import Numerics
from fpc.ir.constant import Array
from fpc.ir.op import Op
from fpc.ir.ops import Add, Maximum, Minimum, Mul, Sub
from fpc.ir.types import QuantParams

ElementwiseFamily: TypeAlias = Callable[
    [Buffer, Buffer, Buffer, tuple[int, ...], tuple[tuple[int, ...], tuple[int, ...]]], AnyKernel
]
"""A kernel for the storage of operands and result, the result's shape and the operands'."""

_LARGEST_SHIFT = 30


def add(site: Site[Add]) -> None:
    """`Add`."""
    _signed_sum(site, 1)


def sub(site: Site[Sub]) -> None:
    """`Sub`."""
    _signed_sum(site, -1)


def mul(site: Site[Mul]) -> None:
    """`Mul`."""
    site.require_int8()
    a, b = (_as_stored(site, index) for index in (0, 1))
    scale = product_scale(a, b, site.node.output.type.quantisation)
    integers = np.array((a.zero_point, b.zero_point, *_limits(site)), np.int32)
    emit_elementwise(site, Product, [np.array([scale], np.float32), integers])


def _signed_sum(site: Site[Add] | Site[Sub], sign: int) -> None:
    site.require_int8()
    a, b = (_as_stored(site, index) for index in (0, 1))
    emit_elementwise(site, Sum, [_sum_numbers(site, a, b, sign)])


def fused_sum_numbers(site: Site[Add], own: int) -> Array:
    """The parameter `SUM` of a sum with its operand `own`, which comes less its zero point."""
    a, b = replace(site.type(own).quantisation, zero_points=(0,)), _as_stored(site, 1 - own)
    return _sum_numbers(site, a, b)


def _sum_numbers(
    site: Site[Add] | Site[Sub], a: QuantParams, b: QuantParams, sign: int = 1
) -> Array:
    """The parameter `SUM` of a + sign * b."""
    factors = xnnpack_sum_factors(a, b, site.node.output.type.quantisation, sign)
    if factors.shift > _LARGEST_SHIFT:
        raise site.unsupported(
            "its operands' scales are less than a thousandth of its result's",
            "calibrate with samples on which the branches carry comparable values",
        )
    return np.array((*factors, *_limits(site)), np.int32)


def emit_elementwise(
    site: Site[Op], family: ElementwiseFamily, parameters: Sequence[Array] = ()
) -> None:
    """Let the result be a function of the elements of both operands."""
    a, b = site.operand(0), site.operand(1)
    shapes = site.type(0).shape, site.type(1).shape
    kernel = family(a.buffer, b.buffer, site.result, site.node.output.type.shape, shapes)
    site.emit(kernel, [a, b], parameters)


def _as_stored(site: Site[Add] | Site[Sub] | Site[Mul], index: int) -> QuantParams:
    """The quantisation of an operand as its stored elements have it."""
    quant = site.type(index).quantisation
    return replace(quant, zero_points=(quant.zero_point + site.isa.offset,))


def _limits(site: Site[Add] | Site[Sub] | Site[Mul]) -> tuple[int, int, int]:
    """Least and greatest integer less the zero point; the zero point as stored."""
    result = site.node.output.type
    span = activation_range(result, site.op.activation, Numerics.TFLITE_XNNPACK)
    zero_point = result.quantisation.zero_point
    return span.minimum - zero_point, span.maximum - zero_point, zero_point + site.isa.offset


def maximum(site: Site[Maximum]) -> None:
    """`Maximum`."""
    _extreme(site, greater=True)


def minimum(site: Site[Minimum]) -> None:
    """`Minimum`."""
    _extreme(site, greater=False)


def _extreme(site: Site[Maximum] | Site[Minimum], *, greater: bool) -> None:
    site.require_integers()
    emit_elementwise(site, partial(Extreme, greater=greater))

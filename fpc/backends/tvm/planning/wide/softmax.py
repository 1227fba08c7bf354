"""Softmax of int16 and float32."""

from __future__ import annotations

from fpc.backends.tvm.assembler import Stored
from fpc.backends.tvm.kernels.wide.fixed_point import factor_of
from fpc.backends.tvm.kernels.wide.softmax import FloatSoftmax, WideSoftmax
from fpc.backends.tvm.planning.site import Site
from fpc.backends.tvm.planning.softmax import over_last_axis
from fpc.interp.integer.softmax import difference_multiplier, exp_table, reciprocal_table
from fpc.ir.dtype import DType
from fpc.ir.ops import Softmax


def softmax(site: Site[Softmax]) -> None:
    """`Softmax`."""
    is_float = site.type().dtype is DType.F32
    if not is_float:
        site.require_integers()

    def of_rows(x: Stored) -> Stored:
        if is_float:
            return site.assembler.call(FloatSoftmax(x.buffer, x.buffer), [x])
        factor = factor_of(difference_multiplier(site.type().quantisation))
        numbers = factor, exp_table(), reciprocal_table()
        return site.assembler.call(WideSoftmax(x.buffer, x.buffer), [x], numbers)

    over_last_axis(site, of_rows)

"""Softmax of rows of int16 and of float32."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Buffer, Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.kernel import OneOperand
from fpc.backends.tvm.kernels.wide.fixed_point import FACTOR, scaled
from fpc.backends.tvm.library import Expression, Library, Schedule, Tensor
from fpc.ir.dtype import DType

TABLE = Parameter(DType.I64, (513,))
"""A function over int16: its upper 9 bits the index, the lower 7 interpolated."""


@dataclass(frozen=True)
class FloatSoftmax(OneOperand):
    """Exponentials of the elements less their row's greatest, in shares of their sum."""

    family: Literal["float_softmax"] = field(default="float_softmax", kw_only=True)

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, as they are."""
        del isa
        x = library.placeholder(self.operand, "x")
        greatest = _greatest_of_rows(library, self.operand, x)

        def exponential(row: Expression, column: Expression) -> Expression:
            return library.real_function("exp", x[row, column] - greatest[row])

        exponentials = library.compute(self.operand.shape, exponential, "exponentials")
        total = _sums_of_rows(library, self.operand, exponentials)

        def share(row: Expression, column: Expression) -> Expression:
            return exponentials[row, column] / total[row]

        return library.schedule([x, library.compute(self.stored.shape, share, "result")])


@dataclass(frozen=True)
class WideSoftmax(OneOperand):
    """The same of int16 by tables: see `fpc.interp.integer.softmax`.

    Parameters: the factor of differences, and the tables of exp and of 1 / (1 + x).
    """

    family: Literal["wide_softmax"] = field(default="wide_softmax", kw_only=True)

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, as they are."""
        del isa
        x = library.placeholder(self.operand, "x")
        factor = library.parameter(FACTOR, "factor")
        exp, reciprocal = (library.parameter(TABLE, name) for name in ("exp", "reciprocal"))
        greatest = _greatest_of_rows(library, self.operand, x)

        def exponential(row: Expression, column: Expression) -> Expression:
            here, best = (library.cast(n, DType.I64) for n in (x[row, column], greatest[row]))
            return _interpolated(library, exp, scaled(library, here - best, factor) + 32767)

        exponentials = library.compute(self.operand.shape, exponential, "exponentials")
        total = _sums_of_rows(library, self.operand, exponentials)

        def headroom(row: Expression) -> Expression:
            """Leading zeros of the sum as an unsigned int32."""
            return library.leading_zeros(total[row]) - 32

        def inverse(row: Expression) -> Expression:
            shifted = ((total[row] << (headroom(row) - 1)) + (1 << 13)) >> _wide(library, 14)
            return _interpolated(library, reciprocal, shifted - ((1 << 15) + (1 << 16)))

        inverses = library.compute(total.shape, inverse, "inverses")

        def share(row: Expression, column: Expression) -> Expression:
            shift = 31 - headroom(row)
            half = _wide(library, 1) << (shift - 1)
            steps = (exponentials[row, column] * inverses[row] + half) >> shift
            limited = library.minimum(
                library.maximum(steps, _wide(library, 0)), _wide(library, 32767)
            )
            return library.cast(limited, self.stored.dtype)

        result = library.compute(self.stored.shape, share, "result")
        return library.schedule([x, factor, exp, reciprocal, result])


def _greatest_of_rows(library: Library, stored: Buffer, x: Tensor) -> Tensor:
    i = library.reduce_axis(stored.width, "i")

    def greatest(row: Expression) -> Expression:
        return library.greatest(x[row, i], (i,))

    return library.compute((stored.rows,), greatest, "greatest")


def _sums_of_rows(library: Library, stored: Buffer, x: Tensor) -> Tensor:
    i = library.reduce_axis(stored.width, "j")

    def total(row: Expression) -> Expression:
        return library.sum(x[row, i], (i,))

    return library.compute((stored.rows,), total, "total")


def _interpolated(library: Library, table: Tensor, x: Expression) -> Expression:
    """A table's value at an int64, which saturates to int16."""
    least, greatest = (_wide(library, bound) for bound in (DType.I16.minimum, DType.I16.maximum))
    at = library.minimum(library.maximum(x, least), greatest)
    seven = _wide(library, 7)
    index = library.i32((at >> seven) + 256)
    low = table[index]
    return low + (((table[index + 1] - low) * (at & 0x7F) + 64) >> seven)


def _wide(library: Library, value: int) -> Expression:
    return library.constant(value, DType.I64)

"""Products of two computed matrices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.broadcast import operand_index
from fpc.backends.tvm.kernels.kernel import TwoOperands
from fpc.backends.tvm.kernels.loops import sum_rows_in_vectors
from fpc.backends.tvm.kernels.wide.fixed_point import FACTOR, scaled
from fpc.backends.tvm.library import Expression, Library, Schedule, Tensor
from fpc.ir.dtype import DType

NUMBERS = Parameter(DType.I64, (5,))
"""Zero points of the operands as stored; least and greatest integer less the result's zero point,
and that as stored."""
ONE_SHIFT = Parameter(DType.I64, (3,))
"""A factor of 16 significant bits: the integer, the addend that rounds halves up, the shift."""


@dataclass(frozen=True)
class MatrixProduct(TwoOperands):
    """[..., rows, depth] x [..., depth, columns], leading axes broadcast as numpy does.

    `shapes` are the operands'. Floats have no parameters. Integers have `NUMBERS`, and a factor:
    `FACTOR` for 8 bits, rounded twice, `ONE_SHIFT` for 16.
    """

    family: Literal["matrix_product"] = field(default="matrix_product", kw_only=True)

    shapes: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def rounds_twice(self) -> bool:
        """Whether the factor is a `FACTOR`."""
        return self.stored.dtype in (DType.I8, DType.U8)

    @property
    def sums(self) -> DType:
        """The type of sums; 8-bit ones of fewer than 33025 products fit into int32."""
        if self.stored.dtype is DType.F32:
            return DType.F32
        return DType.I32 if self.rounds_twice else DType.I64

    @property
    def products(self) -> int:
        """Those of rows by columns."""
        return self.stored.rows * self.stored.width * self.shapes[0][-1]

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        (*batch_a, rows, depth), (*batch_b, _, _) = self.shapes
        a, b = library.placeholder(self.left, "a"), library.placeholder(self.right, "b")
        parameters = self._parameters(library)
        k = library.reduce_axis(depth, "k")
        batches = self._batches()

        def total(row: Expression, column: Expression) -> Expression:
            batch, i = (row // rows, row % rows) if batches else (0, row)
            at_a, at_b = (_batch_of(batches, of, batch) for of in (batch_a, batch_b))
            left, right = a[at_a * rows + i, k], b[at_b * depth + k, column]
            factors = [library.cast(value, self.sums) for value in (left, right)]
            if parameters:
                zeros = (library.cast(parameters[0][index], self.sums) for index in (0, 1))
                factors = [x - zero for x, zero in zip(factors, zeros, strict=True)]
            return library.sum(factors[0] * factors[1], (k,))

        totals = library.compute(self.stored.shape, total, "totals")

        def element(row: Expression, column: Expression) -> Expression:
            return self._finished(library, totals[row, column], parameters)

        result = library.compute(self.stored.shape, element, "result")
        schedule = library.schedule([a, b, *parameters, result])
        sum_rows_in_vectors(schedule, isa.lanes)
        return schedule

    def _batches(self) -> tuple[int, ...]:
        """The leading axes of the result."""
        a, b = (shape[:-2] for shape in self.shapes)
        rank = max(len(a), len(b))
        wide = [(1,) * (rank - len(of)) + of for of in (a, b)]
        return tuple(max(pair) for pair in zip(*wide, strict=True))

    def _parameters(self, library: Library) -> tuple[Tensor, ...]:
        if self.stored.dtype is DType.F32:
            return ()
        factor = FACTOR if self.rounds_twice else ONE_SHIFT
        return library.parameter(NUMBERS, "numbers"), library.parameter(factor, "factor")

    def _finished(
        self, library: Library, total: Expression, parameters: tuple[Tensor, ...]
    ) -> Expression:
        if not parameters:
            return total
        numbers, factor = parameters
        wide = library.cast(total, DType.I64)
        if self.rounds_twice:
            steps = scaled(library, wide, factor)
        else:
            steps = (wide * factor[0] + factor[1]) >> factor[2]
        limited = library.clamped(steps, numbers[2], numbers[3])
        return library.cast(limited + numbers[4], self.stored.dtype)


def _batch_of(batches: tuple[int, ...], of_operand: list[int], batch: Expression) -> Expression:
    """The matrix of an operand for that of the result."""
    at, _ = operand_index((*batches, 1), (*of_operand, 1), batch, 0)
    return at

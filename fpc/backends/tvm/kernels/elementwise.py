"""Quantised functions of two tensors, clamped."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.broadcast import operand_index
from fpc.backends.tvm.kernels.kernel import TwoOperands
from fpc.backends.tvm.kernels.loops import vectorise_rows
from fpc.backends.tvm.library import Expression, Library, Schedule, Tensor
from fpc.ir.dtype import DType

SUM = (Parameter(DType.I32, (7,)),)
"""Factors of the operands, addend, shift; least and greatest integer and offset of the result."""
PRODUCT = (Parameter(DType.F32, (1,)), Parameter(DType.I32, (5,)))
"""The scale; zero points of the operands, least and greatest integer and offset of the result."""


@dataclass(frozen=True)
class Elementwise(TwoOperands):
    """A function of the stored elements of two tensors.

    `shape` is the result's, `shapes` are the operands', which broadcast to it.
    """

    shape: tuple[int, ...]
    shapes: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def computed(self) -> DType:
        """The type in which `element` takes operands."""
        return DType.I32

    @property
    @abstractmethod
    def parameters(self) -> tuple[Parameter, ...]:
        """The numbers that the function is given besides."""

    @abstractmethod
    def element(
        self, library: Library, a: Expression, b: Expression, numbers: tuple[Tensor, ...]
    ) -> Expression:
        """The result for stored elements, in the type `computed`."""

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        a, b = library.placeholder(self.left, "a"), library.placeholder(self.right, "b")
        numbers = tuple(
            library.parameter(parameter, f"numbers{index}")
            for index, parameter in enumerate(self.parameters)
        )

        def element(row: Expression, column: Expression) -> Expression:
            first, second = (
                library.cast(x[operand_index(self.shape, shape, row, column)], self.computed)
                for x, shape in zip((a, b), self.shapes, strict=True)
            )
            return library.cast(self.element(library, first, second, numbers), self.stored.dtype)

        result = library.compute(self.stored.shape, element, "result")
        schedule = library.schedule([a, b, *numbers, result])
        vectorise_rows(schedule, "result", isa.lanes * DType.I32.bits // self.computed.bits)
        return schedule


@dataclass(frozen=True)
class Sum(Elementwise):
    """`(a * factor + b * factor + addend) >> shift` in int32, clamped."""

    family: Literal["sum"] = field(default="sum", kw_only=True)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """See `SUM`."""
        return SUM

    def element(
        self, library: Library, a: Expression, b: Expression, numbers: tuple[Tensor, ...]
    ) -> Expression:
        """The clamped sum."""
        least, greatest, offset = (numbers[0][i] for i in range(4, 7))
        total = scaled_sum(a, b, numbers[0])
        return library.minimum(library.maximum(total, least), greatest) + offset


def scaled_sum(a: Expression, b: Expression, numbers: Tensor) -> Expression:
    """The sum of two int32 in steps of the result, by the parameter `SUM`."""
    left, right, addend, shift = (numbers[i] for i in range(4))
    return (a * left + b * right + addend) >> shift


@dataclass(frozen=True)
class Product(Elementwise):
    """The product of the integers scaled in float32, clamped, rounded, halves to even."""

    family: Literal["product"] = field(default="product", kw_only=True)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """See `PRODUCT`."""
        return PRODUCT

    def element(
        self, library: Library, a: Expression, b: Expression, numbers: tuple[Tensor, ...]
    ) -> Expression:
        """The clamped product."""
        scale, integers = numbers
        zero_a, zero_b, least, greatest, offset = (integers[i] for i in range(5))
        real = library.cast((a - zero_a) * (b - zero_b), DType.F32) * scale[0]
        low, high = library.cast(least, DType.F32), library.cast(greatest, DType.F32)
        return library.nearest(library.clamped(real, low, high)) + offset


@dataclass(frozen=True)
class Extreme(Elementwise):
    """The greater or the lesser of two elements that are stored alike."""

    family: Literal["extreme"] = field(default="extreme", kw_only=True)

    greater: bool

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """None."""
        return ()

    def element(
        self, library: Library, a: Expression, b: Expression, numbers: tuple[Tensor, ...]
    ) -> Expression:
        """The element chosen."""
        del numbers
        return library.maximum(a, b) if self.greater else library.minimum(a, b)

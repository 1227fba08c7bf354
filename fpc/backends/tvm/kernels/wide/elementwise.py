"""Functions of two int16 or float32 tensors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.kernels.elementwise import Elementwise
from fpc.backends.tvm.kernels.wide.fixed_point import (
    FACTOR,
    SMALL_FACTOR,
    scaled,
    scaled_int16,
    scaled_int32,
)
from fpc.backends.tvm.library import Expression, Library, Tensor
from fpc.ir.dtype import DType

FunctionOfTwo = Literal["add", "sub", "mul", "div", "maximum", "minimum", "prelu"]

INT16_SUM = (Parameter(DType.I32, (2,)), SMALL_FACTOR, SMALL_FACTOR, SMALL_FACTOR)
"""Limits of a sum of int16; the factors of both operands and of the sum."""
FLOAT_LIMITS = (Parameter(DType.F32, (2,)),)
"""The limits of a function of float32."""


@dataclass(frozen=True)
class WideSum(Elementwise):
    """Both int16 operands scaled, added or `subtracts`, and the sum scaled."""

    family: Literal["wide_sum"] = field(default="wide_sum", kw_only=True)

    subtracts: bool

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """See `INT16_SUM`."""
        return INT16_SUM

    def element(
        self, library: Library, a: Expression, b: Expression, numbers: tuple[Tensor, ...]
    ) -> Expression:
        """The limited sum."""
        return sum_of_int16(library, a, b, numbers, subtracts=self.subtracts)


def sum_of_int16(
    library: Library,
    a: Expression,
    b: Expression,
    numbers: tuple[Tensor, ...],
    *,
    subtracts: bool = False,
) -> Expression:
    """The limited sum or difference of two int32 that hold int16, by `INT16_SUM`."""
    limits, left, right, whole = numbers
    ours, theirs = scaled_int16(library, a, left), scaled_int16(library, b, right)
    total = ours - theirs if subtracts else ours + theirs
    return limited(library, scaled_int32(library, total, whole), limits)


@dataclass(frozen=True)
class WideProduct(Elementwise):
    """The product of two int16 scaled, limited last by int64[2]."""

    family: Literal["wide_product"] = field(default="wide_product", kw_only=True)

    @property
    def computed(self) -> DType:
        """int64."""
        return DType.I64

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Limits and the product's factor."""
        return Parameter(DType.I64, (2,)), FACTOR

    def element(
        self, library: Library, a: Expression, b: Expression, numbers: tuple[Tensor, ...]
    ) -> Expression:
        """The limited product."""
        limits, factor = numbers
        return limited(library, scaled(library, a * b, factor), limits)


def limited(library: Library, value: Expression, limits: Tensor) -> Expression:
    """The nearest value that is within the least and the greatest of `limits`."""
    return library.clamped(value, limits[0], limits[1])


@dataclass(frozen=True)
class FloatElementwise(Elementwise):
    """A function of float32, limited by float32[2]."""

    family: Literal["float_elementwise"] = field(default="float_elementwise", kw_only=True)

    function: FunctionOfTwo

    @property
    def computed(self) -> DType:
        """float32."""
        return DType.F32

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The limits."""
        return FLOAT_LIMITS

    def element(
        self, library: Library, a: Expression, b: Expression, numbers: tuple[Tensor, ...]
    ) -> Expression:
        """The limited value."""
        match self.function:
            case "add":
                value = a + b
            case "sub":
                value = a - b
            case "mul":
                value = a * b
            case "div":
                value = a / b
            case "maximum":
                value = library.maximum(a, b)
            case "minimum":
                value = library.minimum(a, b)
            case "prelu":
                value = library.choose(a > library.constant(0, DType.F32), a, a * b)
        return limited(library, value, numbers[0])

"""Functions of two int16 or float32 tensors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.kernels.elementwise import Elementwise
from fpc.backends.tvm.kernels.wide.fixed_point import FACTOR, scaled
from fpc.backends.tvm.library import Expression, Library, Tensor
from fpc.ir.dtype import DType

FunctionOfTwo = Literal["add", "sub", "mul", "div", "maximum", "minimum", "prelu"]

_INTEGER_LIMITS = Parameter(DType.I64, (2,))
_SUM_BITS = 15


@dataclass(frozen=True)
class WideElementwise(Elementwise):
    """A function of integers around zero in int64, limited last by int64[2]."""

    @property
    def computed(self) -> DType:
        """int64."""
        return DType.I64


@dataclass(frozen=True)
class WideSum(WideElementwise):
    """Both operands scaled, added or `subtracts`, and the sum scaled."""

    family: Literal["wide_sum"] = field(default="wide_sum", kw_only=True)

    subtracts: bool

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Limits; the factors of both operands and of the sum."""
        return _INTEGER_LIMITS, FACTOR, FACTOR, FACTOR

    def element(
        self, library: Library, a: Expression, b: Expression, numbers: tuple[Tensor, ...]
    ) -> Expression:
        """The limited sum."""
        limits, left, right, whole = numbers
        bits = library.constant(_SUM_BITS, DType.I64)
        ours, theirs = scaled(library, a << bits, left), scaled(library, b << bits, right)
        total = ours - theirs if self.subtracts else ours + theirs
        return _limited(library, scaled(library, total, whole), limits)


@dataclass(frozen=True)
class WideProduct(WideElementwise):
    """The product scaled."""

    family: Literal["wide_product"] = field(default="wide_product", kw_only=True)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Limits and the product's factor."""
        return _INTEGER_LIMITS, FACTOR

    def element(
        self, library: Library, a: Expression, b: Expression, numbers: tuple[Tensor, ...]
    ) -> Expression:
        """The limited product."""
        limits, factor = numbers
        return _limited(library, scaled(library, a * b, factor), limits)


def _limited(library: Library, value: Expression, limits: Tensor) -> Expression:
    return library.maximum(library.minimum(value, limits[1]), limits[0])


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
        return (Parameter(DType.F32, (2,)),)

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
        return _limited(library, value, numbers[0])

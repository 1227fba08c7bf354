"""Functions of one float32 value."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.kernel import OneOperand
from fpc.backends.tvm.kernels.loops import vectorise_rows
from fpc.backends.tvm.library import Expression, Library, Schedule, Tensor
from fpc.ir.dtype import DType

FunctionName = Literal[
    "clamp",
    "leaky_relu",
    "sigmoid",
    "silu",
    "hard_sigmoid",
    "hard_swish",
    "gelu",
    "gelu_by_tanh",
    "neg",
    "exp",
    "log",
    "sqrt",
    "abs",
    "erf",
    "floor",
    "tanh",
]
"""`clamp` limits to two numbers, `leaky_relu` takes the slope first, `hard_sigmoid` slope and
offset; the others take none of the two.
"""


@dataclass(frozen=True)
class FloatFunction(OneOperand):
    """A function of every element, and of the two numbers that are the parameter, float32[2]."""

    family: Literal["float_function"] = field(default="float_function", kw_only=True)

    function: FunctionName

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        x = library.placeholder(self.operand, "x")
        numbers = library.parameter(Parameter(DType.F32, (2,)), "numbers")

        def element(row: Expression, column: Expression) -> Expression:
            return self._value(library, x[row, column], numbers)

        result = library.compute(self.stored.shape, element, "result")
        schedule = library.schedule([x, numbers, result])
        vectorise_rows(schedule, "result", isa.lanes)
        return schedule

    def _value(self, library: Library, x: Expression, numbers: Tensor) -> Expression:
        def real(value: float) -> Expression:
            return library.constant(value, DType.F32)

        match self.function:
            case "clamp":
                return _clamped(library, x, numbers[0], numbers[1])
            case "leaky_relu":
                return library.choose(x > real(0), x, x * numbers[0])
            case "hard_sigmoid":
                return _clamped(library, x * numbers[0] + numbers[1], real(0), real(1))
            case "hard_swish":
                return x * _clamped(library, x + real(3), real(0), real(6)) * real(1 / 6)
            case "sigmoid":
                return _logistic(library, x)
            case "silu":
                return x * _logistic(library, x)
            case "gelu" | "gelu_by_tanh":
                return real(0.5) * x * _gate(library, x, by_tanh=self.function == "gelu_by_tanh")
            case "neg":
                return -x
            case name:
                return library.real_function(name, x)


def _clamped(library: Library, x: Expression, low: Expression, high: Expression) -> Expression:
    return library.minimum(library.maximum(x, low), high)


def _logistic(library: Library, x: Expression) -> Expression:
    one = library.constant(1, DType.F32)
    return one / (one + library.real_function("exp", -x))


def _gate(library: Library, x: Expression, *, by_tanh: bool) -> Expression:
    """Twice the share of x that GELU lets through."""
    one = library.constant(1, DType.F32)
    if not by_tanh:
        argument = x * library.constant(math.sqrt(0.5), DType.F32)
        return one + library.real_function("erf", argument)
    cubic = x + library.constant(0.044715, DType.F32) * x * x * x
    argument = library.constant(math.sqrt(2 / math.pi), DType.F32) * cubic
    return one + library.real_function("tanh", argument)

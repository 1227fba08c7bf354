"""Activations: functions of one value at a time, and softmax."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar

from fpc.ir.op import Op, broadcast, require
from fpc.ir.types import TensorType


@dataclass(frozen=True)
class _Pointwise(Op):
    def infer(self, x: TensorType) -> TensorType:
        """The type of x."""
        return TensorType(x.dtype, x.shape)


@dataclass(frozen=True)
class Relu(_Pointwise):
    """max(x, 0)."""

    mnemonic: ClassVar[str] = "relu"


@dataclass(frozen=True)
class Relu6(_Pointwise):
    """min(max(x, 0), 6)."""

    mnemonic: ClassVar[str] = "relu6"


@dataclass(frozen=True)
class Clip(_Pointwise):
    """x limited to [minimum, maximum]; None leaves a side open."""

    mnemonic: ClassVar[str] = "clip"

    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class LeakyRelu(_Pointwise):
    """x where positive, alpha * x elsewhere."""

    mnemonic: ClassVar[str] = "leaky_relu"

    alpha: float = 0.01


@dataclass(frozen=True)
class PRelu(Op):
    """x where positive, slope * x elsewhere; the slope broadcasts to x."""

    mnemonic: ClassVar[str] = "prelu"

    def infer(self, x: TensorType, slope: TensorType) -> TensorType:
        """The type of x."""
        require(
            broadcast(x.shape, slope.shape) == x.shape,
            f"a slope of shape {list(slope.shape)} does not broadcast to {x}",
        )
        return TensorType(x.dtype, x.shape)


@dataclass(frozen=True)
class Sigmoid(_Pointwise):
    """1 / (1 + exp(-x))."""

    mnemonic: ClassVar[str] = "sigmoid"


@dataclass(frozen=True)
class HardSigmoid(_Pointwise):
    """alpha * x + beta limited to [0, 1]; MobileNetV3's has alpha 1/6, beta 1/2."""

    mnemonic: ClassVar[str] = "hard_sigmoid"

    alpha: float = 1.0 / 6.0
    beta: float = 0.5


@dataclass(frozen=True)
class Silu(_Pointwise):
    """x * sigmoid(x), also called swish."""

    mnemonic: ClassVar[str] = "silu"


@dataclass(frozen=True)
class HardSwish(_Pointwise):
    """x * min(max(x + 3, 0), 6) / 6 (MobileNetV3)."""

    mnemonic: ClassVar[str] = "hard_swish"


@dataclass(frozen=True)
class Tanh(_Pointwise):
    """The hyperbolic tangent."""

    mnemonic: ClassVar[str] = "tanh"


@dataclass(frozen=True)
class Gelu(_Pointwise):
    """x * Phi(x), Phi by the error function or (`approximate`) by a tanh polynomial."""

    mnemonic: ClassVar[str] = "gelu"

    approximate: bool = False


class Function(enum.Enum):
    """Elementary functions that networks use now and then, outside their hot paths."""

    EXP = "exp"
    LOG = "log"
    SQRT = "sqrt"
    ABS = "abs"
    NEG = "neg"
    ERF = "erf"
    FLOOR = "floor"


@dataclass(frozen=True)
class Unary(_Pointwise):
    """An elementary function of each value."""

    mnemonic: ClassVar[str] = "unary"

    function: Function


@dataclass(frozen=True)
class Softmax(Op):
    """exp(x) normalised to sum 1 along `axis` (non-negative)."""

    mnemonic: ClassVar[str] = "softmax"

    axis: int

    def infer(self, x: TensorType) -> TensorType:
        """The type of x."""
        require(0 <= self.axis < x.rank, f"axis {self.axis} outside {x}")
        return TensorType(x.dtype, x.shape)

"""Functions of two values, broadcast as numpy does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fpc.ir.op import Activation, Op, Quantisation, broadcast, require
from fpc.ir.types import TensorType


@dataclass(frozen=True)
class _Binary(Op):
    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        """The common shape of both."""
        require(a.dtype is b.dtype, f"operands of types {a.dtype.value} and {b.dtype.value}")
        return TensorType(a.dtype, broadcast(a.shape, b.shape))


@dataclass(frozen=True)
class Add(_Binary):
    """a + b, with fused clamp."""

    mnemonic: ClassVar[str] = "add"

    activation: Activation = Activation.NONE


@dataclass(frozen=True)
class Sub(_Binary):
    """a - b, with fused clamp."""

    mnemonic: ClassVar[str] = "sub"

    activation: Activation = Activation.NONE


@dataclass(frozen=True)
class Mul(_Binary):
    """a * b, with fused clamp."""

    mnemonic: ClassVar[str] = "mul"

    activation: Activation = Activation.NONE


@dataclass(frozen=True)
class Div(_Binary):
    """a / b, with fused clamp."""

    mnemonic: ClassVar[str] = "div"

    activation: Activation = Activation.NONE


@dataclass(frozen=True)
class _Selection(_Binary):
    quantisation: ClassVar[Quantisation] = Quantisation.SAME

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        """The common shape of both, in the quantisation of both."""
        return super().infer(a, b).with_quant(a.quant)


@dataclass(frozen=True)
class Maximum(_Selection):
    """The greater of a and b."""

    mnemonic: ClassVar[str] = "maximum"


@dataclass(frozen=True)
class Minimum(_Selection):
    """The smaller of a and b."""

    mnemonic: ClassVar[str] = "minimum"

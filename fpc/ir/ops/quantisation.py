"""Changes of number representation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fpc.ir.dtype import DType
from fpc.ir.op import Op, require
from fpc.ir.types import TensorType


@dataclass(frozen=True)
class Cast(Op):
    """Values converted to another element type, without scaling; floats truncate towards zero."""

    mnemonic: ClassVar[str] = "cast"

    to: DType

    def infer(self, x: TensorType) -> TensorType:
        """x with another element type."""
        return TensorType(self.to, x.shape)


@dataclass(frozen=True)
class Quantize(Op):
    """Real numbers rounded to integers of the result's quantisation."""

    mnemonic: ClassVar[str] = "quantize"

    to: DType = DType.I8

    def infer(self, x: TensorType) -> TensorType:
        """x as integers."""
        require(x.dtype.is_float, f"quantize takes floats, not {x.dtype.value}")
        require(self.to.is_integer, f"quantize gives integers, not {self.to.value}")
        return TensorType(self.to, x.shape)


@dataclass(frozen=True)
class Dequantize(Op):
    """The real numbers that quantised integers stand for."""

    mnemonic: ClassVar[str] = "dequantize"

    def infer(self, x: TensorType) -> TensorType:
        """x as float32."""
        require(x.is_quantised, "dequantize takes quantised integers")
        return TensorType(DType.F32, x.shape)


@dataclass(frozen=True)
class Requantize(Op):
    """Quantised integers expressed in the result's quantisation, possibly another integer type."""

    mnemonic: ClassVar[str] = "requantize"

    to: DType = DType.I8

    def infer(self, x: TensorType) -> TensorType:
        """x as integers of another quantisation."""
        require(x.is_quantised, "requantize takes quantised integers")
        require(self.to.is_integer, f"requantize gives integers, not {self.to.value}")
        return TensorType(self.to, x.shape)

"""Products of matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fpc.ir.op import Activation, Op, broadcast, require
from fpc.ir.ops.convolution import check_bias, check_weight
from fpc.ir.types import TensorType


@dataclass(frozen=True)
class Dense(Op):
    """y[..., o] = sum_k x[..., k] w[o, k] + b[o], with fused clamp: a fully connected layer."""

    mnemonic: ClassVar[str] = "dense"

    activation: Activation = Activation.NONE

    def infer(self, x: TensorType, w: TensorType, b: TensorType | None = None) -> TensorType:
        """x with its last extent replaced by the number of units."""
        require(x.rank >= 1 and w.rank == 2, "dense takes weights [units, features]")
        require(
            x.shape[-1] == w.shape[1],
            f"{x.shape[-1]} features do not fit weights {list(w.shape)}",
        )
        check_weight(x, w)
        check_bias(x, b, w.shape[0])
        return TensorType(x.dtype, (*x.shape[:-1], w.shape[0]))


@dataclass(frozen=True)
class MatMul(Op):
    """Product of the last two axes, the leading ones broadcast as numpy's matmul does."""

    mnemonic: ClassVar[str] = "matmul"

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        """[..., M, K] x [..., K, N] gives [..., M, N]."""
        require(a.rank >= 2 and b.rank >= 2, "matmul takes operands of rank 2 and more")
        require(a.dtype is b.dtype, f"operands of types {a.dtype.value} and {b.dtype.value}")
        require(a.shape[-1] == b.shape[-2], f"shapes {a} and {b} do not fit")
        batch = broadcast(a.shape[:-2], b.shape[:-2]) if a.rank + b.rank > 4 else ()
        return TensorType(a.dtype, (*batch, a.shape[-2], b.shape[-1]))

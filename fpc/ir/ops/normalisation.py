"""Normalisations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fpc.ir.op import Layout, Op, require
from fpc.ir.types import TensorType


@dataclass(frozen=True)
class BatchNorm(Op):
    """(x - mean) / sqrt(variance + epsilon) * scale + bias, by channel, with frozen statistics."""

    mnemonic: ClassVar[str] = "batch_norm"

    epsilon: float = 1e-5
    axis: int = 1

    def infer(
        self,
        x: TensorType,
        scale: TensorType,
        bias: TensorType,
        mean: TensorType,
        variance: TensorType,
    ) -> TensorType:
        """The type of x."""
        require(0 <= self.axis < x.rank, f"axis {self.axis} outside {x}")
        channels = (x.shape[self.axis],)
        for parameter in (scale, bias, mean, variance):
            require(
                parameter.shape == channels,
                f"parameters of shape {list(parameter.shape)}, expected {list(channels)}",
            )
        return TensorType(x.dtype, x.shape)


@dataclass(frozen=True)
class LocalResponseNorm(Op):
    """x / (bias + alpha / size * sum of x^2 over `size` neighbouring channels)^beta (AlexNet)."""

    mnemonic: ClassVar[str] = "local_response_norm"

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    bias: float = 1.0
    layout: Layout = Layout.NCHW

    def infer(self, x: TensorType) -> TensorType:
        """The type of x."""
        self.layout.split(x.shape)
        require(self.size >= 1, "size must be at least 1")
        return TensorType(x.dtype, x.shape)

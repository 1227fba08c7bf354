"""Clamps: what relu, relu6, clip and fused activations have in common, and how they compose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from fpc.ir.op import Activation, Op
from fpc.ir.ops import Clip, Relu, Relu6


@dataclass(frozen=True)
class Clamp:
    """min(max(x, low), high); None leaves a side open."""

    low: float | None = None
    high: float | None = None

    @classmethod
    def of_op(cls, op: Op) -> Self | None:
        """The clamp that `op` computes; None when it is no clamp."""
        match op:
            case Relu():
                return cls(0.0, None)
            case Relu6():
                return cls(0.0, 6.0)
            case Clip(minimum, maximum):
                if minimum is not None and maximum is not None and minimum > maximum:
                    minimum = maximum
                return cls(minimum, maximum)
            case _:
                return None

    @classmethod
    def of_activation(cls, activation: Activation) -> Self:
        """The clamp that a fused activation computes."""
        return cls(*activation.bounds)

    def then(self, after: Clamp) -> Clamp:
        """The clamp that equals this one followed by `after`."""
        low = after.low if self.low is None else after.limit(self.low)
        high = after.high if self.high is None else after.limit(self.high)
        return Clamp(low, high)

    def limit(self, number: float) -> float:
        """`number` clamped."""
        if self.low is not None:
            number = max(number, self.low)
        return number if self.high is None else min(number, self.high)

    @property
    def is_identity(self) -> bool:
        """Whether no number is changed."""
        return self.low is None and self.high is None

    def as_activation(self) -> Activation | None:
        """The fused activation that computes this clamp, None when there is none."""
        return next((a for a in Activation if a.bounds == (self.low, self.high)), None)

    def as_op(self) -> Op:
        """The plainest operator that computes this clamp."""
        match self.as_activation():
            case Activation.RELU:
                return Relu()
            case Activation.RELU6:
                return Relu6()
            case _:
                return Clip(self.low, self.high)

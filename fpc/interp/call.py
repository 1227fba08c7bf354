"""One application of an op: everything its meaning depends on besides the operands' values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from numpy.typing import NDArray

from fpc.interp.numerics import Numerics
from fpc.ir.op import Op
from fpc.ir.types import TensorType

Array: TypeAlias = NDArray[Any]
OpT_co = TypeVar("OpT_co", bound=Op, covariant=True)


@dataclass(frozen=True)
class Call(Generic[OpT_co]):
    """An op, the types of its operands and results, and the numerics it is computed under.

    The leading extent of the types says nothing about the arrays: an op that treats the images of
    a batch alike is given batches of any size.
    """

    op: OpT_co
    operands: tuple[TensorType | None, ...]
    results: tuple[TensorType, ...]
    numerics: Numerics

    def operand(self, index: int) -> TensorType:
        """The type of an operand that is present."""
        operand = self.operands[index]
        assert operand is not None, f"{self.op.mnemonic} has no operand {index}"
        return operand

    @property
    def result(self) -> TensorType:
        """The type of the first result."""
        return self.results[0]


Rule: TypeAlias = Callable[..., Array | tuple[Array, ...]]
"""Takes a `Call` and one array an operand (None where an optional one is absent)."""

"""Where a lowering stands: the node at hand and the file being written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from fpc.backends.tflite.lowering.assembler import Assembler, Operand
from fpc.backends.tflite.model import FieldValue, FusedActivation, Options
from fpc.diagnostics.errors import UnsupportedOpError
from fpc.ir.graph import Node
from fpc.ir.op import Activation, Op
from fpc.ir.types import QuantParams, TensorType

OpT_co = TypeVar("OpT_co", bound=Op, covariant=True)


@dataclass(frozen=True)
class Site(Generic[OpT_co]):
    """One node being lowered: its operands and results as tensors, and a place to add operators."""

    node: Node[OpT_co]
    assembler: Assembler

    @property
    def op(self) -> OpT_co:
        """The operator and its attributes."""
        return self.node.op

    @property
    def is_quantised(self) -> bool:
        """Whether the first result stands for reals by integers."""
        return self.node.outputs[0].type.is_quantised

    def operand(self, index: int = 0) -> Operand:
        """An operand that is present."""
        return self.assembler.operand_of(self.node.input(index))

    def operands(self) -> tuple[Operand, ...]:
        """All operands of an operator that takes any number."""
        return tuple(self.assembler.operand_of(value) for value in self.node.operands)

    def optional(self, index: int) -> Operand | None:
        """An operand, None when it is absent."""
        value = self.node.optional_input(index)
        return None if value is None else self.assembler.operand_of(value)

    def result(self, index: int = 0) -> Operand:
        """A result."""
        return self.assembler.operand_of(self.node.outputs[index])

    def array(self, index: int, what: str) -> NDArray[Any]:
        """The values of a constant operand; `UnsupportedOpError` when they are computed."""
        value = self.node.input(index)
        if not value.is_constant:
            raise self.unsupported(
                f"its {what} are computed by the network", f"fold the {what} into a constant"
            )
        return value.data

    def intermediate(self, suffix: str, type: TensorType) -> Operand:
        """A tensor between two of the operators that this node becomes."""
        return self.assembler.add_tensor(f"{self.node.outputs[0].name}/{suffix}", type)

    def constant(
        self, suffix: str, data: NDArray[Any], quant: QuantParams | None = None
    ) -> Operand:
        """A constant that the lowering brings in."""
        return self.assembler.constant(f"{self.node.outputs[0].name}/{suffix}", data, quant)

    def integers(self, suffix: str, values: Sequence[int] | Sequence[Sequence[int]]) -> Operand:
        """An int32 constant that says how an operator works: a shape, axes, pads."""
        return self.constant(suffix, np.array(values, np.int32))

    def emit(
        self,
        code: str,
        operands: Sequence[Operand | None],
        results: Sequence[Operand] | None = None,
        table: str | None = None,
        fields: Mapping[str, FieldValue] | None = None,
    ) -> None:
        """Append an operator; without `results` it writes the node's first result."""
        options = None if table is None else Options(table, dict(fields or {}))
        self.assembler.add_operator(code, operands, results or [self.result()], options)

    def unsupported(self, reason: str, remedy: str) -> UnsupportedOpError:
        """The error that says why this node has no TFLite form and what to do about it."""
        return UnsupportedOpError(
            "unsupported-op",
            f"TFLite cannot express {self.op.mnemonic} %{self.node.outputs[0].name}: {reason}",
            location=self.node.location,
            help=remedy,
        )


def fused(activation: Activation) -> FusedActivation:
    """The schema's name of a fused clamp."""
    return FusedActivation[activation.name]

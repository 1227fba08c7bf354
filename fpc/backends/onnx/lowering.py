"""What a lowering of one IR operator to ONNX sees.

Lowerings work on real numbers: the operands of a quantised node reach them dequantised, and their
result is quantised afterwards (the QDQ form). Spatial operators of ONNX are NCHW; an NHWC node gets
transposes around it and transposed filters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar, cast

import numpy as np

from fpc.backends.onnx.tensors import TensorNames
from fpc.backends.onnx.writer import Attribute, OnnxWriter
from fpc.ir.graph import Node, Value
from fpc.ir.op import Activation, Layout, Op
from fpc.ir.types import TensorType

OpT = TypeVar("OpT", bound=Op)
OpT_co = TypeVar("OpT_co", bound=Op, covariant=True)

_TO_NCHW = (0, 3, 1, 2)
_TO_NHWC = (0, 2, 3, 1)


@dataclass(frozen=True)
class Lowering(Generic[OpT_co]):
    """One IR node being written as ONNX nodes."""

    writer: OnnxWriter
    tensors: TensorNames
    node: Node[OpT_co]

    @property
    def _name(self) -> str:
        """Where the node comes from, or what it makes where it comes from nowhere."""
        location = self.node.location
        return str(location) if location else self.node.outputs[0].name

    @property
    def op(self) -> OpT_co:
        """The IR operator."""
        return self.node.op

    @property
    def opset(self) -> int:
        """The opset being written."""
        return self.writer.opset

    def operand(self, index: int) -> str:
        """Operand `index` as real numbers."""
        return self.tensors.real(self.node.input(index))

    def optional_operand(self, index: int) -> str | None:
        """Operand `index` as real numbers; None when it is absent."""
        value = self.node.optional_input(index)
        return None if value is None else self.tensors.real(value)

    def operands(self) -> tuple[str, ...]:
        """Every operand as real numbers."""
        return tuple(self.tensors.real(value) for value in self.node.operands)

    def feature_map(self, index: int, layout: Layout) -> str:
        """Operand `index` as real numbers in NCHW."""
        name = self.operand(index)
        return name if layout is Layout.NCHW else self.add("Transpose", name, perm=_TO_NCHW)

    def weight(self, index: int, permutation: Sequence[int]) -> str:
        """Operand `index` as real numbers with its axes permuted, ahead of time if constant."""
        value = self.node.input(index)
        if tuple(permutation) == tuple(range(value.type.rank)):
            return self.tensors.real(value)
        if value.is_constant:
            return self.tensors.permuted_constant(value, tuple(permutation))
        return self.add("Transpose", self.tensors.real(value), perm=tuple(permutation))

    def filters(self, index: int, layout: Layout) -> str:
        """Filters, operand `index`, as real numbers in OIHW."""
        return self.weight(index, (0, 1, 2, 3) if layout is Layout.NCHW else _TO_NCHW)

    def restored(self, name: str, layout: Layout) -> str:
        """An NCHW tensor in the layout of the node's result."""
        return name if layout is Layout.NCHW else self.add("Transpose", name, perm=_TO_NHWC)

    def activated(self, name: str, activation: Activation) -> str:
        """A tensor after the fused clamp, which is nothing where quantising saturates alike."""
        bounds = activation.bounds
        if _saturates(self.node.outputs[0].type, *bounds):
            return name
        match bounds:
            case None, None:
                return name
            case 0.0, None:
                return self.add("Relu", name)
            case low, high:
                return self.clipped(name, low, high, self.node.input(0))

    def clipped(self, name: str, low: float | None, high: float | None, like: Value) -> str:
        """A tensor limited to [low, high], bounds typed as the reals of `like`."""
        dtype = np.dtype(np.float32) if like.type.is_quantised else like.type.dtype.numpy
        bounds = [
            None if bound is None else self.writer.scalar(bound, dtype, f"{self.hint}_{side}")
            for bound, side in ((low, "minimum"), (high, "maximum"))
        ]
        return self.add("Clip", name, *bounds)

    @property
    def hint(self) -> str:
        """The stem of names for tensors on the way to the result."""
        return self.node.outputs[0].name

    def add(self, op_type: str, *inputs: str | None, **attributes: Attribute) -> str:
        """Add an ONNX node with one result; the result's name."""
        return self.add_many(op_type, *inputs, count=1, **attributes)[0]

    def add_many(
        self, op_type: str, *inputs: str | None, count: int, **attributes: Attribute
    ) -> tuple[str, ...]:
        """Add an ONNX node with `count` results; their names."""
        return self.writer.node(
            op_type,
            inputs,
            f"{self.hint}_{op_type.lower()}",
            count=count,
            node_name=self.writer.fresh_node_name(self._name),
            **attributes,
        )

    def integers(self, numbers: Sequence[int], what: str) -> str:
        """Store integers that an ONNX node takes as an operand."""
        return self.writer.constant(tuple(numbers), f"{self.hint}_{what}")

    def real_scalar(self, number: float, what: str) -> str:
        """Store a float32 number."""
        return self.writer.scalar(number, np.dtype(np.float32), f"{self.hint}_{what}")


def _saturates(result: TensorType, low: float | None, high: float | None) -> bool:
    """Whether the bounds round to the least and the greatest integer of `result`, or beyond."""
    if result.quant is None:
        return False
    half_step = result.quantisation.scale / 2
    least = (result.dtype.minimum - result.quantisation.zero_point) * result.quantisation.scale
    greatest = (result.dtype.maximum - result.quantisation.zero_point) * result.quantisation.scale
    return (low is None or low < least + half_step) and (
        high is None or high > greatest - half_step
    )


LoweringRule: TypeAlias = Callable[[Lowering[Op]], str | tuple[str, ...]]


def rule(
    op_class: type[OpT], lower: Callable[[Lowering[OpT]], str | tuple[str, ...]]
) -> tuple[type[Op], LoweringRule]:
    """An entry of a table of rules; `lower` only ever meets nodes of `op_class`."""
    return op_class, cast("LoweringRule", lower)

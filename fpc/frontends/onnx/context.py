"""What a handler of an ONNX operator sees: operands, attributes, and a graph to add nodes to.

During import an ONNX name stands for an `Operand`: a value of the IR graph, or an array known now.
Arrays stay arrays through chains of shape arithmetic and become constants of the graph only where
an IR operator reads them, so that such chains leave nothing behind.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from fpc.diagnostics.errors import ModelError
from fpc.diagnostics.location import Location
from fpc.frontends.onnx.attributes import Attributes
from fpc.frontends.onnx.tensors import as_float32, checked_shape
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph, Value
from fpc.ir.op import Op
from fpc.ir.types import QuantParams

if TYPE_CHECKING:
    from onnx import GraphProto

Operand: TypeAlias = Value | Array
Results: TypeAlias = Operand | Sequence[Operand | None]
Handler: TypeAlias = "Callable[[NodeContext], Results]"

MAX_COMPUTED_BYTES = 1 << 31
"""Constants computed while importing may take this much in all: the size limit of an ONNX file."""

MAX_INTEGERS = 1 << 16
"""Shapes, axes and indices are lists of fewer numbers than this."""


class Unsupported(Exception):  # noqa: N818 - a finding about a node, not yet an error
    """A node has no form in the IR.

    `reason` completes "node X cannot be imported because ..."; `remedy` says what the user can do.
    """

    def __init__(self, reason: str, remedy: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


@dataclass
class Scope:
    """The state of one import: the graph under construction and what every ONNX name stands for.

    A name maps to None when the node that makes it could not be imported. `stored_params` and
    `constant_params` remember the quantisation of known tensors that the model stores as integers,
    by ONNX name and by constant; the tensors themselves are held as reals.
    """

    graph: Graph
    opset: int
    operands: dict[str, Operand | None] = field(default_factory=dict[str, "Operand | None"])
    constants: dict[str, Value] = field(default_factory=dict[str, Value])
    stored_params: dict[str, QuantParams] = field(default_factory=dict[str, QuantParams])
    constant_params: dict[Value, QuantParams] = field(default_factory=dict[Value, QuantParams])
    notes: list[str] = field(default_factory=list[str])
    computed_bytes: int = 0

    def materialise(self, name: str, array: Array, location: Location) -> Value:
        """The graph's constant for the ONNX tensor `name`, made on first use."""
        value = self.constants.get(name)
        if value is None:
            value = self.constant(array, name, location)
            self.constants[name] = value
            if name in self.stored_params:
                self.constant_params[value] = self.stored_params[name]
        return value

    def constant(self, array: Array, name: str, location: Location) -> Value:
        """A new constant of the graph; `ModelError` for values that are not finite."""
        array = as_float32(array)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            kind = "NaN" if np.isnan(array).any() else "infinite values"
            raise ModelError(
                "non-finite",
                f"tensor '{name}' contains {kind}",
                location=location,
                help="train or export the network again; these weights compute nothing",
            )
        try:
            DType.of(array.dtype)
        except KeyError:
            raise Unsupported(f"tensor '{name}' has element type {array.dtype}") from None
        return self.graph.constant(array, name)

    def charge(
        self, shape: tuple[int, ...], item_bytes: int, what: str, location: Location
    ) -> None:
        """Account for an array about to be computed; `ModelError` when it or the sum is absurd."""
        checked_shape(shape, what, location)
        self.computed_bytes += math.prod(shape) * item_bytes
        if self.computed_bytes > MAX_COMPUTED_BYTES:
            raise ModelError(
                "constants-too-large",
                f"the constants that this model computes exceed {MAX_COMPUTED_BYTES >> 30} GiB",
                location=location,
                help="export the model with its weights stored",
            )


@dataclass(frozen=True)
class NodeContext:
    """One ONNX node at the moment of its import."""

    scope: Scope
    op_type: str
    location: Location
    attributes: Attributes
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    subgraph_importer: Callable[[GraphProto], tuple[Operand | None, ...]]

    @property
    def graph(self) -> Graph:
        """The graph under construction."""
        return self.scope.graph

    @property
    def opset(self) -> int:
        """The version of the standard operator set."""
        return self.scope.opset

    @property
    def operand_count(self) -> int:
        """The number of operands, absent ones in the middle included."""
        return len(self.input_names)

    def operand(self, index: int) -> Operand | None:
        """Operand `index`; None when it is absent."""
        if index >= len(self.input_names) or not self.input_names[index]:
            return None
        return self.scope.operands[self.input_names[index]]

    def present(self, index: int) -> Operand:
        """Operand `index`; `ModelError` when it is absent."""
        operand = self.operand(index)
        if operand is None:
            raise ModelError(
                "missing-operand",
                f"{self.op_type} lacks its operand {index + 1}",
                location=self.location,
                help="export the model again; `onnx.checker.check_model` shows every such fault",
            )
        return operand

    def value(self, index: int) -> Value:
        """Operand `index` in the graph, made a constant when it is a known array."""
        operand = self.present(index)
        if isinstance(operand, Value):
            return operand
        return self.scope.materialise(self.input_names[index], operand, self.location)

    def values(self) -> tuple[Value, ...]:
        """Every operand in the graph."""
        return tuple(self.value(index) for index in range(self.operand_count))

    def optional_value(self, index: int) -> Value | None:
        """Operand `index` in the graph; None when it is absent."""
        return None if self.operand(index) is None else self.value(index)

    def known(self, index: int) -> Array | None:
        """Operand `index` when it is an array known now."""
        operand = self.operand(index)
        return None if operand is None or isinstance(operand, Value) else operand

    def require_known(self, index: int, what: str) -> Array:
        """Operand `index` as an array; `Unsupported` when it is computed by the network."""
        operand = self.present(index)
        if isinstance(operand, Value):
            raise Unsupported(
                f"its {what} is computed from the network's input",
                "export the model with fixed shapes, or give --input-shape",
            )
        return operand

    def require_integers(self, index: int, what: str) -> tuple[int, ...]:
        """Operand `index` as known integers, flattened; `Unsupported` when there are too many."""
        numbers = self.require_known(index, what).reshape(-1)
        if numbers.size > MAX_INTEGERS:
            raise Unsupported(f"its {what} is a list of {numbers.size} numbers")
        return tuple(int(number) for number in numbers)

    def shape(self, index: int) -> tuple[int, ...]:
        """The shape of operand `index`."""
        operand = self.present(index)
        return operand.type.shape if isinstance(operand, Value) else operand.shape

    def axis(self, axis: int, rank: int) -> int:
        """`axis` counted from the front; `ModelError` when it is outside the rank."""
        if not -rank <= axis < rank:
            raise ModelError(
                "bad-axis",
                f"{self.op_type} names axis {axis} of a tensor of rank {rank}",
                location=self.location,
            )
        return axis % rank

    def constant(self, data: Array | float, hint: str = "constant") -> Value:
        """A new float32 (or integer) constant."""
        array = np.asarray(data, dtype=None if isinstance(data, np.ndarray) else np.float32)
        return self.scope.constant(array, f"{self.output_names[0]}_{hint}", self.location)

    def weight(self, index: int, data: Array, channel_axis: int) -> Value:
        """A constant made from the known operand `index` by moving its `channel_axis` to the front.

        It keeps the operand's name, and its quantisation where that is by output channel.
        """
        name = self.input_names[index]
        value = self.scope.constant(np.ascontiguousarray(data), name, self.location)
        params = self.scope.stored_params.get(name)
        if params is not None and params.axis in (None, channel_axis):
            self.scope.constant_params[value] = params.with_axis(None if params.axis is None else 0)
        return value

    def emit(self, op: Op, *inputs: Value | None, quant: QuantParams | None = None) -> Value:
        """Add the node whose result is this ONNX node's result."""
        return self.graph.add(
            op, *inputs, name=self.output_names[0], quant=quant, location=self.location
        ).output

    def step(self, op: Op, *inputs: Value | None, quant: QuantParams | None = None) -> Value:
        """Add a node on the way to the result."""
        name = f"{self.output_names[0]}_{op.mnemonic}"
        return self.graph.add(op, *inputs, name=name, quant=quant, location=self.location).output

    def emit_all(self, op: Op, *inputs: Value) -> tuple[Value, ...]:
        """Add a node with several results, named as the ONNX node's."""
        return self.graph.add(op, *inputs, names=self.output_names, location=self.location).outputs

    def charge(self, shape: tuple[int, ...], item_bytes: int = 4) -> None:
        """Account for an array about to be computed for this node; see `Scope.charge`."""
        self.scope.charge(shape, item_bytes, f"the result of {self.op_type}", self.location)

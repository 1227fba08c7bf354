"""Where a node is planned: the node at hand and the program being made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from fpc.backends.tvm.assembler import Assembler, Stored
from fpc.backends.tvm.buffer import Buffer
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.table import AnyKernel
from fpc.diagnostics.errors import UnsupportedOpError
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.graph import Node, Value
from fpc.ir.op import Op
from fpc.ir.ops import Add, Conv2d, ConvTranspose2d, Dense
from fpc.ir.types import TensorType

OpT_co = TypeVar("OpT_co", bound=Op, covariant=True)


@dataclass(frozen=True)
class FusedSum:
    """A sum that the kernel computes which gives its operand `own`."""

    node: Node[Add]
    own: int

    @property
    def products(self) -> Node[Op]:
        """The node that the sum is fused with."""
        producer = self.node.input(self.own).producer
        assert producer is not None
        return producer

    @property
    def residual(self) -> Value:
        """The other operand."""
        return self.node.input(1 - self.own)


@dataclass(frozen=True)
class Site(Generic[OpT_co]):
    """One node whose kernels are chosen, and the sum that its result ends in."""

    node: Node[OpT_co]
    assembler: Assembler
    fused: FusedSum | None = None

    @property
    def op(self) -> OpT_co:
        """The operator and its attributes."""
        return self.node.op

    @property
    def isa(self) -> Isa:
        """The instruction set to plan for."""
        return self.assembler.isa

    @property
    def result(self) -> Buffer:
        """How the first result is to be stored."""
        return self.assembler.storage(self.node.outputs[0].type)

    def operand(self, index: int = 0) -> Stored:
        """An operand in the storage between kernels."""
        return self.assembler.operand(self.node.input(index))

    def operand_as_is(self, index: int = 0) -> Stored:
        """An operand however it is stored."""
        return self.assembler.operand_as_is(self.node.input(index))

    def operand_anywhere(self, index: int = 0) -> Stored:
        """An operand however and wherever it is stored."""
        return self.assembler.operand_anywhere(self.node.input(index))

    def type(self, index: int = 0) -> TensorType:
        """The type of an operand."""
        return self.node.input(index).type

    def array(self, index: int, what: str) -> Array:
        """The values of a constant operand; `UnsupportedOpError` when they are computed."""
        value = self.node.input(index)
        if not value.is_constant:
            raise self.unsupported(
                f"its {what} are computed by the network", f"fold the {what} into a constant"
            )
        return value.data

    def emit(
        self, kernel: AnyKernel, operands: Sequence[Stored], parameters: Sequence[Array] = ()
    ) -> None:
        """Let the node's first result, or the sum it ends in, be what a kernel computes."""
        made = self.assembler.call(kernel, operands, parameters)
        last = self.node if self.fused is None else self.fused.node
        self.assembler.define(last.outputs[0], made)

    def require_int8(self) -> None:
        """`UnsupportedOpError` unless operands that are activations and results are int8."""
        for value in (*self.node.operands[:1], *self.node.outputs):
            if value.type.dtype is not DType.I8 or not value.type.is_quantised:
                raise self.unsupported(
                    f"%{value.name} is {value.type.dtype.value}, kernels take quantised int8",
                    "compile with --int8, or use --backend tflite",
                )

    def require_integers(self) -> None:
        """`UnsupportedOpError` unless the first operand and the results are int8, or all int16."""
        types = [value.type for value in (*self.node.operands[:1], *self.node.outputs)]
        dtype = types[0].dtype
        for of_value in types:
            fits = of_value.dtype is dtype and of_value.is_quantised
            if dtype not in (DType.I8, DType.I16) or not fits:
                raise self.unsupported(
                    f"it takes {of_value.dtype.value}, kernels take quantised int8 or int16",
                    "compile with --int8 or --int16, or use --backend tflite",
                )

    def unsupported(self, reason: str, remedy: str) -> UnsupportedOpError:
        """The error that says why this node has no kernel and what to do about it."""
        return UnsupportedOpError(
            "unsupported-op",
            f"the back end tvm cannot compile {self.op.mnemonic} "
            f"%{self.node.outputs[0].name}: {reason}",
            location=self.node.location,
            help=remedy,
        )


SumOfProducts: TypeAlias = Site[Conv2d] | Site[ConvTranspose2d] | Site[Dense]
"""One node whose kernel sums products with constant weights."""

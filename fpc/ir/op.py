"""What an operator is: attributes as fields, operands declared once by `infer`."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar

from fpc.ir.types import TensorType


class Quantisation(enum.Enum):
    """How the quantisation of an operator's result relates to that of its operands."""

    FREE = "free"
    """The result has its own scale and zero point; the integer form requantises."""
    SAME = "same"
    """Values only move or are selected: operands and results share their quantisation."""


@dataclass(frozen=True)
class Op:
    """An operator and its attributes; operands and results live on the node.

    A subclass is a frozen dataclass of attributes with a `mnemonic` and a method
    `infer(self, x: TensorType, w: TensorType, b: TensorType | None = None)` that gives the type
    (or the tuple of types) of the result. The signature of `infer` is the only declaration of the
    operands: `= None` makes one optional, `*xs` takes any number. The element type and shape that
    `infer` gives are binding; a quantisation it gives is the default, and a node may carry another
    where `quantisation` is FREE.

    Operators know nothing of their users: semantics, lowerings and cost features are tables keyed
    by operator class in the packages that own those concerns.
    """

    mnemonic: ClassVar[str]
    quantisation: ClassVar[Quantisation] = Quantisation.FREE
    infer: ClassVar[Callable[..., TensorType | tuple[TensorType, ...]]]

    def infer_all(self, operands: tuple[TensorType | None, ...]) -> tuple[TensorType, ...]:
        """The result types for `operands`; `ShapeMismatch` when they do not fit."""
        result = type(self).infer(self, *operands)
        return result if isinstance(result, tuple) else (result,)


class ShapeMismatch(Exception):  # noqa: N818 - it states a fact, `FpcError` makes it an error
    """Operand types do not fit an operator; whoever built the node says where and why."""


@dataclass(frozen=True)
class OperandSpec:
    """The operands of an operator class, read from the signature of its `infer`."""

    names: tuple[str, ...]
    required: int
    variadic: bool

    def name(self, index: int) -> str:
        """The name of operand `index`, for messages."""
        if index < len(self.names):
            return self.names[index]
        return f"{self.names[-1]}[{index - len(self.names) + 1}]" if self.variadic else f"#{index}"

    def accepts(self, count: int) -> bool:
        """Whether `count` operands can be given."""
        return self.required <= count and (self.variadic or count <= len(self.names))


@cache
def operand_spec(op_class: type[Op]) -> OperandSpec:
    """The operands that `op_class` takes."""
    parameters = list(inspect.signature(op_class.infer).parameters.values())[1:]
    variadic = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
    required = sum(
        p.default is inspect.Parameter.empty and p.kind is not inspect.Parameter.VAR_POSITIONAL
        for p in parameters
    )
    return OperandSpec(tuple(p.name for p in parameters), required + variadic, variadic)


def attributes(op: Op) -> dict[str, Any]:
    """The attributes of `op` by name, in declaration order."""
    return {field.name: getattr(op, field.name) for field in fields(op)}


class Layout(enum.Enum):
    """Which axis of a 4-D feature map holds the channels.

    An attribute of the operators that interpret axes: a tensor of rank 2 has no layout, and an
    elementwise operator does not care. Convolution weights follow: OIHW with NCHW feature maps,
    OHWI with NHWC ones.
    """

    NCHW = "nchw"
    NHWC = "nhwc"

    @property
    def channel_axis(self) -> int:
        """The axis of the channels."""
        return 1 if self is Layout.NCHW else 3

    @property
    def spatial_axes(self) -> tuple[int, int]:
        """The axes of height and width."""
        return (2, 3) if self is Layout.NCHW else (1, 2)

    def shape(self, batch: int, channels: int, height: int, width: int) -> tuple[int, ...]:
        """The shape of a feature map (or, with output channels as batch, of a filter)."""
        if self is Layout.NCHW:
            return (batch, channels, height, width)
        return (batch, height, width, channels)

    def split(self, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
        """Batch, channels, height and width of a 4-D shape; `ShapeMismatch` for other ranks."""
        if len(shape) != 4:
            raise ShapeMismatch(f"expected a 4-D feature map, got shape {list(shape)}")
        height, width = self.spatial_axes
        return shape[0], shape[self.channel_axis], shape[height], shape[width]


class Activation(enum.Enum):
    """A clamp fused into the operator before it."""

    NONE = "none"
    RELU = "relu"
    RELU6 = "relu6"
    RELU_N1_TO_1 = "relu_n1_to_1"

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Lower and upper bound on real values; None where unbounded."""
        match self:
            case Activation.NONE:
                return None, None
            case Activation.RELU:
                return 0.0, None
            case Activation.RELU6:
                return 0.0, 6.0
            case Activation.RELU_N1_TO_1:
                return -1.0, 1.0


def fused_activation(op: Op) -> Activation:
    """The clamp fused into `op`, NONE where operators of its class cannot have one."""
    return getattr(op, "activation", Activation.NONE)


def require(condition: bool, message: str) -> None:
    """`ShapeMismatch(message)` unless `condition`."""
    if not condition:
        raise ShapeMismatch(message)


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape under numpy's broadcasting rules; `ShapeMismatch` when there is none."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    common: list[int] = []
    for extents in zip(*padded, strict=True):
        wide = {extent for extent in extents if extent != 1}
        require(len(wide) <= 1, f"shapes {' and '.join(map(str, map(list, shapes)))} do not fit")
        common.append(wide.pop() if wide else 1)
    return tuple(common)

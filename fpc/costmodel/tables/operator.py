"""A network as single operators, the way FBNet's table lists them: by Caffe2's names and shapes.

Facts: mobile-vision, runtime_lut/README.md and runtime_lut/code (records, and what is matched).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fpc.costmodel.kernels import KernelKind, work_of
from fpc.costmodel.tables.table import Piece
from fpc.ir import ops
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Op
from fpc.ir.ops import Conv2d

_NAMES: Mapping[type[Op], str] = MappingProxyType(
    {
        ops.Add: "Sum",
        ops.AvgPool: "AveragePool",
        ops.Conv2d: "Conv",
        ops.Dense: "FC",
        ops.GlobalAvgPool: "AveragePool",
        ops.MaxPool: "MaxPool",
        ops.Mul: "Mul",
        ops.Relu: "Relu",
        ops.Sigmoid: "Sigmoid",
        ops.Softmax: "Softmax",
    }
)
"""What Caffe2 calls fpc's operators; the others go by their own name, which no table has."""

POOLS = ("AveragePool", "MaxPool")


@dataclass(frozen=True)
class CaffeOperator:
    """An operator by `name`, without the `Int8` before it and the clamp fused behind it.

    `in_shape` is [batch, height, width, channels] or [batch, channels]. `weight_shape` is
    [out, height, width, in of a group] or [out, in], empty where there are no weights. `window` is
    the extent of a pool's.
    """

    name: str
    in_shape: tuple[int, ...]
    weight_shape: tuple[int, ...] = ()
    stride: int = 1
    window: int = 0

    @property
    def kind(self) -> str:
        """The name, and of how many axes the shapes are."""
        return f"{self.name} {len(self.in_shape)} {len(self.weight_shape)}"

    @property
    def numbers(self) -> tuple[int, ...]:
        """Everything that is a number."""
        return (*self.in_shape, *self.weight_shape, self.stride, self.window)

    def __str__(self) -> str:
        words = [f"{self.name} of {'x'.join(map(str, self.in_shape))}"]
        if self.weight_shape:
            words.append(f"weights {'x'.join(map(str, self.weight_shape))}")
        if self.window:
            words.append(f"window {self.window}")
        if self.stride > 1:
            words.append(f"stride {self.stride}")
        return ", ".join(words)


def split(graph: Graph) -> tuple[Piece[CaffeOperator], ...]:
    """The operators of an optimised graph that cost time, in its order."""
    return tuple(
        Piece(_operator(node), (node,))
        for node in graph
        if work_of(node).kind is not KernelKind.FREE
    )


def _operator(node: Node[Op]) -> CaffeOperator:
    name = _NAMES.get(type(node.op), node.op.mnemonic)
    work = work_of(node)
    weights: tuple[int, ...] = ()
    if isinstance(node.op, Conv2d):
        weights = (work.out_channels, *work.kernel, work.in_channels // work.groups)
    elif name == "FC":
        weights = (work.out_channels, work.in_channels)
    window = work.kernel[0] if name in POOLS else 0
    return CaffeOperator(name, _shape(node.input(0)), weights, work.strides[0], window)


def _shape(value: Value) -> tuple[int, ...]:
    shape = value.type.shape
    return (shape[0], *shape[2:], shape[1]) if len(shape) > 2 else shape

"""The kernels that a network runs as: its nodes, seen as work of a kind and size."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from fpc.diagnostics.errors import CostModelError
from fpc.diagnostics.location import Location
from fpc.ir import ops
from fpc.ir.graph import Graph, Node
from fpc.ir.op import Layout, Op
from fpc.ir.ops import AvgPool, Conv2d, ConvTranspose2d, MaxPool


class KernelKind(enum.Enum):
    """What loop a kernel is."""

    CONVOLUTION = "convolution"
    """A product of matrices: 1x1 and larger filters, grouped and transposed ones, dense layers."""
    DEPTHWISE = "depthwise"
    ADD = "add"
    MULTIPLY = "multiply"
    """Elementwise arithmetic other than addition."""
    POOL = "pool"
    LOOKUP = "lookup"
    """A function of one value: an activation that is not fused."""
    SOFTMAX = "softmax"
    MOVE = "move"
    """Values change place or type, many at a time."""
    TRANSPOSE = "transpose"
    """Values change their order, a few at a time: channels are shuffled, or a layout changes."""
    FREE = "free"
    """Nothing is executed: another shape for the same bytes."""


@dataclass(frozen=True, slots=True)
class Work:
    """The size of a kernel. Elementwise and movement kernels have `in_size` and `out_size` only.

    A dense layer is a 1x1 convolution over as many pixels as it has rows. `taps` counts the pairs
    (output position, filter tap) that fall on the map and not on its padding, for one channel.
    """

    kind: KernelKind
    in_size: int
    out_size: int
    in_channels: int = 1
    out_channels: int = 1
    groups: int = 1
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    in_extent: tuple[int, int] = (1, 1)
    out_extent: tuple[int, int] = (1, 1)
    taps: int = 1

    @property
    def pixels(self) -> int:
        """Output positions."""
        return self.out_extent[0] * self.out_extent[1]

    @property
    def depth(self) -> int:
        """Products summed for one output value of a convolution."""
        return self.in_channels // self.groups * self.kernel[0] * self.kernel[1]

    @property
    def multiply_adds(self) -> int:
        """The products of a convolution, taps on padding included, as papers count them."""
        if self.kind not in (KernelKind.CONVOLUTION, KernelKind.DEPTHWISE):
            return 0
        return self.out_size * self.depth


@dataclass(frozen=True)
class Kernel:
    """A kernel of one network: its work, and the node it is."""

    name: str
    operator: str
    work: Work
    location: Location


def kernels_of(graph: Graph) -> tuple[Kernel, ...]:
    """The kernels of an optimised graph in the order of execution.

    `CostModelError` (`cost.unknown-kernel`) for an operator that no cost model knows.
    """
    return tuple(
        Kernel(node.outputs[0].name, node.op.mnemonic, work_of(node), node.location)
        for node in graph
    )


def work_of(node: Node[Op]) -> Work:
    """The kernel that `node` is."""
    found = WORK[type(node.op)]
    if found is None:
        raise CostModelError(
            "unknown-kernel",
            f"no cost model knows {node.op.mnemonic}",
            location=node.location,
            help="replace the operator, or measure the network as a whole with `fpc measure`",
        )
    return found(node)


def _convolution(node: Node[Op]) -> Work:
    op = node.op
    if not isinstance(op, Conv2d | ConvTranspose2d):
        raise TypeError(op.mnemonic)
    _, in_channels, *in_extent = op.layout.split(node.input(0).type.shape)
    _, out_channels, *out_extent = op.layout.split(node.output.type.shape)
    _, _, *kernel = op.layout.split(node.input(1).type.shape)
    if isinstance(op, ConvTranspose2d):
        # A gradient: every pixel of the small map is spread over the large one, tap by tap.
        positions, strides, groups = in_extent, (1, 1), op.groups
        taps = math.prod(positions) * math.prod(kernel)
    else:
        positions, strides, groups = out_extent, op.strides, op.groups
        top, left, _, _ = op.pads
        taps = math.prod(
            _taps_on_map(extent, positions[axis], kernel[axis], strides[axis], pad, dilation)
            for axis, (extent, pad, dilation) in enumerate(
                zip(in_extent, (top, left), op.dilations, strict=True)
            )
        )
    depthwise = groups > 1 and groups == in_channels
    return Work(
        KernelKind.DEPTHWISE if depthwise else KernelKind.CONVOLUTION,
        node.input(0).type.size,
        node.output.type.size,
        in_channels,
        out_channels,
        groups,
        (kernel[0], kernel[1]),
        strides,
        (in_extent[0], in_extent[1]),
        (positions[0], positions[1]),
        taps,
    )


def _dense(node: Node[Op]) -> Work:
    x, weight = node.input(0).type, node.input(1).type
    units = weight.shape[0] if node.op.mnemonic == "dense" else weight.shape[-1]
    rows = node.output.type.size // units
    return Work(
        KernelKind.CONVOLUTION,
        x.size,
        node.output.type.size,
        x.shape[-1],
        units,
        in_extent=(rows, 1),
        out_extent=(rows, 1),
        taps=rows,
    )


def _pool(node: Node[Op]) -> Work:
    op, x, y = node.op, node.input(0).type, node.output.type
    if not isinstance(op, AvgPool | MaxPool) and x.rank != 4:
        return Work(KernelKind.POOL, x.size, y.size)
    layout: Layout = getattr(op, "layout", Layout.NCHW)
    _, channels, height, width = layout.split(x.shape)
    if isinstance(op, AvgPool | MaxPool):
        _, _, *positions = layout.split(y.shape)
        kernel, strides, extent = op.kernel, op.strides, (positions[0], positions[1])
    else:
        kernel, strides, extent = (height, width), (1, 1), (1, 1)
    return Work(
        KernelKind.POOL,
        x.size,
        y.size,
        channels,
        channels,
        channels,
        kernel,
        strides,
        (height, width),
        extent,
        math.prod(extent) * math.prod(kernel),
    )


def _sized(kind: KernelKind) -> Callable[[Node[Op]], Work]:
    def work(node: Node[Op]) -> Work:
        read = sum(value.type.size for value in node.operands if not value.is_constant)
        return Work(kind, read, sum(value.type.size for value in node.outputs))

    return work


@cache
def _taps_on_map(
    extent: int, positions: int, kernel: int, stride: int, pad: int, dilation: int
) -> int:
    """Pairs (position, tap) along one axis that read the map."""
    return sum(
        0 <= position * stride - pad + tap * dilation < extent
        for position in range(positions)
        for tap in range(kernel)
    )


WORK: Mapping[type[Op], Callable[[Node[Op]], Work] | None] = MappingProxyType(
    {
        ops.Conv2d: _convolution,
        ops.ConvTranspose2d: _convolution,
        ops.Dense: _dense,
        ops.MatMul: _dense,
        ops.MaxPool: _pool,
        ops.AvgPool: _pool,
        ops.GlobalAvgPool: _pool,
        ops.ReduceMean: _pool,
        ops.Add: _sized(KernelKind.ADD),
        ops.Sub: _sized(KernelKind.ADD),
        ops.Mul: _sized(KernelKind.MULTIPLY),
        ops.Div: _sized(KernelKind.MULTIPLY),
        ops.Maximum: _sized(KernelKind.MULTIPLY),
        ops.Minimum: _sized(KernelKind.MULTIPLY),
        ops.PRelu: _sized(KernelKind.MULTIPLY),
        ops.BatchNorm: _sized(KernelKind.MULTIPLY),
        ops.Relu: _sized(KernelKind.LOOKUP),
        ops.Relu6: _sized(KernelKind.LOOKUP),
        ops.Clip: _sized(KernelKind.LOOKUP),
        ops.LeakyRelu: _sized(KernelKind.LOOKUP),
        ops.Sigmoid: _sized(KernelKind.LOOKUP),
        ops.HardSigmoid: _sized(KernelKind.LOOKUP),
        ops.Silu: _sized(KernelKind.LOOKUP),
        ops.HardSwish: _sized(KernelKind.LOOKUP),
        ops.Tanh: _sized(KernelKind.LOOKUP),
        ops.Gelu: _sized(KernelKind.LOOKUP),
        ops.Unary: _sized(KernelKind.LOOKUP),
        ops.Softmax: _sized(KernelKind.SOFTMAX),
        ops.Concat: _sized(KernelKind.MOVE),
        ops.Split: _sized(KernelKind.MOVE),
        ops.Slice: _sized(KernelKind.MOVE),
        ops.Pad: _sized(KernelKind.MOVE),
        ops.Transpose: _sized(KernelKind.TRANSPOSE),
        ops.Resize: _sized(KernelKind.MOVE),
        ops.DepthToSpace: _sized(KernelKind.MOVE),
        ops.Cast: _sized(KernelKind.MOVE),
        ops.Quantize: _sized(KernelKind.MOVE),
        ops.Dequantize: _sized(KernelKind.MOVE),
        ops.Requantize: _sized(KernelKind.MOVE),
        ops.Reshape: _sized(KernelKind.FREE),
        ops.LocalResponseNorm: None,
    }
)
"""How each operator becomes a kernel; None where no cost model is known."""

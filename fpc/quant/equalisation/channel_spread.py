"""Where the channels that a layer makes go: the values they run through, the layers around them.

A positive factor on a channel may move from the layers that make it to those that weigh it,
wherever everything in between is positively homogeneous: f(s x) = s f(x) for s > 0.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpc.ir import ops
from fpc.ir.graph import Node, Value
from fpc.ir.op import Activation, Layout, Op, fused_activation
from fpc.quant.analysis.placement import weight_of
from fpc.rewrite.rewriter import Rewriter

Reals: TypeAlias = NDArray[np.float64]

_HOMOGENEOUS = (Activation.NONE, Activation.RELU)


def has_weights(node: Node[Op]) -> bool:
    """Whether `node` is a layer with constant weights."""
    weight = weight_of(node)
    return weight is not None and weight.is_constant


def groups_of(node: Node[Op]) -> int:
    """In how many groups of channels the layer `node` filters its input."""
    return getattr(node.op, "groups", 1)


def unmovable(node: Node[Op]) -> str | None:
    """Why the weights of `node` cannot take factors of its results; clamps are not looked at."""
    if not node.input(1).has_one_use:
        return "its weights are shared"
    if isinstance(node.op, ops.Dense) and node.output.type.rank != 2:
        return "its result has more than channels"
    return None


def bounded(node: Node[Op]) -> str | None:
    """Why the clamp fused into `node` lets no factor pass."""
    activation = fused_activation(node.op)
    if activation not in _HOMOGENEOUS:
        return f"{activation.value} bounds every channel alike"
    return None


class Spread:
    """How far the channels of one result reach.

    values: those they run through; own: the ones among them that hold these channels alone;
    makers: the layers that make them, several where sums join them; readers: the layers that weigh
    them, with the place of the first channel in their input. Sums end it unless `through_sums`.
    """

    def __init__(self, *, through_sums: bool = False) -> None:
        self.values: list[Value] = []
        self.own: list[Value] = []
        self.makers: list[Node[Op]] = []
        self.readers: list[tuple[Node[Op], int]] = []
        self._through_sums = through_sums
        self._seen: set[tuple[Value, int | None]] = set()

    def start(self, maker: Node[Op]) -> str | None:
        """Follow what the layer `maker` makes; the reason why factors cannot, if there is one."""
        self.makers.append(maker)
        return self._follow(maker.output)

    def _follow(self, value: Value, offset: int | None = None) -> str | None:
        """Follow `value`, in which the channels start at `offset` among those of others."""
        if (value, offset) in self._seen:
            return None
        self._seen.add((value, offset))
        self.values.append(value)
        if offset is None:
            self.own.append(value)
        if value.is_graph_output:
            return "its result is an output of the graph"
        for user in value.users:
            reason = self._enter(user, value, offset)
            if reason is not None:
                return reason
        return None

    def _enter(self, user: Node[Op], value: Value, offset: int | None) -> str | None:
        if weight_of(user) is not None:
            reason = _unscalable_input(user, value)
            if reason is None:
                self.readers.append((user, offset or 0))
            return reason
        if isinstance(user.op, ops.Concat) and user.op.axis == 1 and value.type.rank == 4:
            place = user.operands.index(value)
            if user.operands.count(value) > 1:
                return f"{user.location} takes it twice"
            before = sum(operand.type.shape[1] for operand in user.operands[:place])
            return self._follow(user.output, before + (offset or 0))
        if self._through_sums and offset is None and _joins_channels(user):
            for operand in user.operands:
                reason = self._trace(operand)
                if reason is not None:
                    return reason
            return self._follow(user.output)
        if _passes_channels(user):
            return self._follow(user.output, offset)
        return f"{user.op.mnemonic} at {user.location} does not scale with its input"

    def _trace(self, value: Value) -> str | None:
        """Take in whatever makes `value`, whose channels must get the same factors."""
        if (value, None) in self._seen:
            return None
        node = value.producer
        if node is None:
            return "a sum joins it with an input of the graph"
        if has_weights(node):
            reason = unmovable(node) or bounded(node)
            return self.start(node) if reason is None else f"{node.location}: {reason}"
        if not (_joins_channels(node) or _passes_channels(node)):
            return f"{node.op.mnemonic} at {node.location} does not scale with its input"
        # Whatever is followed from an operand on comes by `node` again, and so by `value`.
        return next(filter(None, map(self._trace, node.operands[: _channelled(node)])), None)


def spread_of(node: Node[Op], *, through_sums: bool = False) -> Spread | str:
    """Where the channels that the layer `node` makes go, or why factors cannot follow them."""
    spread = Spread(through_sums=through_sums)
    reason = spread.start(node)
    if reason is None and not spread.readers:
        reason = "no layer reads its result"
    return reason or spread


def _channelled(node: Node[Op]) -> int:
    """How many operands of `node` hold the channels."""
    return len(node.operands) if isinstance(node.op, ops.Add) else 1


def _joins_channels(node: Node[Op]) -> bool:
    """Whether `node` sums maps of equal shapes, channel by channel."""
    shape = node.outputs[0].type.shape
    return (
        isinstance(node.op, ops.Add)
        and node.op.activation in _HOMOGENEOUS
        and all(not v.is_constant and v.type.shape == shape for v in node.operands)
    )


def _unscalable_input(node: Node[Op], value: Value) -> str | None:
    """Why weights of `node` cannot take factors of its input, `value`."""
    weight = node.input(1)
    if node.input(0) is not value or not weight.is_constant or not weight.has_one_use:
        return f"{node.location} shares or computes its weights"
    if isinstance(node.op, ops.Dense) and value.type.rank != 2:
        return f"{node.location} reads more than channels"
    if groups_of(node) > 1 and weight.type.shape[1] > 1:
        return f"{node.location} is grouped"
    return None


def _passes_channels(node: Node[Op]) -> bool:
    """Whether a positive factor on a channel of the input is one on that channel of the result."""
    shape = node.operands[0].type.shape
    match node.op:
        case ops.Relu() | ops.LeakyRelu() | ops.MaxPool() | ops.AvgPool() | ops.GlobalAvgPool():
            return True
        case ops.PRelu():
            return node.input(1).is_constant
        case ops.Clip(minimum=minimum, maximum=None):
            return minimum == 0.0
        case ops.ReduceMean(axes=axes):
            return 0 not in axes and 1 not in axes
        case ops.Pad(before=before, after=after, value=fill, mode=mode):
            still = before[1] == after[1] == 0
            return still and (fill == 0.0 or mode is not ops.PadMode.CONSTANT)
        case ops.Resize():
            return node.op.layout is Layout.NCHW
        case ops.Reshape(shape=target):
            return all(extent == 1 for extent in (*shape[2:], *target[2:])) and (
                tuple(shape[:2]) == tuple(target[:2])
            )
        case _:
            return False


def by_input(node: Node[Op]) -> NDArray[np.float32]:
    """The weights of `node` as [out channels, in channels of a group, taps]."""
    weight = node.input(1).data
    return weight.reshape(*weight.shape[:2], -1)


def by_output(node: Node[Op], inputs: Reals) -> Reals:
    """Numbers of the input channels of `node` as [out channels, in channels of a group]."""
    out_channels, group_channels = node.input(1).type.shape[:2]
    groups = groups_of(node)
    return np.repeat(inputs.reshape(groups, group_channels), out_channels // groups, axis=0)


def divide_outputs(rewriter: Rewriter, node: Node[Op], factors: Reals) -> None:
    """Divide the channels that `node` makes by `factors`."""
    weight, bias = node.input(1), node.optional_input(2)
    shaped = factors.reshape(-1, *(1,) * (weight.type.rank - 1))
    _replace(rewriter, node, 1, weight.data / shaped)
    if bias is not None:
        _replace(rewriter, node, 2, bias.data / factors)


def multiply_inputs(rewriter: Rewriter, node: Node[Op], offset: int, factors: Reals) -> None:
    """Multiply the weights of `node` that meet channels `offset`, ... of its input by `factors`."""
    weight = node.input(1).data.astype(np.float64)
    scale = np.ones(groups_of(node) * weight.shape[1])
    scale[offset : offset + len(factors)] = factors
    scales = by_output(node, scale)
    _replace(rewriter, node, 1, weight * scales.reshape(*scales.shape, *(1,) * (weight.ndim - 2)))


def _replace(rewriter: Rewriter, node: Node[Op], index: int, data: Reals) -> None:
    old = node.input(index)
    rewriter.set_input(node, index, rewriter.constant(data.astype(old.data.dtype), old.name))

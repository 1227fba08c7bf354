"""Folding an affine map of channels into all weighted operators that read it, near or far.

Between the map and the weights may lie operators that commute with it: a positive scale passes
relu, any scale passes a product with something else, both pass averages, and so on. All paths must
end in weights, because what lies on them sees other numbers afterwards.
"""

from __future__ import annotations

from fpc.ir.graph import Node, Value
from fpc.ir.op import Activation, Op, fused_activation
from fpc.ir.ops import (
    AvgPool,
    GlobalAvgPool,
    LeakyRelu,
    MaxPool,
    Mul,
    Relu,
    Reshape,
    Resize,
    Transpose,
)
from fpc.passes.affine import (
    WEIGHTED,
    AffineNode,
    channel_axis,
    pads_nothing,
    scale_inputs,
    weights_known,
)
from fpc.rewrite.rewriter import Rewriter

_MAX_VALUES = 64


def fold_before(node: Node[Op], affine: AffineNode, rewriter: Rewriter) -> str | None:
    """Fold the affine `node` into the weights that its result reaches; the answer says why not."""
    if fused_activation(node.op) is not Activation.NONE:
        return f"{fused_activation(node.op).value} comes between it and what follows"
    reach = _Reach(affine)
    refusal = reach.explore(node.output)
    if refusal is not None:
        return refusal
    for reader, axis in reach.weighted.items():
        x = reader.input(0)
        channels = x.type.shape[axis]
        weights, bias = scale_inputs(reader, affine.map.over(channels))
        old_bias = reader.optional_input(2)
        bias_name = f"{reader.output.name}.bias" if old_bias is None else old_bias.name
        made = rewriter.replace(
            reader,
            reader.op,
            x,
            rewriter.constant(weights, reader.input(1).name),
            None if bias is None else rewriter.constant(bias, bias_name),
        )
        made.location = made.location.merge(node.location)
    rewriter.replace_with_values(node, [affine.operand])
    return None


class _Reach:
    """Where an affine map goes: the values that it changes, and the weights that can take it."""

    def __init__(self, affine: AffineNode) -> None:
        self._map = affine.map
        self._origin_axis = affine.axis
        self._axes: dict[Value, int] = {}
        self._products: list[Node[Op]] = []
        self.weighted: dict[Node[Op], int] = {}

    def explore(self, value: Value) -> str | None:
        """Follow `value` to weights on every path; the answer says what is in the way."""
        self._axes[value] = self._origin_axis
        pending = [value]
        while pending:
            current = pending.pop(0)
            if not current.uses:
                return f"nobody reads %{current.name}"
            for use in current.uses:
                if not isinstance(use.user, Node):
                    return f"%{current.name} is the graph's output"
                refusal = self._enter(use.user, use.position, current, pending)
                if refusal is not None:
                    return refusal
            if len(self._axes) > _MAX_VALUES:
                return "it reaches too far"
        for product in self._products:
            if all(operand in self._axes for operand in product.operands):
                return f"it reaches both factors of {product!r}"
        return None

    def _enter(
        self, node: Node[Op], position: int, value: Value, pending: list[Value]
    ) -> str | None:
        axis = self._axes[value]
        if isinstance(node.op, WEIGHTED) and position == 0:
            return self._enter_weighted(node, axis, value)
        through = self._axis_through(node, axis, value)
        if through is None:
            return f"{node!r} after it has no weights to fold into"
        if isinstance(node.op, Mul):
            self._products.append(node)
        if node.output not in self._axes:
            self._axes[node.output] = through
            pending.append(node.output)
        return None

    def _enter_weighted(self, node: Node[Op], axis: int, value: Value) -> str | None:
        op = node.op
        assert isinstance(op, WEIGHTED)
        if not weights_known(node):
            return f"the weights of {node!r} are not float constants"
        expected = channel_axis(op, value.type.rank)
        if expected != axis and not self._map.is_uniform:
            return f"it maps another axis than the channels of {node!r}"
        if self._map.moves_zero and not pads_nothing(op):
            return f"{node!r} after it pads with zeros, which its shift would move"
        self.weighted[node] = expected
        return None

    def _axis_through(self, node: Node[Op], axis: int, value: Value) -> int | None:
        """The channels' axis in the result of a node that the map commutes with, else None."""
        op = node.op
        match op:
            case Relu() | LeakyRelu():
                commutes = self._map.is_positive and not self._map.moves_zero
            case MaxPool():
                commutes = self._map.is_positive
            case AvgPool():
                counts_padding = op.count_include_pad and any(op.pads)
                commutes = not (self._map.moves_zero and counts_padding)
            case GlobalAvgPool() | Resize():
                commutes = True
            case Mul(Activation.NONE):
                commutes = not self._map.moves_zero and node.output.type.rank == value.type.rank
            case Transpose():
                return op.permutation.index(axis)
            case Reshape():
                kept = op.shape[: axis + 1] == value.type.shape[: axis + 1]
                return axis if kept else 0 if self._map.is_uniform else None
            case _:
                commutes = False
        return axis if commutes else None

"""Groups of activations that share their quantisation.

Ops that only move or select values take and give integers of one quantisation. With a single
operand this simply ties result and operand together. Where several operands meet (concat, maximum,
minimum), they are tied together too, unless that costs: an operand in a prescribed quantisation, or
one of far smaller range that others read as well, keeps its own and is requantised for this reader.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from fpc.ir.graph import Graph, Node, Use, Value
from fpc.ir.op import Op, Quantisation
from fpc.ir.types import QuantParams
from fpc.quant.analysis.saturation import EVERYTHING, Bounds, clamp_bounds, contains
from fpc.quant.calibration.ranges import Ranges, fill_range, hull
from fpc.quant.scheme import Scheme

MOST_WIDENING = 4.0
"""How many times wider than its own an operand's range may become for others' sake: two bits."""


@dataclass
class _Group:
    """The values of one quantisation: their common range, or the parameters prescribed."""

    members: list[Value]
    parts: list[Bounds]
    fixed: QuantParams | None = None


class Unification:
    """The groups of one graph.

    visible gives the bounds outside which a value's readers see nothing (`visible_bounds`). Only
    values that integer nodes read or make have a group.
    """

    def __init__(
        self,
        graph: Graph,
        integer_nodes: AbstractSet[Node[Op]],
        visible: dict[Value, Bounds],
        ranges: Ranges,
        scheme: Scheme,
    ) -> None:
        self._integer_nodes = integer_nodes
        self._visible = visible
        self._ranges = ranges
        self._scheme = scheme
        self._groups: dict[Value, _Group] = {}
        self._requantised: dict[Use, Value] = {}
        for node in graph:
            if node in integer_nodes:
                self._place(node)
        for node in graph:
            if node in integer_nodes and self._meets(node):
                self._join(node)

    def parameters(self) -> dict[Value, QuantParams]:
        """The quantisation of every value that has a group."""
        chosen = {id(group): self._choose(group) for group in self._groups.values()}
        return {value: chosen[id(group)] for value, group in self._groups.items()}

    def requantised(self) -> dict[Use, Value]:
        """The operands that are not tied to their reader, and the reader's result."""
        return dict(self._requantised)

    def _choose(self, group: _Group) -> QuantParams:
        if group.fixed is not None:
            return group.fixed
        return self._scheme.activation_params(*hull(*group.parts))

    def _place(self, node: Node[Op]) -> None:
        """Give the operands and results of `node` their groups, tied where it has one operand."""
        for value in node.operands:
            if not value.is_constant and value not in self._groups:
                self._open(value, [self._ranges.of(value, self._bounds(value))])
        if self._passes_on(node):
            group = self._groups[node.input(0)]
            group.parts.extend(fill_range(node.op, self._bounds(node.outputs[0])))
            for value in node.outputs:
                group.members.append(value)
                self._groups[value] = group
            return
        fixed = self._scheme.fixed_results.get(type(node.op))
        for value in node.outputs:
            parts = [] if self._meets(node) else [self._ranges.of(value, self._bounds(value))]
            self._open(value, parts, fixed)

    def _open(self, value: Value, parts: list[Bounds], fixed: QuantParams | None = None) -> None:
        self._groups[value] = _Group([value], parts, fixed)

    def _bounds(self, value: Value) -> Bounds:
        return self._visible.get(value, EVERYTHING)

    def _meets(self, node: Node[Op]) -> bool:
        return node.op.quantisation is Quantisation.SAME and len(node.operands) > 1

    def _passes_on(self, node: Node[Op]) -> bool:
        """Whether the result of `node` is bound to be quantised as its only operand is."""
        clamp = clamp_bounds(node.op)
        if clamp is not None:
            return contains(clamp, self._bounds(node.input(0)))
        return node.op.quantisation is Quantisation.SAME and len(node.operands) == 1

    def _join(self, node: Node[Op]) -> None:
        result = self._groups[node.outputs[0]]
        bounds = self._bounds(node.outputs[0])
        result.parts.extend(self._ranges.of(v, bounds) for v in node.operands if v.is_constant)
        uses = [Use(node, i) for i, v in enumerate(node.inputs) if v and not v.is_constant]
        groups = [self._groups[node.input(use.position)] for use in uses]
        prescribed = {group.fixed for group in groups}
        if len(prescribed) == 1 and None not in prescribed and not result.parts:
            self._merge(result, *groups)
            return
        total = hull(*result.parts, *(part for group in groups for part in group.parts))
        for use in uses:
            group = self._groups[node.input(use.position)]
            if group.fixed is None and not self._suffers(group, total, node):
                self._merge(result, group)
            else:
                self._requantised[use] = node.outputs[0]
                result.parts.extend(group.parts)

    def _suffers(self, group: _Group, total: Bounds, node: Node[Op]) -> bool:
        """Whether readers other than `node` would lose much precision in the range `total`."""
        low, high = hull(*group.parts, (0.0, 0.0))
        if max(total[1], 0.0) - min(total[0], 0.0) <= MOST_WIDENING * (high - low):
            return False
        tied = set(group.members)
        return any(
            use.user is not node and not self._stays_within(use, tied)
            for value in group.members
            for use in value.uses
        )

    def _stays_within(self, use: Use, tied: set[Value]) -> bool:
        user = use.user
        return isinstance(user, Node) and tied.issuperset(user.outputs)

    def _merge(self, into: _Group, *others: _Group) -> None:
        for other in others:
            if other is into:
                continue
            into.members.extend(other.members)
            into.parts.extend(other.parts)
            into.fixed = into.fixed or other.fixed
            for value in other.members:
                self._groups[value] = into

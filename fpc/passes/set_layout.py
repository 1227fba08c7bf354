"""set-layout: feature maps of every spatial operator in NCHW or NHWC.

The graph is rebuilt operator by operator with axes remapped. Every value is known by the order of
axes it is stored in (`fpc.passes.axis_order`): transposes of the model become relabelling, reshapes
are made of stored tensors, and data moves only where an operator or the graph's interface needs
another order than there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar, cast

from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Layout, Op
from fpc.ir.ops import (
    Add,
    Dense,
    Div,
    MatMul,
    Maximum,
    Minimum,
    Mul,
    PRelu,
    Reshape,
    Slice,
    Split,
    Sub,
    Transpose,
)
from fpc.passes.axis_order import (
    Order,
    Shuffle,
    carry_reshape,
    identity,
    moves_data,
    relabel,
    shuffle_of_last_axis,
    store,
    store_type,
)
from fpc.passes.axis_remapping import order_for_slicing, remap_axes, treats_elements_alike
from fpc.passes.axis_storage import Storage
from fpc.rewrite.invariants import layout_of
from fpc.rewrite.passes import Declined, Pass
from fpc.rewrite.rewriter import Rewriter

_BROADCASTING = (Add, Sub, Mul, Div, Maximum, Minimum, PRelu)
_MOVED: Mapping[Layout, Order] = MappingProxyType(
    {Layout.NHWC: (0, 2, 3, 1), Layout.NCHW: (0, 3, 1, 2)}
)
"""How maps and filters are stored in a layout, by the axes of the other one."""


@dataclass(frozen=True)
class SetLayout(Pass):
    """Brings every spatial operator, its maps and its filters into `layout`.

    `io` says how rank-4 inputs and outputs of the graph are stored: as the model has them (none),
    or in `layout`; those that the model itself brings into that layout stay as they are.
    """

    name: ClassVar[str] = "set-layout"

    layout: Layout = Layout.NHWC
    io: Layout | None = None

    def apply(self, rewriter: Rewriter) -> tuple[Declined, ...]:
        """Rebuild the graph, unless every operator is in the layout already."""
        layouts = {layout_of(node.op) for node in rewriter.graph}
        if layouts - {None, self.layout}:
            _Rebuild(rewriter, self.layout, moves_io=self.io is self.layout).run()
        return ()


class _Rebuild:
    """One rebuilding of a graph in another layout."""

    def __init__(self, rewriter: Rewriter, layout: Layout, *, moves_io: bool) -> None:
        self._rewriter = rewriter
        self._storage = Storage(rewriter)
        self._layout = layout
        self._moved = _MOVED[layout]
        self._moves_io = moves_io
        self._shuffled: dict[Value, tuple[Value, Shuffle]] = {}

    def run(self) -> None:
        """Rebuild every node, let the graph return the new values, and drop the old nodes."""
        graph = self._rewriter.graph
        old_nodes = graph.nodes
        for value in graph.inputs:
            self._take_input(value)
        for node in old_nodes:
            self._rebuild(node)
        names = [value.name for value in graph.outputs]
        self._rewriter.set_outputs(self._outputs(graph))
        for node in reversed(old_nodes):
            self._rewriter.erase(node)
        self._keep_names(graph, names)

    def _take_input(self, value: Value) -> None:
        is_map = value.type.rank == 4 and not self._model_stores(value)
        order = self._moved if self._moves_io and is_map else identity(value.type.rank)
        self._storage.take_input(value, order)

    def _model_stores(self, value: Value) -> bool:
        """Whether the model has an input in the layout already and transposes it itself."""
        back = tuple(self._moved.index(axis) for axis in range(4))
        return bool(value.users) and all(
            isinstance(user.op, Transpose) and user.op.permutation == back for user in value.users
        )

    def _rebuild(self, node: Node[Op]) -> None:
        op = node.op
        if layout_of(op) is not None:
            self._rebuild_spatial(node)
            return
        match op:
            case Transpose():
                operand = node.input(0)
                order, stored = self._storage.natural(operand)
                self._storage.put(node.output, relabel(order, op.permutation), stored)
            case Reshape():
                self._rebuild_reshape(node, op)
            case Dense():
                self._rebuild_dense(node)
            case MatMul():
                orders = [identity(value.type.rank) for value in node.operands]
                self._emit(node, op, orders, [identity(node.output.type.rank)])
            case _ if node.operands[0] in self._shuffled:
                self._rebuild_shuffled(node)
            case _ if isinstance(op, _BROADCASTING):
                self._rebuild_broadcasting(node)
            case Slice() | Split():
                x = node.input(0)
                natural, _ = self._storage.natural(x)
                order = order_for_slicing(op, self._storage.type_of(x).shape, natural)
                self._rebuild_along(node, order)
            case _:
                rank = node.operands[0].type.rank
                wide = [value for value in node.operands if value.type.rank == rank]
                self._rebuild_along(node, self._storage.cheapest(wide))

    def _rebuild_along(self, node: Node[Op], order: Order) -> None:
        """Rebuild a node whose operands of that rank are to be stored in `order`."""
        op, result = remap_axes(node.op, order)
        orders = [
            order if value.type.rank == len(order) else identity(value.type.rank)
            for value in node.operands
        ]
        self._emit(node, op, orders, [result] * len(node.outputs))

    def _rebuild_spatial(self, node: Node[Op]) -> None:
        order = identity(4) if layout_of(node.op) is self._layout else self._moved
        orders = [
            order if value.type.rank == 4 else identity(value.type.rank) for value in node.operands
        ]
        op = replace(cast("Any", node.op), layout=self._layout)
        self._emit(node, op, orders, [order])

    def _rebuild_broadcasting(self, node: Node[Op]) -> None:
        rank = node.output.type.rank
        order = self._storage.cheapest([v for v in node.operands if v.type.rank == rank])
        stored = [
            value
            if value.type.size == 1 and value.is_constant
            else self._storage.widened(value, rank, order, node)
            for value in node.operands
        ]
        self._finish(node, node.op, stored, [order])

    def _rebuild_reshape(self, node: Node[Op], op: Reshape) -> None:
        x = node.input(0)
        before = self._storage.type_of(x).shape
        order, stored = self._storage.natural(x)
        carried = carry_reshape(before, op.shape, order)
        if moves_data(before, order, carried.operand) and self._reaches_only_dense(node.output):
            shuffle = shuffle_of_last_axis(before, op.shape, order)
            if shuffle is not None:
                made = self._rewriter.insert(op, stored, before=node, name=node.output.name)
                self._shuffled[node.output] = (made.output, shuffle)
                return
        result = carried.result
        stays = node.output.is_graph_output and not self._moves_io
        if len(op.shape) == 4 and not stays and not moves_data(op.shape, result, self._moved):
            result = self._moved
        self._emit(node, Reshape(store(op.shape, result)), [carried.operand], [result])

    def _reaches_only_dense(self, value: Value) -> bool:
        """Whether only dense layers with constant weights read `value`, or functions of it."""
        if value.is_graph_output or not value.users:
            return False
        return all(
            (isinstance(user.op, Dense) and user.input(1).is_constant and user.input(0) is value)
            or (treats_elements_alike(user.op) and self._reaches_only_dense(user.output))
            for user in value.users
        )

    def _rebuild_shuffled(self, node: Node[Op]) -> None:
        """A function of each element works on shuffled elements too."""
        stored, shuffle = self._shuffled[node.operands[0]]
        made = self._rewriter.insert(
            node.op,
            stored,
            before=node,
            name=node.output.name,
            results=[node.output.type],
        )
        self._shuffled[node.output] = (made.output, shuffle)

    def _rebuild_dense(self, node: Node[Op]) -> None:
        x, weights = node.input(0), node.input(1)
        shuffled = self._shuffled.get(x)
        rank = x.type.rank
        if shuffled is not None:
            stored, shuffle = shuffled
            bias = node.optional_input(2)
            inputs = [stored, self._storage.shuffled_constant(weights, shuffle), bias]
            self._finish(node, node.op, inputs, [identity(rank)])
            return
        order, _ = self._storage.natural(x)
        if order[-1] != rank - 1:
            order = identity(rank)
        others = [identity(value.type.rank) for value in node.operands[1:]]
        self._emit(node, node.op, [order, *others], [order])

    def _emit(
        self, node: Node[Op], op: Op, orders: Sequence[Order], results: Sequence[Order]
    ) -> None:
        """Apply `op` to the operands of `node` stored in `orders`."""
        pending = iter(orders)
        inputs = [
            None if value is None else self._storage.get(value, next(pending), node)
            for value in node.inputs
        ]
        self._finish(node, op, inputs, results)

    def _finish(
        self, node: Node[Op], op: Op, inputs: Sequence[Value | None], results: Sequence[Order]
    ) -> None:
        types = [
            store_type(value.type, order)
            for value, order in zip(node.outputs, results, strict=True)
        ]
        made = self._rewriter.insert(
            op, *inputs, before=node, name=node.outputs[0].name, results=types
        )
        for old, order, new in zip(node.outputs, results, made.outputs, strict=True):
            self._storage.put(old, order, new)

    def _outputs(self, graph: Graph) -> list[Value]:
        """What the graph returns from now on: a value of its own for every output."""
        taken: set[Value] = set()
        returned: list[Value] = []
        for old in graph.outputs:
            order, _ = self._storage.natural(old)
            wanted = order if self._moves_io and order == self._moved else identity(old.type.rank)
            value = self._storage.get(old, wanted, None)
            if value in taken or (value.producer is None and value is not old):
                value = self._rewriter.insert(
                    Reshape(value.type.shape), value, before=None, location=old.location
                ).output
            taken.add(value)
            returned.append(value)
        return returned

    def _keep_names(self, graph: Graph, outputs: Sequence[str]) -> None:
        """Give values the names that the old ones had, outputs first, each value once."""
        named = set(graph.outputs)
        for value, name in zip(graph.outputs, outputs, strict=True):
            if value.producer is not None and value.name != name:
                self._rewriter.rename(value, name)
        for name, value in self._storage.successors():
            if value.producer is not None and value not in named and value.name != name:
                self._rewriter.rename(value, name)
            named.add(value)

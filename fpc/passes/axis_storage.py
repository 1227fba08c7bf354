"""How every value of a graph that is being rebuilt is stored, and moving it where need be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fpc.ir.graph import Node, Value
from fpc.ir.op import Op
from fpc.ir.ops import Reshape, Transpose
from fpc.ir.types import TensorType
from fpc.passes.axis_order import (
    Order,
    Shuffle,
    identity,
    moves_data,
    permutation,
    store_type,
)
from fpc.rewrite.rewriter import Rewriter


class Storage:
    """For every value of the old graph, the new values that hold it and their orders of axes.

    A constant can be had in any order at no cost; a computed value is transposed once an order.
    """

    def __init__(self, rewriter: Rewriter) -> None:
        self._rewriter = rewriter
        self._stored: dict[Value, dict[Order, Value]] = {}
        self._input_types: dict[Value, TensorType] = {}

    def take_input(self, value: Value, order: Order) -> None:
        """Let an input of the graph be stored in `order` from now on."""
        kind = value.type
        self._input_types[value] = kind
        if order != identity(kind.rank):
            self._rewriter.retype_input(value, store_type(kind, order))
        self._stored[value] = {order: value}

    def type_of(self, value: Value) -> TensorType:
        """The type that the old graph gives `value`."""
        return self._input_types.get(value, value.type)

    def put(self, value: Value, order: Order, stored: Value) -> None:
        """`stored` holds `value` in `order`."""
        self._stored[value] = {order: stored}

    def natural(self, value: Value) -> tuple[Order, Value]:
        """The order in which `value` was made, and what holds it."""
        if value.is_constant:
            return identity(value.type.rank), value
        return next(iter(self._stored[value].items()))

    def get(self, value: Value, order: Order, before: Node[Op] | None) -> Value:
        """What holds `value` in `order`, moved there just before the node `before` if need be."""
        if value.is_constant:
            return self._constant(value, order)
        known = self._stored[value]
        if order not in known:
            have, stored = self.natural(value)
            known[order] = self._move(value, stored, have, order, before)
        return known[order]

    def widened(self, value: Value, rank: int, order: Order, before: Node[Op]) -> Value:
        """What holds `value` in `order` after axes of extent 1 were put in front up to `rank`."""
        kind = self.type_of(value)
        if kind.rank == rank or order == identity(rank):
            return self.get(value, order if kind.rank == rank else identity(kind.rank), before)
        wide = kind.with_shape((1,) * (rank - kind.rank) + kind.shape)
        stored = self.get(value, identity(kind.rank), before)
        target = store_type(wide, order)
        if value.constant is not None and not value.constant.is_abstract:
            data = np.transpose(value.data.reshape(wide.shape), order)
            return self._rewriter.constant(np.ascontiguousarray(data), value.name, target.quant)
        if moves_data(wide.shape, identity(rank), order):
            reshaped = self._insert(Reshape(wide.shape), stored, wide, before, value)
            return self._insert(Transpose(order), reshaped, target, before, value)
        return self._insert(Reshape(target.shape), stored, target, before, value)

    def cheapest(self, values: Sequence[Value]) -> Order:
        """The order in which all of `values`, of one rank, can be had by moving least."""
        rank = values[0].type.rank
        orders = dict.fromkeys(
            order for value in values if not value.is_constant for order in self._stored[value]
        )
        if not orders:
            return identity(rank)

        def moved(order: Order) -> int:
            return sum(
                self.type_of(value).size
                for value in values
                if not value.is_constant
                and order not in self._stored[value]
                and moves_data(self.type_of(value).shape, self.natural(value)[0], order)
            )

        return min(orders, key=moved)

    def successors(self) -> Iterator[tuple[str, Value]]:
        """The name of every old value with the new value first made for it."""
        for value, known in self._stored.items():
            yield value.name, next(iter(known.values()))

    def _move(
        self, value: Value, stored: Value, have: Order, want: Order, before: Node[Op] | None
    ) -> Value:
        target = store_type(self.type_of(value), want)
        if moves_data(self.type_of(value).shape, have, want):
            op = Transpose(permutation(have, want))
            return self._insert(op, stored, target, before, value)
        return self._insert(Reshape(target.shape), stored, target, before, value)

    def _constant(self, value: Value, order: Order) -> Value:
        if order == identity(value.type.rank):
            return value
        known = self._stored.setdefault(value, {})
        if order not in known:
            kind = store_type(value.type, order)
            assert value.constant is not None
            if value.constant.is_abstract:
                moved = self._rewriter.graph.constant_of(value.constant, kind, value.name)
            else:
                data = np.ascontiguousarray(np.transpose(value.data, order))
                moved = self._rewriter.constant(data, value.name, kind.quant)
            known[order] = moved
        return known[order]

    def shuffled_constant(self, weights: Value, shuffle: Shuffle) -> Value:
        """Dense weights whose columns follow the stored order of the features."""
        assert weights.constant is not None
        if weights.constant.is_abstract:
            return weights
        data = shuffle.apply(weights.data)
        return self._rewriter.constant(data, weights.name, weights.type.quant)

    def _insert(
        self, op: Op, x: Value, kind: TensorType, before: Node[Op] | None, origin: Value
    ) -> Value:
        made = self._rewriter.insert(
            op, x, before=before, name=origin.name, results=[kind], location=origin.location
        )
        return made.output

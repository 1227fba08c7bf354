"""NAS-Bench-201's networks (Dong and Yang 2020): one cell of four nodes, fifteen times.

A cell is written as six digits, the operation of each edge, in the order 0-1, 0-2, 1-2, 0-3, 1-3,
2-3 and with 0 none, 1 skip, 2 1x1 convolution, 3 3x3 convolution, 4 3x3 average pooling. That is
the benchmark's own order, and the one of LatBench's 12,177 latencies, whose file does not say:

- A regression on the counts of the operations on edges that lie on a path from node 0 to node 3
  misses the Kryo 485 latencies by 4.5 % with this order of edges (or its mirror image, which the
  space cannot tell apart) and by 8.2 % or more with each other order of the six.
- It gives an operation, in ms on Kryo 485 and Hexagon 690: 1 0.0 and 0.13, 2 1.8 and 0.41,
  3 2.8 and 0.48, 4 1.4 and 0.26: a skip, the 1x1, the 3x3 and the pooling.
- No cell of the file lacks a path over edges that are not 0, as 341 of the 15,625 cells do.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from fpc.diagnostics.errors import UsageError
from fpc.ir.graph import Graph, Value
from fpc.zoo.builder import Affine, NetworkBuilder, Nonlinearity, Padding

_RELU = Nonlinearity.RELU
_NONE = Nonlinearity.NONE
_CELLS_PER_STAGE = 5
_ENDS = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
_OUTPUT = 3

_Make: TypeAlias = Callable[[Nonlinearity], Value]
"""Adds the operators of a map, the last with a nonlinearity."""


class Operation(enum.Enum):
    """What an edge of a cell computes; the value is its digit."""

    NONE = 0
    SKIP = 1
    CONV_1X1 = 2
    CONV_3X3 = 3
    AVG_POOL_3X3 = 4


_KERNELS = ((Operation.CONV_1X1, 1), (Operation.CONV_3X3, 3))


class Edge(NamedTuple):
    """An operation from one node of the cell to a later one."""

    source: int
    target: int
    operation: Operation

    @property
    def kernel(self) -> int | None:
        """The extent of the convolution, where it is one."""
        return dict(_KERNELS).get(self.operation)


class _Need(enum.Flag):
    """In which forms a map is read: convolutions read it after a ReLU."""

    NOTHING = 0
    PLAIN = enum.auto()
    RECTIFIED = enum.auto()


class _Once:
    """Operators without weights that several edges share, each applied once to its operands."""

    def __init__(self, b: NetworkBuilder) -> None:
        self.builder = b
        self._made: dict[tuple[object, ...], Value] = {}

    def pool(self, x: Value) -> Value:
        """The 3x3 average pooling of x."""
        return self._once(("pool", x), lambda: self.builder.avg_pool(x, 3, 1))

    def rectify(self, x: Value) -> Value:
        """The ReLU of x."""
        return self._once(("relu", x), lambda: self.builder.activation(x, _RELU))

    def add(self, x: Value, y: Value, act: Nonlinearity = _NONE) -> Value:
        """x + y and a nonlinearity."""
        return self._once(("add", x, y, act), lambda: self.builder.add(x, y, act))

    def _once(self, key: tuple[object, ...], make: Callable[[], Value]) -> Value:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


class _Map(NamedTuple):
    """A map in its two forms; one that nobody reads may hold the other."""

    plain: Value
    rectified: Value


def nas_bench_201(cell: str = "333333", resolution: int = 32, seed: int | None = None) -> Graph:
    """The CIFAR-10 network of `cell`; published for 333333: 1.53 M parameters, 220.1 M.

    The last batch norm is left out where the last cell ends in a convolution, which has one.
    `UsageError` for anything but six digits from 0 to 4, and for a cell without a path from its
    input to its output.
    """
    edges = live_edges(cell)
    b = NetworkBuilder(f"nas_bench_201_{cell}", seed=seed)
    once = _Once(b)
    image = b.input(3, resolution, resolution)
    x = _stage(
        once, lambda act: b.conv(image, 16, 3, act=act), edges, _Need.PLAIN | _Need.RECTIFIED
    )
    x = _stage(once, _reduction(b, x, 32), edges, _Need.PLAIN | _Need.RECTIFIED)
    if _is_convolution(edges, _OUTPUT):
        y = _stage(once, _reduction(b, x, 64), edges, _Need.RECTIFIED).rectified
    else:
        y = b.batch_norm(_stage(once, _reduction(b, x, 64), edges, _Need.PLAIN).plain, _RELU)
    return b.finish(b.classifier(y, 10))


def live_edges(cell: str) -> tuple[Edge, ...]:
    """The edges of `cell` that lie on a path from its input to its output; `UsageError`."""
    digits = {str(operation.value): operation for operation in Operation}
    if len(cell) != len(_ENDS) or not set(cell) <= set(digits):
        raise UsageError(
            "network-cell",
            f"`{cell}` is not a cell of NAS-Bench-201",
            help="give six digits from 0 to 4, one an edge, such as 333333",
        )
    edges = [Edge(*ends, digits[digit]) for ends, digit in zip(_ENDS, cell, strict=True)]
    edges = [edge for edge in edges if edge.operation is not Operation.NONE]
    reached = {0}
    for edge in edges:
        if edge.source in reached:
            reached.add(edge.target)
    leading = {_OUTPUT}
    for edge in reversed(edges):
        if edge.target in leading:
            leading.add(edge.source)
    live = tuple(edge for edge in edges if edge.source in reached and edge.target in leading)
    if not live:
        raise UsageError(
            "network-cell",
            f"no path leads through the cell {cell}",
            help="edge 0-3, or edges that meet, must have an operation other than 0",
        )
    return live


def _stage(once: _Once, make: _Make, edges: Sequence[Edge], need: _Need) -> _Map:
    """The cells of one width after the map of `make`; `need` is how their result is read."""
    needs = [need]
    for _ in range(_CELLS_PER_STAGE):
        needs.append(_need(edges, 0, needs[-1]))
    x = _realise(once, make, needs.pop())
    while needs:
        x = _cell(once, x, edges, needs.pop())
    return x


def _need(edges: Sequence[Edge], node: int, need: _Need) -> _Need:
    """How `node` of a cell is read; `need` is how the cell's result is."""
    if node == _OUTPUT:
        return need
    total = _Need.PLAIN if node == 2 and _is_summed_twice(edges) else _Need.NOTHING
    for edge in edges:
        if edge.source != node:
            continue
        if _renames(edge, edges):
            total |= _need(edges, edge.target, need)
        else:
            total |= _Need.PLAIN if edge.kernel is None else _Need.RECTIFIED
    return total


def _is_summed_twice(edges: Sequence[Edge]) -> bool:
    """Whether the sum that is node 2 also begins the sum that is node 3."""
    first = [edge for edge in edges if edge.target == 2]
    second = [edge for edge in edges if edge.target == _OUTPUT][:2]
    return (
        len(first) == 2
        and all(edge.kernel is None for edge in first)
        and [(e.source, e.operation) for e in first] == [(e.source, e.operation) for e in second]
    )


def _is_convolution(edges: Sequence[Edge], node: int) -> bool:
    """Whether a convolution alone makes the map of `node`."""
    terms = [edge for edge in edges if edge.target == node]
    if len(terms) != 1:
        return False
    if terms[0].operation is Operation.SKIP:
        return _is_convolution(edges, terms[0].source)
    return terms[0].kernel is not None


def _renames(edge: Edge, edges: Sequence[Edge]) -> bool:
    """Whether the edge's target is its source."""
    alone = all(other is edge or other.target != edge.target for other in edges)
    return alone and edge.operation is Operation.SKIP


def _realise(once: _Once, make: _Make, need: _Need) -> _Map:
    if need is _Need.RECTIFIED:
        y = make(_RELU)
        return _Map(y, y)
    y = make(_NONE)
    return _Map(y, once.rectify(y) if _Need.RECTIFIED in need else y)


def _cell(once: _Once, x: _Map, edges: Sequence[Edge], need: _Need) -> _Map:
    nodes = {0: x}
    for target in sorted({edge.target for edge in edges}):
        terms = [edge for edge in edges if edge.target == target]
        if _renames(terms[0], edges):
            nodes[target] = nodes[terms[0].source]
        else:
            nodes[target] = _realise(once, _sum(once, nodes, terms), _need(edges, target, need))
    return nodes[_OUTPUT]


def _sum(once: _Once, nodes: Mapping[int, _Map], edges: Sequence[Edge]) -> _Make:
    def make(act: Nonlinearity) -> Value:
        *others, last = edges
        if not others:
            return _term(once, nodes[last.source], last, act)
        total = _term(once, nodes[others[0].source], others[0], _NONE)
        for edge in others[1:]:
            total = once.add(total, _term(once, nodes[edge.source], edge, _NONE))
        return once.add(total, _term(once, nodes[last.source], last, _NONE), act)

    return make


def _term(once: _Once, x: _Map, edge: Edge, act: Nonlinearity) -> Value:
    if edge.kernel is not None:
        return once.builder.conv(x.rectified, x.rectified.type.shape[1], edge.kernel, act=act)
    if edge.operation is Operation.AVG_POOL_3X3:
        y = once.pool(x.plain)
        return y if act is _NONE else once.rectify(y)
    return x.plain


def _reduction(b: NetworkBuilder, x: _Map, channels: int) -> _Make:
    """A residual block at stride 2."""

    def make(act: Nonlinearity) -> Value:
        y = b.conv(x.rectified, channels, 3, stride=2, act=_RELU)
        y = b.conv(y, channels, 3)
        halved = b.avg_pool(x.plain, 2, 2, Padding.VALID)
        return b.add(b.conv(halved, channels, affine=Affine.NONE), y, act)

    return make

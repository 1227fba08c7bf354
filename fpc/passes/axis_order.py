"""Orders of axes: how a tensor lies in memory beside how the graph speaks of it.

An order lists, for every axis as stored, the axis it is in the graph: a map N, C, H, W stored as
N, H, W, C has order (0, 2, 3, 1). A transpose only changes the order by which a stored tensor is
known, and a reshape can often be made of the stored tensor as well: `carry_reshape`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from fpc.ir.constant import Array
from fpc.ir.types import TensorType

Order: TypeAlias = tuple[int, ...]
Shape: TypeAlias = tuple[int, ...]
T = TypeVar("T")


def identity(rank: int) -> Order:
    """Stored as the graph says."""
    return tuple(range(rank))


def store(entries: Sequence[T], order: Order) -> tuple[T, ...]:
    """One entry an axis of the graph, rearranged to one entry a stored axis."""
    return tuple(entries[axis] for axis in order)


def store_type(kind: TensorType, order: Order) -> TensorType:
    """The type of a tensor of type `kind` stored in `order`."""
    quant = kind.quant
    if quant is not None and quant.axis is not None:
        quant = quant.with_axis(order.index(quant.axis))
    return TensorType(kind.dtype, store(kind.shape, order), quant)


def permutation(have: Order, want: Order) -> Order:
    """The transpose that brings a tensor stored in `have` into `want`."""
    return tuple(have.index(axis) for axis in want)


def relabel(order: Order, transpose: Order) -> Order:
    """The order in which a stored tensor is the result of `transpose` applied to what it was."""
    return tuple(transpose.index(axis) for axis in order)


def moves_data(shape: Shape, have: Order, want: Order) -> bool:
    """Whether memory differs between two orders of a tensor; axes of extent 1 lie anywhere."""
    wide = [[axis for axis in order if shape[axis] != 1] for order in (have, want)]
    return wide[0] != wide[1]


@dataclass(frozen=True)
class _Block:
    """Consecutive axes before and after a reshape that hold the same elements."""

    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True)
class CarriedReshape:
    """A reshape made of a stored tensor: the order it must be stored in, and that of the result."""

    operand: Order
    result: Order


def carry_reshape(before: Shape, after: Shape, order: Order) -> CarriedReshape:
    """How to reshape a tensor of shape `before`, stored in `order`, to `after`, moving little.

    Axes that the reshape joins or splits must lie side by side in the graph's order; the groups
    themselves may lie in any order. The operand's order is `order` itself where that holds.
    """
    blocks = _blocks(before, after)
    position = {axis: index for index, axis in enumerate(order)}
    keyed: list[tuple[float, _Block]] = []
    key = -1.0
    for block in blocks:
        wide = [axis for axis in block.before if before[axis] != 1]
        anchors = wide or block.before
        key = float(min(position[axis] for axis in anchors)) if anchors else key + 0.5
        keyed.append((key, block))
    keyed.sort(key=lambda pair: pair[0])
    operand = tuple(axis for _, block in keyed for axis in block.before)
    result = tuple(axis for _, block in keyed for axis in block.after)
    if not moves_data(before, order, operand):
        operand = order
    return CarriedReshape(operand, result)


@dataclass(frozen=True)
class Shuffle:
    """An axis that holds other axes flattened, of `extents`, in `order` instead of in sequence."""

    extents: Shape
    order: Order

    def apply(self, data: Array) -> Array:
        """`data` with the elements along its last axis shuffled."""
        split = data.reshape(*data.shape[:-1], *self.extents)
        leading = data.ndim - 1
        axes = (*range(leading), *(leading + axis for axis in self.order))
        return split.transpose(axes).reshape(data.shape)


def shuffle_of_last_axis(before: Shape, after: Shape, order: Order) -> Shuffle | None:
    """What becomes of the last axis when a tensor stored in `order` is flattened as it is stored.

    Only for a reshape that joins trailing axes into the last one while the leading ones are stored
    first and in order; None otherwise.
    """
    if not after or len(after) > len(before) or before[: len(after) - 1] != after[:-1]:
        return None
    leading = len(after) - 1
    if order[:leading] != identity(leading):
        return None
    return Shuffle(before[leading:], tuple(axis - leading for axis in order[leading:]))


def _blocks(before: Shape, after: Shape) -> list[_Block]:
    """The finest groups of axes that hold the same elements on both sides."""
    if 0 in before:
        return [_Block(identity(len(before)), identity(len(after)))]
    blocks: list[_Block] = []
    i = j = 0
    while i < len(before) and j < len(after):
        first_i, first_j = i, j
        size_i, size_j = before[i], after[j]
        i, j = i + 1, j + 1
        while size_i != size_j:
            if size_i < size_j:
                size_i *= before[i]
                i += 1
            else:
                size_j *= after[j]
                j += 1
        blocks.append(_Block(tuple(range(first_i, i)), tuple(range(first_j, j))))
    blocks.extend(_Block((axis,), ()) for axis in range(i, len(before)))
    blocks.extend(_Block((), (axis,)) for axis in range(j, len(after)))
    return blocks

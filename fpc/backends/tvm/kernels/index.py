"""Elements of tensors by their logical index, wherever they lie in memory."""

from __future__ import annotations

from collections.abc import Sequence

from fpc.backends.tvm.library import Expression


def logical(shape: Sequence[int], row: Expression, column: Expression) -> tuple[Expression, ...]:
    """The index along every axis of `shape` of the element at a stored row and column."""
    if not shape:
        return ()
    index: list[Expression] = [column]
    inner = 1
    for axis in range(len(shape) - 2, -1, -1):
        # The outermost axis takes what is left.
        index.append(row // inner if axis == 0 else row // inner % shape[axis])
        inner *= shape[axis]
    return tuple(reversed(index))


def place(shape: Sequence[int], index: Sequence[Expression]) -> tuple[Expression, Expression]:
    """The stored row and column of the element at a logical index."""
    row: Expression = 0
    for extent, at in zip(shape[:-1], index[:-1], strict=True):
        row = row * extent + at
    return row, index[-1] if index else 0

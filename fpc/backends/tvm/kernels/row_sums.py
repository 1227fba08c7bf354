"""Sums of neighbouring rows, column by column."""

from __future__ import annotations

from collections.abc import Callable

from fpc.backends.tvm.kernels.loops import sum_rows_in_vectors
from fpc.backends.tvm.library import Expression, Library, Schedule, Tensor

_PARTS = (8, 4, 2)


def sums_of_rows(
    library: Library,
    value: Callable[[Expression, Expression], Expression],
    shape: tuple[int, int],
    count: int,
) -> Tensor:
    """The sums of the values of every `count` neighbouring rows, as many as `shape` says.

    Parts of them are summed first where that comes out even: the threads that share these parts
    have each written about those rows, and find them in their caches.
    """
    sums, columns = shape
    parts = _parts(count)
    i, j = library.reduce_axis(count // parts, "i"), library.reduce_axis(parts, "j")

    def of_part(part: Expression, column: Expression) -> Expression:
        return library.sum(value(part * (count // parts) + i, column), (i,))

    if parts == 1:
        return library.compute(shape, of_part, "totals")
    of_parts = library.compute((sums * parts, columns), of_part, "parts")

    def total(row: Expression, column: Expression) -> Expression:
        return library.sum(of_parts[row * parts + j, column], (j,))

    return library.compute(shape, total, "totals")


def sum_in_vectors(schedule: Schedule, count: int, lanes: int) -> None:
    """Let `sums_of_rows`, and the block `result` that takes them, be made in vectors of columns."""
    sum_rows_in_vectors(schedule, lanes)
    if _parts(count) == 1:
        return
    parts = schedule.get_sblock("parts")
    _, column, row = schedule.get_loops(parts)
    outer, lane = schedule.split(column, [None, lanes])
    schedule.reorder(outer, row, lane)
    schedule.vectorize(lane)
    schedule.decompose_reduction(parts, row)


def _parts(count: int) -> int:
    return next((n for n in _PARTS if count % n == 0), 1)

"""Schedules that need no thought: loops over elements, in vectors."""

from __future__ import annotations

from fpc.backends.tvm.library import Schedule


def vectorise_rows(schedule: Schedule, block: str, lanes: int) -> None:
    """Let the innermost loop of a block run in vectors, as wide as divide it."""
    loop = schedule.get_loops(schedule.get_sblock(block))[-1]
    extent = int(schedule.get(loop).extent)
    width = next(width for width in range(min(4 * lanes, extent), 0, -1) if extent % width == 0)
    if width == 1:
        return
    _, vector = schedule.split(loop, [None, width])
    schedule.vectorize(vector)


def reduce_in_vectors(schedule: Schedule, block: str, lanes: int) -> None:
    """Let a reduction over two axes run over vectors of the innermost loop, outside of its own."""
    reduction = schedule.get_sblock(block)
    *_, channel, i, j = schedule.get_loops(reduction)
    outer, lane = schedule.split(channel, [None, lanes])
    schedule.reorder(outer, i, j, lane)
    # A reduction takes no vectors any more once its start is a block of its own.
    schedule.vectorize(lane)
    schedule.decompose_reduction(reduction, i)

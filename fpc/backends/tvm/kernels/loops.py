"""Schedules that need no thought: loops over elements, in vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from fpc.backends.tvm.library import Block, Loop, Schedule

Start: TypeAlias = Callable[[Schedule, Block, Loop], Block]
"""Makes a block of its own of how a reduction begins, before a loop of its."""


def start_from_zero(schedule: Schedule, reduction: Block, loop: Loop) -> Block:
    """Part the start of the sums from their steps, before `loop`; the start."""
    return schedule.decompose_reduction(reduction, loop)


def vectorise_rows(schedule: Schedule, block: str | Block, lanes: int, *borders: int) -> None:
    """Let the innermost loop of a block run in vectors that divide it and end at `borders`.

    Conditions that hold up to a border then hold for whole vectors. Vectors are 4, 2 or 1
    times `lanes`, where the loop allows it: LLVM takes those of 3 to pieces.
    """
    found = schedule.get_sblock(block) if isinstance(block, str) else block
    loop = schedule.get_loops(found)[-1]
    extent = math.gcd(int(schedule.get(loop).extent), *borders)
    divisors = [width for width in range(min(4 * lanes, extent), 0, -1) if extent % width == 0]
    whole = (width for width in (4 * lanes, 2 * lanes, lanes) if width in divisors)
    width = next(whole, divisors[0])
    if width == 1:
        return
    _, vector = schedule.split(loop, [None, width])
    schedule.vectorize(vector)


def fill_then_copy(schedule: Schedule, block: str, lanes: int) -> None:
    """Fill a padded tensor with its padding, then copy what is inside, both without conditions.

    Its innermost two loops are over rows and what lies in them. A part of it may need no padding.
    """
    padded = schedule.get_sblock(block)
    *_, row, _ = schedule.get_loops(padded)
    if schedule.can_decompose_padding(padded, row):
        fill = schedule.decompose_padding(padded, row)
        schedule.fuse(*schedule.get_loops(fill)[-2:])
        vectorise_rows(schedule, fill, lanes)
    vectorise_rows(schedule, padded, lanes)


def reduce_in_vectors(schedule: Schedule, block: str, lanes: int) -> None:
    """Let a reduction over two axes run over vectors of the innermost loop, outside of its own.

    Vectors are `lanes` long, or as long as the loop allows.
    """
    reduction = schedule.get_sblock(block)
    *_, channel, i, j = schedule.get_loops(reduction)
    width = math.gcd(int(schedule.get(channel).extent), lanes)
    outer, lane = schedule.split(channel, [None, width])
    schedule.reorder(outer, i, j, lane)
    # A reduction takes no vectors any more once its start is a block of its own.
    schedule.vectorize(lane)
    schedule.decompose_reduction(reduction, i)


def sum_rows_in_vectors(schedule: Schedule, lanes: int) -> None:
    """Let the block `totals` sum rows in vectors of columns, as the block `result` needs them."""
    totals, result = schedule.get_sblock("totals"), schedule.get_sblock("result")
    _, column = schedule.get_loops(result)
    outer, lane = schedule.split(column, [None, lanes])
    schedule.compute_at(totals, outer, preserve_unit_loops=True)
    *_, across, i = schedule.get_loops(totals)
    schedule.reorder(i, across)
    schedule.vectorize(across)
    schedule.decompose_reduction(totals, i)
    schedule.vectorize(lane)

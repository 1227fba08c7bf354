"""Kernels on several threads: which ones gain by it, and the turns that threads share.

The libraries are the same for any number of threads: one thread takes all turns itself.
"""

from __future__ import annotations

import math

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.kernel import Kernel
from fpc.backends.tvm.library import Library, Loop, Schedule

FORK_CYCLES = 3072
"""Cycles of a kernel from which sharing it among threads pays.

Handing turns to TVM's waiting threads and waiting for them takes 0.5 to 1 us. On a Xeon at 3.5 GHz
two threads are no faster than one for a kernel of 1 us alone; in a network each then finds in its
cache what it has written before.
"""

_NEST_STEPS = 1 / 16
"""A nest of fewer vectors or sums, as a share of `FORK_CYCLES`, is left to one thread."""

_FEWEST_TURNS = 8
_THREADS = (2, 4)
"""How many threads are to have the same to do, but for the share `_WAITING`."""
_WAITING = 0.2


def gains_by_threads(kernel: Kernel, isa: Isa) -> bool:
    """Whether a kernel is longer than `FORK_CYCLES`, a product or element a lane and cycle."""
    elements = sum(math.prod(buffer.shape) for buffer in (*kernel.operands, kernel.result))
    return kernel.products + elements >= FORK_CYCLES * isa.lanes


def make_turns(library: Library, schedule: Schedule) -> None:
    """Let the outermost loop of every nest that is not short be one of turns for threads.

    They are turns of its own outermost loops, which belong to no sum, as few of them as will do.
    """
    for block in schedule.get_child_blocks(schedule.get_sblock("root")):
        loops = schedule.get_loops(block)
        if not loops:
            continue
        nest = schedule.get(loops[0])
        if not library.may_be_shared(nest) or library.steps(nest) < FORK_CYCLES * _NEST_STEPS:
            continue
        chosen = _outermost(library, schedule, loops)
        loop = schedule.fuse(*chosen) if len(chosen) > 1 else chosen[0]
        extent = int(schedule.get(loop).extent)
        turns = turns_of(extent)
        if turns < extent:
            loop, _ = schedule.split(loop, [turns, None])
        library.share(schedule, loop)


def _outermost(library: Library, schedule: Schedule, loops: list[Loop]) -> list[Loop]:
    """The fewest outermost loops with turns enough, of those that hold nothing but each other."""
    turns = 1
    for count, loop in enumerate(loops, 1):
        statement = schedule.get(loop)
        turns *= int(statement.extent)
        inner = loops[count : count + 1]
        alone = inner and statement.body.same_as(schedule.get(inner[0]))
        if turns >= _FEWEST_TURNS or not alone or not library.may_be_shared(schedule.get(inner[0])):
            return loops[:count]
    return loops


def turns_of(extent: int) -> int:
    """Into how many turns of equal length a loop is split: as few as keep threads equally busy."""
    enough = [n for n in range(_FEWEST_TURNS, extent + 1) if extent % n == 0]

    def waiting(turns: int) -> float:
        """By what the last thread has more to do than the mean."""
        return max(threads * -(-turns // threads) / turns for threads in _THREADS) - 1

    return min(enough, key=lambda turns: (max(waiting(turns), _WAITING), turns), default=extent)

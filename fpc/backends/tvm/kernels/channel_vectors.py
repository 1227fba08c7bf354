"""Depthwise results written one vector of channels at a time, from a padded copy of its own."""

from __future__ import annotations

from fpc.backends.tvm.kernels.depthwise import DepthwiseTile
from fpc.backends.tvm.kernels.requantise import TOTALS
from fpc.backends.tvm.kernels.window import Window
from fpc.backends.tvm.library import Loop, Schedule

_COPIED_ONCE = 8
"""Lines of a map for each that two bands of it both copy, at least."""


def write_by_vector(
    schedule: Schedule, window: Window, tile: DepthwiseTile, lanes: int
) -> tuple[Loop, Loop]:
    """Let the block `result` be written tile by tile of the lines of one vector of channels.

    The vector is copied into `padded` before, and the block `TOTALS` sums a tile at a time. Gives
    the loops over the positions of a tile and its lanes.
    """
    padded, totals, result = map(schedule.get_sblock, ("padded", TOTALS, "result"))
    row, channel = schedule.get_loops(result)
    bands, blocks = window.batch * _bands(window), window.count[1] // tile.positions
    band, line, block, position = schedule.split(row, [bands, None, blocks, tile.positions])
    vector, lane = schedule.split(channel, [None, lanes])
    schedule.reorder(band, vector, line, block, position, lane)
    schedule.compute_at(totals, block, preserve_unit_loops=True)
    schedule.compute_at(padded, vector, preserve_unit_loops=True)
    schedule.vectorize(schedule.get_loops(padded)[-1])
    return position, lane


def _bands(window: Window) -> int:
    """Into how many bands of lines a map is cut, each padded on its own: one a thread of two.

    Threads that share lines would write into the same lines of the cache.
    """
    copied, stride, count = window.reach[0], window.strides[0], window.count[0]
    twice = copied - stride * count
    return 2 if count % 2 == 0 and twice * _COPIED_ONCE <= copied else 1

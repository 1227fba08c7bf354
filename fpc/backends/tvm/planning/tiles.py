"""Which tile of a kernel's tile space to take where nobody has measured them."""

from __future__ import annotations

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.convolution import Convolution, ConvolutionTile, tiles

_L1_BYTES = 32 << 10
_SHORT_SUM = 32
"""Terms up to which a tile's start and end take longer than its sums."""
_TOLERANCE = 0.03


def convolution_tile(convolution: Convolution, isa: Isa) -> ConvolutionTile:
    """The tile that takes the fewest cycles a product, as a simple machine counts them.

    The machine does two dot products or two loads a cycle, a dot product takes five, and weights
    that do not stay in the first cache come at half the speed. Of tiles that it finds equal, the
    one whose number of sums is nearest to what was found best by measuring 15 shapes on a Xeon with
    AVX512-VNNI: 20 of 28 registers, or 14 for short sums, whose ends then overlap.
    """
    if isa.dot.fold is not None:
        return min(tiles(convolution, isa), key=lambda tile: _loads_of_parts(tile, isa))
    found = {tile: _cycles(tile, convolution, isa) for tile in tiles(convolution, isa)}
    least = min(found.values())
    good = [tile for tile, cycles in found.items() if cycles <= least * (1 + _TOLERANCE)]
    depth = convolution.depth(isa)
    wanted = (20 if depth > _SHORT_SUM else 14) * isa.accumulators // 28
    return min(good, key=lambda tile: (abs(tile.sums - wanted), -min(tile.positions, tile.vectors)))


def _loads_of_parts(tile: ConvolutionTile, isa: Isa) -> float:
    """Loads a sum, where every unit has its own: products hide them, but they take their slots."""
    return (tile.positions + tile.vectors * isa.dot.lanes) / tile.sums


def _cycles(tile: ConvolutionTile, convolution: Convolution, isa: Isa) -> float:
    """Cycles a step of the dot product and sum."""
    panel_bytes = tile.vectors * isa.dot.lanes * convolution.depth(isa)
    weight_loads = tile.vectors * (1 if panel_bytes <= _L1_BYTES else 2)
    dots, loads = max(tile.sums / 2, 5.0), (tile.positions + weight_loads) / 2
    return max(dots, loads) / tile.sums

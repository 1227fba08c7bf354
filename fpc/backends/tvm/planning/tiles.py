"""Which tile of a kernel's tile space to take where nobody has measured them."""

from __future__ import annotations

import math
from dataclasses import replace

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.convolution import Convolution, tiles
from fpc.backends.tvm.kernels.depthwise import DepthwiseTile, line_tiles, weights_stay
from fpc.backends.tvm.kernels.depthwise import tiles as depthwise_tiles
from fpc.backends.tvm.kernels.filters import ConvolutionTile
from fpc.backends.tvm.kernels.requantise import narrowing_of
from fpc.backends.tvm.kernels.wide.convolution import WideConvolution, wide_tiles
from fpc.backends.tvm.kernels.window import Window
from fpc.ir.dtype import DType

_L1_BYTES = 32 << 10
_SHORT_SUM = 32
"""Terms up to which a tile's start and end take longer than its sums."""
_SHORT_WIDE_SUM = 160
_TOLERANCE = 0.04
_CLAMPING, _ADDING = 7, 17
"""Instructions that make bytes of a single vector of sums, without and with a residual."""


def convolution_tile(convolution: Convolution, isa: Isa) -> ConvolutionTile:
    """The tile that takes the fewest cycles a product, as a simple machine counts them.

    The machine does two loads a cycle, and dot products as the instruction set says; weights that
    do not stay in the first cache come at half the speed, and so do those of a position that takes
    them alone beside others: 1 x 16 sums take 1.5 times as long as 13 x 2. A sum takes its
    `end_instructions`, two a cycle. Of tiles that it finds equal, the one whose number of sums is
    nearest to what was found best by measuring 15 shapes on a Xeon with AVX512-VNNI: 20 of 28
    registers, or 14 for short sums, whose ends then overlap.

    Where sums are kept in parts, the one with the fewest loads, written out as far as may be: of
    all tiles `fpc tune` finds these best for a simulated Cortex-A72. Short sums without a loop take
    6 to 12 % fewer cycles: their parts need no zeros to begin with, and one's end overlaps the
    next one's beginning.
    """
    if isa.dot.fold is not None:
        return min(
            tiles(convolution, isa),
            key=lambda tile: (_cycles(tile, convolution, isa), -tile.unroll),
        )
    found = {tile: _cycles_of_sum(tile, convolution, isa) for tile in tiles(convolution, isa)}
    least = min(found.values())
    good = [tile for tile, cycles in found.items() if cycles <= least * (1 + _TOLERANCE)]
    depth = convolution.depth(isa)
    wanted = (20 if depth > _SHORT_SUM else 14) * isa.accumulators // 28
    return min(good, key=lambda tile: (abs(tile.sums - wanted), -min(tile.positions, tile.vectors)))


def wide_convolution_tile(convolution: WideConvolution, isa: Isa) -> ConvolutionTile:
    """The tile with most products a load; weights count twice, as they come from the second cache.

    Of all tiles of the kernels of MobileNetV2 on a Xeon with AVX512-VNNI these are the fastest or
    nearly so, in int16 and float32, but for those that need all registers for short sums: in up to
    160 terms 14 x 2 sums take as long as 7 x 2, or 1.7 times as long.
    """
    found = list(wide_tiles(convolution, isa))
    if convolution.depth(isa) <= _SHORT_WIDE_SUM:
        most = isa.accumulators * DType.I32.bits // convolution.sums.bits * 6 // 7
        found = [tile for tile in found if tile.sums <= most] or found
    groups = convolution.groups(isa)

    def products_a_load(tile: ConvolutionTile) -> tuple[float, int]:
        loads = tile.positions * groups.loads(tile.vectors) + 2 * tile.vectors
        return tile.sums / loads, tile.vectors

    return max(found, key=products_a_load)


def takes_groups(grouped: Convolution, isa: Isa) -> bool:
    """Whether groups take fewer cycles than one group of all channels, with zeros.

    They take fewer products, but vectors of a tile that have groups of their own share no loads of
    activations; few channels a group leave nothing to save, as a vector sees several groups then.
    """
    if grouped.group_count == 1:
        return False
    dense = replace(grouped, group_count=1)
    cycles = [
        one.depth(isa) * _cycles(convolution_tile(one, isa), one, isa) for one in (grouped, dense)
    ]
    return cycles[0] < cycles[1]


def _cycles_of_sum(tile: ConvolutionTile, convolution: Convolution, isa: Isa) -> float:
    """Cycles a sum, its requantisation included."""
    steps = convolution.depth(isa) // isa.dot.depth
    end = end_instructions(replace(convolution, tile=tile), isa)
    return steps * _cycles(tile, convolution, isa) + end / 2


def end_instructions(convolution: Convolution, isa: Isa) -> float:
    """Instructions that requantise a vector of sums, as it is or together with others."""
    narrowing = convolution.narrowing(isa)
    if narrowing is not None:
        return narrowing.instructions
    if convolution.residual is not None:
        return _ADDING
    return _CLAMPING - 1 if convolution.rectifies else _CLAMPING


def _cycles(tile: ConvolutionTile, convolution: Convolution, isa: Isa) -> float:
    """Cycles a step of the dot product and sum.

    Without a dot product all units of a vector have loads of their own: products hide them, but
    they take their slots.
    """
    lanes = isa.dot.lanes
    activation_loads = tile.positions * convolution.groups(isa).loads(tile.vectors)
    if isa.dot.fold is not None:
        return (activation_loads + tile.vectors * lanes) / tile.sums
    panel_bytes = tile.vectors * lanes * convolution.depth(isa)
    is_alone = tile.positions == 1 < convolution.stored.rows
    weight_loads = tile.vectors * (2 if panel_bytes > _L1_BYTES or is_alone else 1)
    dots = max(tile.sums * isa.dot.cycles + tile.vectors * isa.dot.widening, isa.dot.latency)
    return max(dots, (activation_loads + weight_loads) / 2) / tile.sums


def line_tile(window: Window, isa: Isa) -> DepthwiseTile:
    """About eight positions of a line, found best by measuring lines of 7 to 112 on a Xeon."""
    return max(line_tiles(window, isa), key=_nearness_to_eight)


def _nearness_to_eight(tile: DepthwiseTile) -> float:
    return min(tile.positions, 64 / tile.positions)


def columns_tile(window: Window, isa: Isa) -> DepthwiseTile:
    """One that the widest narrowing ends, of these the same as by taps."""

    def merit(tile: DepthwiseTile) -> tuple[int, float]:
        narrowing = narrowing_of(isa, "clamp", tile.positions, 1)
        return 0 if narrowing is None else narrowing.positions, _nearness_to_eight(tile)

    return max(line_tiles(window, isa), key=merit)


def depthwise_tile(window: Window, isa: Isa) -> DepthwiseTile:
    """On ARM, where the weights of all taps stay in registers, four positions with fewest loads.

    More positions push weights out of the registers of a Cortex-A72, and fewer of them share what
    they load: simulated cycles of llvm-mca and executed instructions agree. x86 does best with
    longer lines, measured on a Xeon.
    """
    if not (isa.adds_pairs and weights_stay(window)):
        return line_tile(window, isa)

    def badness(tile: DepthwiseTile) -> tuple[int, float]:
        count = tile.lines * tile.positions
        return abs(count - 4), math.prod(window.touched_by((tile.lines, tile.positions))) / count

    return min(depthwise_tiles(window, isa), key=badness)

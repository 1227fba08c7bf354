"""Tiles that nobody has measured: what the rules take."""

from __future__ import annotations

from fpc.backends.tvm.isa.x86_avx512_vnni import X86_AVX512_VNNI
from fpc.backends.tvm.kernels.convolution import Convolution
from fpc.backends.tvm.planning.tiles import convolution_tile
from fpc.ir import ops
from fpc.ir.op import Layout
from tests.backends.tvm.programs import convolution_of
from tests.numeric.integer_cases import Draw, one_op


def pointwise(extent: int, channels: int, units: int) -> Convolution:
    """The kernel of a pointwise convolution of a square map."""
    draw = Draw(1)
    x = draw.type((1, extent, extent, channels))
    weights, bias, scale = draw.weights((units, 1, 1, channels), x)
    graph = one_op(ops.Conv2d(layout=Layout.NHWC), [x, weights, bias], draw.quant(scale))
    return convolution_of(graph, X86_AVX512_VNNI)


def test_positions_share_the_weights_that_they_load():
    """Lines of 13 x 13 leave only tiles of 1, 13 and 169 positions."""
    tile = convolution_tile(pointwise(13, 64, 256), X86_AVX512_VNNI)
    assert (tile.positions, tile.vectors) == (13, 2)


def test_a_position_alone_fills_the_registers_with_units():
    tile = convolution_tile(pointwise(1, 64, 256), X86_AVX512_VNNI)
    assert (tile.positions, tile.vectors) == (1, 16)

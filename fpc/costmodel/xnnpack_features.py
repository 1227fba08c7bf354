"""Features of XNNPACK's int8 kernels on x86-64, one family for each size of their tiles.

XNNPACK chooses its matrix kernel by the instruction set, and every product is rounded up to whole
tiles of that kernel: src/configs/gemm-config.c, the entries of `qs8_qc8w`. With Intel's AMX the
tiles are so large (16 pixels x 64 channels x 64 deep) that a 3-channel stem costs as much as one of
64 channels, and a convolution with groups as much as all its groups in full.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from fpc.costmodel.features import Amounts, FeatureFamily, tiled
from fpc.costmodel.kernels import KernelKind, Work

_DEPTHWISE_CHANNELS = 16
"""Channels that a depthwise kernel takes at a time (src/configs/dwconv-config.c)."""
_DEPTHWISE_TAPS = (9, 25)
"""Taps that the depthwise kernels have; filters with more run as grouped convolutions."""
_POOL_TAPS = 9
"""Taps that a pooling kernel reads at a time."""

_ELEMENTWISE: Mapping[KernelKind, str] = MappingProxyType(
    {
        KernelKind.ADD: "adds",
        KernelKind.MULTIPLY: "multiplies",
        KernelKind.LOOKUP: "lookups",
        KernelKind.SOFTMAX: "exponentials",
        KernelKind.TRANSPOSE: "transposed",
    }
)


@dataclass(frozen=True)
class Tile:
    """What a matrix kernel computes at a time: `pixels` x `channels` values, `depth` products."""

    pixels: int
    channels: int
    depth: int


def xnnpack_amounts(tile: Tile, work: Work) -> Amounts:
    """XNNPACK with a matrix kernel of that `tile`.

    Taps on padding are computed like others: they read zeros from a buffer.
    """
    if work.kind is KernelKind.FREE:
        return {}
    return {**_loops(tile, work), "kernels": 1}


def _loops(tile: Tile, work: Work) -> Amounts:
    taps = work.kernel[0] * work.kernel[1]
    match work.kind:
        case KernelKind.DEPTHWISE if taps <= _DEPTHWISE_TAPS[-1]:
            outputs = work.pixels * tiled(work.out_channels, _DEPTHWISE_CHANNELS)
            return {
                "depthwise_taps": outputs * next(held for held in _DEPTHWISE_TAPS if taps <= held),
                "depthwise_outputs": outputs,
                "depthwise_reads": work.in_size,
            }
        case KernelKind.CONVOLUTION | KernelKind.DEPTHWISE:
            return _products(tile, work)
        case KernelKind.POOL if work.out_extent == (1, 1):
            return {"means": work.in_size}
        case KernelKind.POOL:
            return {"pooled": work.out_size * tiled(taps, _POOL_TAPS)}
        case KernelKind.MOVE:
            return {"moves": work.in_size + work.out_size}
        case kind:
            return {_ELEMENTWISE[kind]: work.out_size}


def _products(tile: Tile, work: Work) -> Amounts:
    taps = work.kernel[0] * work.kernel[1]
    depth = taps * tiled(work.in_channels // work.groups, tile.depth)
    channels = work.groups * tiled(work.out_channels // work.groups, tile.channels)
    pixels = tiled(work.pixels, tile.pixels)
    return {
        "calls": work.groups * pixels // tile.pixels,
        "products": pixels * channels * depth,
        "sums": pixels * channels,
        "map_reads": work.in_size,
        "map_writes": work.out_size,
        "weights": work.depth * work.out_channels,
    }


_ROOFLINE: Mapping[str, float] = MappingProxyType(
    {
        # Picoseconds on a core at some 3 GHz: calling a kernel for a tile of pixels takes hundreds
        # of cycles, scaling, rounding and storing a vector register of sums a few; a weight comes
        # from the last level of cache once an inference; an operator takes a microsecond to start.
        "calls": 80_000.0,
        "products": 1.0,
        "sums": 200.0,
        "map_reads": 10.0,
        "map_writes": 10.0,
        "weights": 30.0,
        "depthwise_taps": 50.0,
        "depthwise_outputs": 150.0,
        "depthwise_reads": 10.0,
        "adds": 180.0,
        "multiplies": 220.0,
        "means": 50.0,
        "pooled": 50.0,
        "lookups": 200.0,
        "exponentials": 1000.0,
        "moves": 50.0,
        "transposed": 500.0,
        "kernels": 1_000_000.0,
    }
)


def _family(name: str, tile: Tile, product: float) -> FeatureFamily:
    """`product`: what one product costs, in picoseconds."""
    roofline = MappingProxyType({**_ROOFLINE, "products": product})
    return FeatureFamily(name, roofline, partial(xnnpack_amounts, tile))


AMX = _family("xnnpack-amx", Tile(16, 64, 64), 0.8)
AVX512 = _family("xnnpack-avx512", Tile(7, 16, 8), 4.0)
AVX_VNNI = _family("xnnpack-avxvnni", Tile(5, 8, 8), 6.0)
AVX2 = _family("xnnpack-avx2", Tile(3, 8, 8), 15.0)

"""Features of a vector DSP: Hexagon with HVX, a graph of kernels started one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fpc.costmodel.features import Amounts, FeatureFamily, tiled
from fpc.costmodel.kernels import KernelKind, Work

_VECTOR = 128
"""Bytes of an HVX vector."""
_LANES = 32
"""32-bit sums in one, and output channels of a convolution's block."""
_REQUANTISE = 9.5
"""Packets that turn 32 sums into bytes. fpc's own 1x1 kernel of 49 pixels, 64 to 128 channels
executes 4,996, of which the 49 * 16 * 4 `vrmpy` are 3,136, for 196 vectors of sums."""
_DEPTHWISE_TAP = 2.7
"""Packets a tap for 128 channels of one pixel, its share of requantisation included. fpc's own
3x3 depthwise kernel of 16 x 16 pixels, 256 channels executes 12,457 for 512 vectors of 9 taps."""
_WEIGHT = 0.3
"""Packets in the time in which a byte of weights arrives: 10 GB/s beside 3 packets a nanosecond."""
_LOOKUP = 10.0
"""Packets for a vector: a table of 256 is eight `vlut32` of 32 entries, a load and a store."""


def hvx_amounts(work: Work) -> Amounts:
    """Packets of HVX v66 machine code, weights from memory, and kernels started.

    `packets` are those that fpc's own kernels execute under QEMU's model of the instruction set,
    scaled to the kernel's size: no stalls, no caches. A price a packet comes from measured
    convolutions; what was never measured (depthwise convolutions, multiplications) leans on it.
    """
    match work.kind:
        case KernelKind.CONVOLUTION:
            blocks = tiled(work.out_channels // work.groups, _LANES) // _LANES * work.groups
            products = tiled(work.depth, 4) // 4
            weights = work.depth * work.out_channels
            return {
                "packets": work.pixels * blocks * (products + _REQUANTISE) + weights * _WEIGHT,
                "convolutions": 1,
            }
        case KernelKind.DEPTHWISE:
            vectors = work.pixels * tiled(work.out_channels, _VECTOR) // _VECTOR
            taps = work.kernel[0] * work.kernel[1]
            return {"packets": vectors * taps * _DEPTHWISE_TAP, "convolutions": 1}
        case KernelKind.ADD | KernelKind.MULTIPLY:
            sums = tiled(work.out_size, _VECTOR) // _LANES
            return {"packets": sums * _REQUANTISE, "sums": 1}
        case KernelKind.POOL:
            reads = tiled(max(work.in_size, work.taps * work.in_channels), _VECTOR) // _VECTOR
            sums = tiled(work.out_size, _VECTOR) // _LANES
            return {"packets": reads + sums * _REQUANTISE, "pools": 1}
        case KernelKind.LOOKUP:
            return {"packets": _vectors(work.out_size) * _LOOKUP, "lookups": 1}
        case KernelKind.SOFTMAX:
            return {"packets": work.out_size, "lookups": 1}
        case KernelKind.MOVE | KernelKind.TRANSPOSE:
            return {"packets": _vectors(work.in_size + work.out_size), "lookups": 1}
        case KernelKind.FREE:
            return {}


def _vectors(size: int) -> int:
    return tiled(size, _VECTOR) // _VECTOR


_ROOFLINE: Mapping[str, float] = MappingProxyType(
    {
        # Several threads of one packet a cycle at about 1 GHz: some 0.3 ns a packet; weights at
        # some 10 GB/s; starting a kernel takes about 10 us.
        "packets": 1.0,
        "convolutions": 30_000.0,
        "sums": 30_000.0,
        "pools": 30_000.0,
        "lookups": 30_000.0,
    }
)

HVX = FeatureFamily("hvx", _ROOFLINE, hvx_amounts, simulated=True)

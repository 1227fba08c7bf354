"""Features of a deep-learning processing unit: an int8 array of fixed geometry on an FPGA."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fpc.costmodel.features import Amounts, FeatureFamily, tiled
from fpc.costmodel.kernels import KernelKind, Work

_PIXELS, _IN_CHANNELS, _OUT_CHANNELS = 8, 16, 16
"""DPUCZDX8G B4096: 8 pixels x 16 input channels x 16 output channels a cycle (PG338)."""
_ON_CHIP = 256 * 1024
"""Bytes of a map that stay on the chip while the ARM core works on it."""


def dpu_amounts(work: Work) -> Amounts:
    """The array's cycles with ceilings, and the bytes it loads and stores.

    Squeeze-excite runs outside the array: pooling over a whole map costs by channel and by window,
    its two 1x1 convolutions and the multiplication by traffic with memory.
    """
    match work.kind:
        case KernelKind.CONVOLUTION if work.pixels == 1 and work.groups == 1:
            return {"weights": work.depth * work.out_channels, "kernels": 1}
        case KernelKind.CONVOLUTION:
            group_in = work.in_channels // work.groups
            group_out = work.out_channels // work.groups
            blocks = (
                tiled(group_in, _IN_CHANNELS)
                // _IN_CHANNELS
                * (tiled(group_out, _OUT_CHANNELS) // _OUT_CHANNELS)
            )
            return {
                "conv_cycles": _rows(work) * work.groups * blocks * _taps(work),
                "conv_reads": work.in_size,
                "conv_writes": work.out_size,
                "weights": work.depth * work.out_channels,
                "kernels": 1,
            }
        case KernelKind.DEPTHWISE:
            blocks = tiled(work.out_channels, _IN_CHANNELS) // _IN_CHANNELS
            return {
                "depthwise_cycles": _rows(work) * blocks * _taps(work),
                "depthwise_reads": work.in_size,
                "depthwise_writes": work.out_size,
                "kernels": 1,
            }
        case KernelKind.ADD:
            return {"adds": work.out_size, "kernels": 1}
        case KernelKind.MULTIPLY:
            return {
                "multiplies": work.out_size,
                "multiplies_off_chip": max(0, work.out_size - _ON_CHIP),
                "breaks": 1,
            }
        case KernelKind.POOL:
            side = max(work.kernel)
            return {
                "pooled_channels": work.in_channels,
                "pooled_windows": work.in_channels * work.pixels * side**3,
            }
        case KernelKind.LOOKUP | KernelKind.SOFTMAX:
            return {"off_array": work.out_size, "breaks": 1}
        case KernelKind.MOVE | KernelKind.TRANSPOSE:
            return {"moves": work.in_size + work.out_size, "kernels": 1}
        case KernelKind.FREE:
            return {}


def _rows(work: Work) -> int:
    height, width = work.out_extent
    return height * tiled(width, _PIXELS) // _PIXELS


def _taps(work: Work) -> int:
    return work.kernel[0] * work.kernel[1]


_ROOFLINE: Mapping[str, float] = MappingProxyType(
    {
        # Cycles at some 300 MHz; bytes at some 10 GB/s shared; an instruction takes 10 us to
        # start, handing a map to the ARM core and back 100 us.
        "conv_cycles": 3.0,
        "depthwise_cycles": 3.0,
        "conv_reads": 0.1,
        "conv_writes": 0.1,
        "depthwise_reads": 0.1,
        "depthwise_writes": 0.1,
        "weights": 0.2,
        "adds": 0.2,
        "multiplies": 1.0,
        "multiplies_off_chip": 1.0,
        "pooled_channels": 100.0,
        "pooled_windows": 0.01,
        "off_array": 2.0,
        "moves": 0.1,
        "kernels": 10_000.0,
        "breaks": 20_000.0,
    }
)

DPU = FeatureFamily("dpu", _ROOFLINE, dpu_amounts)

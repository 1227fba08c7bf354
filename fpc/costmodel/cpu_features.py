"""Features of a CPU with SIMD."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fpc.costmodel.features import Amounts, FeatureFamily, tiled
from fpc.costmodel.kernels import KernelKind, Work


def cpu_amounts(work: Work) -> Amounts:
    """A CPU with SIMD: matrix products in tiles of 16 deep and 8 wide, depthwise in 16 channels.

    The tiles are those of the int8 kernels for ARMv8 without dot products in ruy and TFLite's
    depthwise convolution; AVX2 has the same. Taps on padding are skipped by depthwise kernels.
    """
    match work.kind:
        case KernelKind.CONVOLUTION:
            depth, group_channels = work.depth, work.out_channels // work.groups
            read = work.pixels * depth * work.groups
            is_pointwise = work.kernel == (1, 1)
            products = work.groups * tiled(depth, 16) * tiled(group_channels, 8)
            return {
                "gemm_products": work.pixels * products,
                "gemm_reads" if is_pointwise else "patch_reads": read,
                "gemm_writes": work.pixels * work.out_channels,
                "weights": depth * work.out_channels,
                "kernels": 1,
            }
        case KernelKind.DEPTHWISE:
            strided = "depthwise_taps" if max(work.strides) == 1 else "depthwise_taps_strided"
            return {
                strided: work.taps * tiled(work.out_channels, 16),
                "depthwise_reads": work.in_size,
                "depthwise_writes": work.out_size,
                "kernels": 1,
            }
        case KernelKind.ADD:
            return {"adds": work.out_size, "kernels": 1}
        case KernelKind.MULTIPLY:
            return {"multiplies": work.out_size, "kernels": 1}
        case KernelKind.POOL:
            return {"pooled": max(work.in_size, work.taps * work.in_channels), "kernels": 1}
        case KernelKind.LOOKUP:
            return {"lookups": work.out_size, "kernels": 1}
        case KernelKind.SOFTMAX:
            return {"exponentials": work.out_size, "kernels": 1}
        case KernelKind.MOVE | KernelKind.TRANSPOSE:
            return {"moves": work.in_size + work.out_size, "kernels": 1}
        case KernelKind.FREE:
            return {}


_CPU_ROOFLINE: Mapping[str, float] = MappingProxyType(
    {
        # A vector unit multiplies 8 to 16 bytes in the time in which it loads, widens,
        # requantises or stores one or two; a weight comes from memory once an inference, through
        # a packing pass; starting a kernel costs some microseconds.
        "gemm_products": 1.0,
        "gemm_reads": 4.0,
        "patch_reads": 4.0,
        "gemm_writes": 4.0,
        "weights": 10.0,
        "depthwise_taps": 6.0,
        "depthwise_taps_strided": 6.0,
        "depthwise_reads": 4.0,
        "depthwise_writes": 4.0,
        "adds": 8.0,
        "multiplies": 8.0,
        "pooled": 4.0,
        "lookups": 8.0,
        "exponentials": 100.0,
        "moves": 2.0,
        "kernels": 50_000.0,
    }
)

CPU = FeatureFamily("cpu", _CPU_ROOFLINE, cpu_amounts)

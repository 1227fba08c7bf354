"""What a kernel's cost depends on: analytic features, one family for each kind of machine.

A feature is an amount of work of one sort, in millions; a coefficient is its price in milliseconds
a million, that is nanoseconds apiece. Every family comes with a *roofline*: the prices relative to
one another on a machine of that kind. A fit leans on it where measurements do not decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fpc.costmodel.kernels import KernelKind, Work
from fpc.diagnostics.errors import CostModelError
from fpc.diagnostics.render import suggest

Matrix = NDArray[np.float64]
Amounts = Mapping[str, float]

_MILLION = 1e6


@dataclass(frozen=True, eq=False)
class FeatureFamily:
    """The features of one kind of machine.

    `amounts` gives a kernel's non-zero features; `roofline` names all features, in the order of
    the columns, with their relative prices.
    """

    name: str
    roofline: Mapping[str, float]
    amounts: Callable[[Work], Amounts]

    @property
    def names(self) -> tuple[str, ...]:
        """The features in the order of the columns."""
        return tuple(self.roofline)

    def of_kernels(self, works: Iterable[Work]) -> Matrix:
        """[kernels, features]: what each kernel amounts to."""
        return np.array([_row(self, work) for work in works]).reshape(-1, len(self.roofline))

    def of_network(self, works: Iterable[Work]) -> Matrix:
        """[features]: the sum over a network's kernels."""
        return self.of_kernels(works).sum(axis=0)


def family(name: str) -> FeatureFamily:
    """The family called `name`; `CostModelError` when there is none."""
    found = FAMILIES.get(name)
    if found is None:
        raise CostModelError(
            "unknown-features",
            f"there is no feature family `{name}`",
            help=suggest(name, FAMILIES, what="families"),
        )
    return found


@cache
def _row(family: FeatureFamily, work: Work) -> tuple[float, ...]:
    amounts = family.amounts(work)
    return tuple(amounts.get(name, 0.0) / _MILLION for name in family.roofline)


def _up(count: int, tile: int) -> int:
    return -(-count // tile) * tile


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
            tiled = work.groups * _up(depth, 16) * _up(group_channels, 8)
            return {
                "gemm_products": work.pixels * tiled,
                "gemm_reads" if is_pointwise else "patch_reads": read,
                "gemm_writes": work.pixels * work.out_channels,
                "weights": depth * work.out_channels,
                "kernels": 1,
            }
        case KernelKind.DEPTHWISE:
            strided = "depthwise_taps" if max(work.strides) == 1 else "depthwise_taps_strided"
            return {
                strided: work.taps * _up(work.out_channels, 16),
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
        case KernelKind.MOVE:
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

FAMILIES: Mapping[str, FeatureFamily] = MappingProxyType({CPU.name: CPU})

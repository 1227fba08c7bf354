"""What a cost model says of one network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fpc.costmodel.features import Matrix
from fpc.costmodel.kernels import Kernel, Work

Pricing: TypeAlias = Callable[[Sequence[Work]], Matrix]
"""The latency of each of some kernels in milliseconds, such as `CostModel.kernel_ms`."""


@dataclass(frozen=True)
class KernelLatency:
    """One kernel's share."""

    kernel: Kernel
    latency_ms: float
    is_simulated: bool = False


@dataclass(frozen=True)
class Prediction:
    """A predicted latency.

    `unseen` names features no training row had, priced by the roofline; `simulated_ms` is how much
    of it nobody measured but a simulation prices; `constant_ms` is what the network takes beyond
    its kernels, which a response tells.
    """

    latency_ms: float
    interval_ms: tuple[float, float]
    extrapolates: bool
    unseen: tuple[str, ...]
    kernels: tuple[KernelLatency, ...]
    simulated_ms: float = 0.0
    constant_ms: float = 0.0

    @property
    def costliest(self) -> tuple[KernelLatency, ...]:
        """The kernels, costliest first."""
        return tuple(sorted(self.kernels, key=lambda kernel: -kernel.latency_ms))

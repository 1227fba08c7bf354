"""What a few measured networks say of a cost model's prices.

The corrected price of a kernel w that the cost model prices at p is

    p (1 + scale) + u (family + own),    u = p + a tenth of what kernels cost in the mean,

where `scale` is common to all kernels, `family` to those of one sort, and `own` to equal ones. All
three are normally distributed around 0 beforehand, the first widely and the last narrowly, so that
measurements move what they speak of and leave the rest with what is nearest to it: the common scale
after one network, families as soon as networks of several sorts are measured. Latency remains a sum
over kernels, whatever was learnt; a search over corrected prices is as exact as over the first.

This is Bayesian linear regression with normal priors, computed in the space of the measured
networks (Rasmussen and Williams 2006, sections 2.1.2 and 2.2: equations 2.12, 2.25 and 2.26), a
hierarchical model in the sense of Gelman et al. (Bayesian Data Analysis, 3rd ed., chapter 15).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fpc.costmodel.features import Matrix
from fpc.costmodel.kernels import KernelKind, Work
from fpc.costmodel.prediction import Pricing

_SCALE, _FAMILY, _OWN = 0.5, 0.3, 0.1
"""Standard deviations of the three beforehand, as fractions of the price."""
_MISFIT = 0.005
"""How far a latency is from any sum of prices (caches, the order of kernels), as a fraction."""
_SHARE = 0.1
_CHEAPEST = 0.1
"""No price falls below this fraction of what it was."""
_OVERHEAD = "overhead"


@dataclass(frozen=True, eq=False)
class MeasuredNetwork:
    """The kernels of a network, its latency, and the latency's standard error as a fraction."""

    works: Sequence[Work]
    latency_ms: float
    noise: float


@dataclass(frozen=True, eq=False)
class Prior:
    """Prices before anything is measured; `overhead_ms` is what every network takes beyond them."""

    pricing: Pricing
    overhead_ms: float
    mean_ms: float
    """What a kernel costs in the mean."""

    @classmethod
    def of(cls, pricing: Pricing, overhead_ms: float, works: Sequence[Work]) -> Prior:
        """Prices whose mean is that over `works`, the kernels of a network such as will follow."""
        return cls(pricing, overhead_ms, float(pricing(works).mean()))

    def units(self, works: Sequence[Work]) -> Matrix:
        """What the deviations of kernels are counted in: their prices and a little, [kernels]."""
        is_executed = np.array([work.kind is not KernelKind.FREE for work in works])
        return (self.pricing(works) + _SHARE * self.mean_ms) * is_executed


@dataclass(frozen=True, eq=False)
class CorrectedPrices:
    """Prices as measured networks correct them; without any, those of the prior."""

    prior: Prior
    measured: tuple[MeasuredNetwork, ...] = ()

    def kernel_ms(self, works: Sequence[Work]) -> Matrix:
        """The latency of each kernel, [kernels]."""
        before = self.prior.pricing(works)
        scale, families, own = self._deviations
        each = np.array([families.get(family_of(work), 0.0) + own.get(work, 0.0) for work in works])
        corrected = before * (1.0 + scale) + self.prior.units(works) * each
        return np.maximum(corrected, _CHEAPEST * before)

    @property
    def overhead_ms(self) -> float:
        """What every network takes beyond its kernels."""
        scale, families, _ = self._deviations
        factor = 1.0 + scale + families.get(_OVERHEAD, 0.0)
        return self.prior.overhead_ms * max(factor, _CHEAPEST)

    def latency_ms(self, works: Sequence[Work]) -> float:
        """The latency of a network."""
        return float(self.kernel_ms(works).sum()) + self.overhead_ms

    def covariance(self, networks: Sequence[Sequence[Work]]) -> Matrix:
        """Of the latencies of `networks` in ms², given those measured, [networks, networks]."""
        known = len(self.measured)
        joint = _covariance(self.prior, [*(each.works for each in self.measured), *networks])
        across = joint[:known, known:]
        explained = across.T @ np.linalg.solve(self._measured_covariance, across)
        return joint[known:, known:] - explained

    def relative_error(self, works: Sequence[Work]) -> float:
        """The standard error of a network's latency, as a fraction of it."""
        variance = float(self.covariance([works])[0, 0])
        return float(np.hypot(np.sqrt(max(variance, 0.0)) / self.latency_ms(works), _MISFIT))

    def factors(self) -> dict[str, float]:
        """What prices were multiplied by, family by family, in all measured networks together."""
        works = [work for network in self.measured for work in network.works]
        before: defaultdict[str, float] = defaultdict(float)
        after: defaultdict[str, float] = defaultdict(float)
        for work, old, new in zip(
            works, self.prior.pricing(works), self.kernel_ms(works), strict=True
        ):
            before[family_of(work)] += float(old)
            after[family_of(work)] += float(new)
        return {name: after[name] / cost for name, cost in sorted(before.items()) if cost > 0.0}

    @cached_property
    def _measured_covariance(self) -> Matrix:
        works = [network.works for network in self.measured]
        noise = [np.hypot(each.noise, _MISFIT) * each.latency_ms for each in self.measured]
        return _covariance(self.prior, works) + np.diag(np.square(noise))

    @cached_property
    def _deviations(self) -> tuple[float, Mapping[str, float], Mapping[Work, float]]:
        """The scale, and the deviations of families and of kernels that were measured."""
        if not self.measured:
            return 0.0, {}, {}
        sums = _Sums.of(self.prior, [network.works for network in self.measured])
        surprise = np.array([each.latency_ms for each in self.measured]) - sums.total
        weights = np.linalg.solve(self._measured_covariance, surprise)
        families = _FAMILY**2 * sums.families.T @ weights
        own = _OWN**2 * sums.kernels.T @ weights
        return (
            _SCALE**2 * float(sums.total @ weights),
            dict(zip(sums.family_names, families.tolist(), strict=True)),
            dict(zip(sums.works, own.tolist(), strict=True)),
        )


def family_of(work: Work) -> str:
    """The sort of kernel that shares a deviation: loops that differ in what bounds them."""
    side = max(work.kernel)
    match work.kind:
        case KernelKind.DEPTHWISE:
            return f"depthwise {side}x{side}"
        case KernelKind.CONVOLUTION if work.pixels == 1:
            return "dense"
        case KernelKind.CONVOLUTION:
            return "pointwise" if side == 1 else "convolution"
        case kind:
            return kind.value


@dataclass(frozen=True, eq=False)
class _Sums:
    """What networks are in each of the regression's terms."""

    total: Matrix
    """[networks]: latencies by the prior."""
    family_names: tuple[str, ...]
    families: Matrix
    """[networks, families]: units of their kernels."""
    works: tuple[Work, ...]
    kernels: Matrix
    """[networks, kernels]: units of equal kernels."""

    @classmethod
    def of(cls, prior: Prior, networks: Sequence[Sequence[Work]]) -> _Sums:
        works = tuple(dict.fromkeys(work for network in networks for work in network))
        place = {work: index for index, work in enumerate(works)}
        counts = np.zeros((len(networks), len(works)))
        for row, network in enumerate(networks):
            for work, count in Counter(network).items():
                counts[row, place[work]] = count
        names = tuple(dict.fromkeys(family_of(work) for work in works))
        belongs = np.array([[family_of(work) == name for name in names] for work in works], float)
        kernels = counts * prior.units(works)
        overhead = np.full((len(networks), 1), prior.overhead_ms)
        return cls(
            counts @ prior.pricing(works) + prior.overhead_ms,
            (*names, _OVERHEAD),
            np.hstack([kernels @ belongs, overhead]),
            works,
            kernels,
        )


def _covariance(prior: Prior, networks: Sequence[Sequence[Work]]) -> Matrix:
    """Of the latencies of `networks` before anything is measured, in ms²."""
    if not networks:
        return np.zeros((0, 0))
    sums = _Sums.of(prior, networks)
    return (
        _SCALE**2 * np.outer(sums.total, sums.total)
        + _FAMILY**2 * sums.families @ sums.families.T
        + _OWN**2 * sums.kernels @ sums.kernels.T
    )

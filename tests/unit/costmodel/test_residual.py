"""Correcting prices: held against the same regression solved the other way, and limits of it."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.costmodel.features import Matrix
from fpc.costmodel.kernels import KernelKind, Work
from fpc.costmodel.residual import CorrectedPrices, MeasuredNetwork, Prior, family_of

SIZES = (100, 200, 400, 800)


def pointwise(channels: int) -> Work:
    extent = (10, 10)
    size = 100 * channels
    return Work(
        KernelKind.CONVOLUTION,
        size,
        size,
        channels,
        channels,
        in_extent=extent,
        out_extent=extent,
        taps=100,
    )


def added(size: int) -> Work:
    return Work(KernelKind.ADD, 2 * size, size)


FREE = Work(KernelKind.FREE, 10, 10)


def pricing(works: list[Work]) -> Matrix:
    """A microsecond for every thousand values, twice that for convolutions; moves are free."""
    return np.array(
        [
            work.out_size * 1e-6 * (2.0 if work.kind is KernelKind.CONVOLUTION else 1.0)
            if work.kind is not KernelKind.FREE
            else 0.0
            for work in works
        ]
    )


NETWORKS = (
    (pointwise(8), pointwise(8), added(800)),
    (pointwise(16), added(1600), FREE),
    (pointwise(8), pointwise(32), added(400), added(400)),
)
PRIOR = Prior.of(pricing, 1e-3, NETWORKS[0])


def measured(*factors: float, noise: float = 0.0) -> CorrectedPrices:
    """The first networks take so many times what they are predicted to."""
    return CorrectedPrices(
        PRIOR,
        tuple(
            MeasuredNetwork(works, factor * CorrectedPrices(PRIOR).latency_ms(works), noise)
            for works, factor in zip(NETWORKS, factors, strict=False)
        ),
    )


def test_without_measurements_prices_are_what_they_were():
    prices = CorrectedPrices(PRIOR)
    works = NETWORKS[2]
    assert prices.kernel_ms(works) == pytest.approx(pricing(list(works)))
    assert prices.overhead_ms == 1e-3
    assert prices.latency_ms(works) == pytest.approx(pricing(list(works)).sum() + 1e-3)
    assert prices.factors() == {}


def test_latency_stays_a_sum_of_kernels():
    prices = measured(1.2, 0.9, 1.1)
    for works in NETWORKS:
        each = [float(prices.kernel_ms([work])[0]) for work in works]
        assert prices.latency_ms(works) == pytest.approx(sum(each) + prices.overhead_ms)


def test_posterior_is_that_of_the_regression_in_its_weights():
    """Rasmussen and Williams 2006: equation 2.8 (weights) against 2.25 and 2.26 (networks)."""
    prices = measured(1.2, 0.9, 1.1, noise=0.02)
    works = list(dict.fromkeys(work for network in NETWORKS for work in network))
    families = sorted({family_of(work) for work in works})
    counts = np.array([[network.count(work) for work in works] for network in NETWORKS], float)
    before = np.array([*pricing(works)])
    units = np.array([*(before + 0.1 * pricing(list(NETWORKS[0])).mean())])
    units[works.index(FREE)] = 0.0
    belongs = np.array([[family_of(work) == name for name in families] for work in works], float)
    total = counts @ before + 1e-3
    overhead = np.full((len(NETWORKS), 1), 1e-3)
    rows = np.hstack([total[:, None], (counts * units) @ belongs, overhead, counts * units])
    deviations = np.array([0.5, *[0.3] * (len(families) + 1), *[0.1] * len(works)])
    latency = np.array([each.latency_ms for each in prices.measured])
    noise = np.hypot(0.02, 0.005) * latency
    precision = rows.T @ np.diag(noise**-2) @ rows + np.diag(deviations**-2)
    weights = np.linalg.solve(precision, rows.T @ ((latency - total) / noise**2))
    expected = total + rows @ weights
    assert [prices.latency_ms(network) for network in NETWORKS] == pytest.approx(expected)
    covariance = rows @ np.linalg.solve(precision, rows.T)
    assert prices.covariance(NETWORKS) == pytest.approx(covariance, rel=1e-6, abs=1e-12)


def test_one_network_tells_the_common_scale():
    prices = measured(0.7)
    for works in NETWORKS[1:]:
        ratio = prices.latency_ms(works) / CorrectedPrices(PRIOR).latency_ms(works)
        assert ratio == pytest.approx(0.7, abs=0.05)
    assert set(prices.factors()) == {"pointwise", "add"}


def test_families_are_told_apart_by_networks_that_differ():
    """Convolutions cost 1.5 times, additions half of what was said."""
    factor = {KernelKind.CONVOLUTION: 1.5, KernelKind.ADD: 0.5}
    networks = [
        (*(pointwise(8),) * convolutions, *(added(800),) * additions)
        for convolutions, additions in ((1, 20), (4, 5), (10, 1))
    ]
    prior = Prior.of(pricing, 0.0, networks[1])
    prices = CorrectedPrices(
        prior,
        tuple(
            MeasuredNetwork(
                works, sum(float(pricing([work])[0]) * factor[work.kind] for work in works), 0.0
            )
            for works in networks
        ),
    )
    assert prices.factors() == pytest.approx({"pointwise": 1.5, "add": 0.5}, rel=0.05)


def test_what_was_measured_is_known_and_what_is_unlike_it_is_not():
    prices = measured(1.0, 1.0)
    near, far = (pointwise(8), pointwise(8), added(800)), (added(10**6),)
    assert prices.relative_error(near) < 0.01
    assert prices.relative_error(far) > 0.1
    assert prices.relative_error(far) < CorrectedPrices(PRIOR).relative_error(far)


def test_nothing_comes_to_cost_nothing():
    prices = measured(0.01, 0.01, 0.01)
    for works in NETWORKS:
        assert (prices.kernel_ms(works) >= 0.1 * pricing(list(works)) - 1e-15).all()
    assert prices.overhead_ms > 0.0


@pytest.mark.parametrize(
    ("work", "family"),
    [
        (pointwise(8), "pointwise"),
        (Work(KernelKind.CONVOLUTION, 8, 8), "dense"),
        (Work(KernelKind.CONVOLUTION, 8, 8, kernel=(3, 3), out_extent=(2, 2)), "convolution"),
        (Work(KernelKind.DEPTHWISE, 8, 8, kernel=(5, 5)), "depthwise 5x5"),
        (added(3), "add"),
    ],
)
def test_family(work, family):
    assert family_of(work) == family

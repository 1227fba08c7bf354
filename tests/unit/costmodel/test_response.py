"""Latencies that are no sum of kernels: the response to it, and kernels that nobody measured."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fpc.costmodel.hvx_features import HVX
from fpc.costmodel.kernels import Kernel, KernelKind, Work, kernels_of
from fpc.costmodel.model import Condition, CostModel, read_model
from fpc.costmodel.networks import Networks
from fpc.costmodel.response import Response, paced
from fpc.diagnostics.errors import CostModelError
from fpc.diagnostics.location import UNKNOWN
from fpc.zoo.catalog import build
from tests.unit.costmodel.origin import ORIGIN

NS = np.array([0.3, 15_000.0, 10_000.0, 8_000.0, 1_000.0])
"""Prices of HVX's features, as large as those of a Hexagon 690."""
CONDITION = Condition(device="DSP", runtime="Runtime 1.0")


def conv(channels: int, side: int, filters: int = 1) -> Work:
    size, extent = channels * side * side, (side, side)
    return Work(
        KernelKind.CONVOLUTION,
        size,
        size,
        channels,
        channels,
        1,
        (filters, filters),
        (1, 1),
        extent,
        extent,
        side * side * filters**2,
    )


def pool(channels: int, side: int) -> Work:
    return replace(conv(channels, side, 3), kind=KernelKind.POOL, groups=channels)


def depthwise(channels: int, side: int, filters: int = 3) -> Work:
    return replace(conv(channels, side, filters), kind=KernelKind.DEPTHWISE, groups=channels)


KERNELS = (
    *(
        conv(channels, side, filters)
        for channels in (16, 32, 96)
        for side in (8, 16, 32)
        for filters in (1, 3)
    ),
    *(Work(KernelKind.ADD, 2 * size, size) for size in (1024, 16384)),
    *(pool(32, side) for side in (8, 16)),
    Work(KernelKind.LOOKUP, 4096, 4096),
)
IS_PACED = np.array([work.kind in (KernelKind.CONVOLUTION, KernelKind.ADD) for work in KERNELS])


def clocked(sums: np.ndarray) -> np.ndarray:
    """1.2 ms, and kernels that cost half as much again until the load has raised the clock."""
    return 1.2 + sums + 0.8 * (1.0 - np.exp(-sums / 0.8))


def drawn(rows: int, seed: int, noise: float = 0.0, outliers: float = 0.0) -> Networks:
    """Networks of up to 90 kernels under `clocked`; some of the latencies far too large."""
    random = np.random.default_rng(seed)
    rates = random.uniform(0.2, 3.5, (rows, 1)) * np.ones((1, len(KERNELS)))
    counts = random.poisson(rates).astype(float)
    counts[:, 0] += 1.0
    each = HVX.of_kernels(KERNELS) @ NS
    latency = clocked(counts[:, IS_PACED] @ each[IS_PACED])
    latency += counts[:, ~IS_PACED] @ each[~IS_PACED]
    latency *= np.exp(random.normal(0.0, noise, rows))
    latency *= np.where(random.random(rows) < outliers, 1.4, 1.0)
    return Networks(KERNELS, counts, latency)


def fitted(networks: Networks, *, responds: bool = True) -> CostModel:
    return CostModel.fitted("dsp", CONDITION, HVX, networks, ORIGIN, responds=responds)


def errors(model: CostModel, networks: Networks) -> np.ndarray:
    return model.network_ms(networks.counts, networks.works) / networks.latency_ms - 1.0


@pytest.fixture(scope="module")
def model() -> CostModel:
    return fitted(drawn(600, seed=0, noise=0.01))


def test_paced_kernels_are_those_that_multiply_and_add():
    assert paced(KERNELS).tolist() == IS_PACED.tolist()
    assert paced([depthwise(8, 8)]).all()


def test_a_response_goes_through_its_knots_and_rises_as_the_sum_beyond():
    response = Response((1.0, 2.0, 4.0), (2.0, 5.0, 6.0))
    found = response(np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 9.0]))
    np.testing.assert_allclose(found, [0.0, 0.5, 2.0, 3.5, 5.0, 5.5, 6.0, 11.0])
    assert response.slope(np.array([0.5, 1.5, 3.0, 5.0])).tolist() == [3.0, 3.0, 0.5, 1.0]


def test_latencies_that_are_no_sum_are_learnt():
    learnt, unseen = drawn(600, seed=1), drawn(300, seed=2)
    assert np.abs(errors(fitted(learnt), unseen)).mean() < 0.005
    assert np.abs(errors(fitted(learnt, responds=False), unseen)).mean() > 0.03


def test_rows_with_a_latency_of_their_own_teach_nothing():
    unseen = drawn(300, seed=2)
    found = errors(fitted(drawn(600, seed=3, outliers=0.05)), unseen)
    assert np.abs(found).mean() < 0.005


def test_intervals_hold_what_they_promise(model):
    unseen = drawn(2000, seed=4, noise=0.01)
    predicted = model.network_ms(unseen.counts, unseen.works)
    features = unseen.measured(HVX).features
    half = predicted * model.relative_half_width(features, predicted, np.zeros(len(predicted)))
    assert 0.86 <= (np.abs(predicted - unseen.latency_ms) <= half).mean() <= 0.94


def test_kernels_and_a_constant_are_the_latency(model):
    def predicted(works: list[Work]) -> tuple[float, float]:
        found = model.predict([Kernel("k", "op", work, UNKNOWN) for work in works])
        total = sum(share.latency_ms for share in found.kernels)
        assert found.latency_ms == pytest.approx(total + found.constant_ms)
        counted = Networks.of([(works, 1.0)])
        by_counts = model.network_ms(counted.counts, counted.works)
        assert found.latency_ms == pytest.approx(by_counts[0])
        return total, found.constant_ms

    small, large = predicted([*KERNELS]), predicted([*KERNELS] * 40)
    assert large[0] == pytest.approx(40 * small[0])
    assert large[1] == pytest.approx(model.constant_ms)
    assert 1.0 < small[1] < large[1] < 2.5


def test_a_kind_that_nobody_measured_is_simulated(model):
    known = [conv(96, 32), pool(32, 16)]
    depthwises = [depthwise(96, 32), depthwise(96, 32, 5)]

    def predicted(works: list[Work]):
        return model.predict([Kernel("k", "op", work, UNKNOWN) for work in works])

    without, found = predicted(known), predicted(known + depthwises)
    assert not model.simulated(known).any()
    assert (without.simulated_ms, without.extrapolates) == (0.0, False)
    assert [share.is_simulated for share in found.kernels] == [False, False, True, True]
    assert found.simulated_ms == pytest.approx(sum(k.latency_ms for k in found.kernels[2:]))
    assert found.extrapolates
    low, high = found.interval_ms
    assert high - low >= found.simulated_ms


def test_a_simulated_kernel_costs_its_packets_at_the_price_of_measured_ones(model):
    packets, start = model.vector[:2]
    (found,) = model.kernel_ms([depthwise(256, 16)])
    # What fpc's own kernel of this size executes under emulation.
    assert found == pytest.approx(12_457e-6 * packets + 1e-6 * start, rel=0.01)


def test_packets_of_a_pointwise_convolution_are_those_executed():
    work = replace(conv(64, 7), out_channels=128, out_size=128 * 49)
    packets = HVX.amounts(work)["packets"]
    weights = HVX.amounts(replace(work, out_extent=(0, 7)))["packets"]
    assert packets - weights == pytest.approx(4_996, rel=0.01)


def test_a_model_survives_its_file(model, tmp_path):
    path = tmp_path / "dsp.json"
    path.write_text(model.to_json())
    assert read_model(path) == model
    found = read_model(path).predict(kernels_of(build("mobilenet_v2")))
    assert found.simulated_ms > 0.0
    assert found.constant_ms > 0.0


@pytest.mark.parametrize(
    "response",
    [
        {"sums_ms": [1.0], "latency_ms": [1.0]},
        {"sums_ms": [1.0, 2.0], "latency_ms": [1.0]},
        {"sums_ms": [2.0, 2.0], "latency_ms": [1.0, 2.0]},
    ],
)
def test_a_file_with_an_impossible_response_is_refused(model, response, tmp_path):
    path = tmp_path / "dsp.json"
    path.write_text(json.dumps(json.loads(model.to_json()) | {"response": response}))
    with pytest.raises(CostModelError) as raised:
        read_model(path)
    assert raised.value.code == "cost.malformed"
    assert "response" in "".join(raised.value.notes)


def test_networks_in_a_few_lumps_are_fitted():
    lumps = drawn(6, seed=6)
    random = np.random.default_rng(6)
    latency = np.repeat(lumps.latency_ms, 50) * np.exp(random.normal(0.0, 0.02, 300))
    found = fitted(Networks(KERNELS, np.repeat(lumps.counts, 50, axis=0), latency))
    assert np.abs(errors(found, lumps)).max() < 0.02


@pytest.mark.parametrize(
    ("networks", "code"),
    [
        (drawn(4, seed=5), "cost.too-few-rows"),
        (
            Networks((conv(16, 8), pool(32, 8)), np.tile([1.0, 2.0], (20, 1)), np.ones(20)),
            "cost.response-range",
        ),
    ],
    ids=["few", "alike"],
)
def test_rows_that_cannot_be_fitted_are_refused(networks, code):
    with pytest.raises(CostModelError) as raised:
        fitted(networks)
    assert raised.value.code == code

"""Fits on rows whose prices are known, and what a cost model says of its own certainty."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fpc.costmodel.cpu_features import CPU
from fpc.costmodel.kernels import Kernel, KernelKind, Work, kernels_of
from fpc.costmodel.library import select
from fpc.costmodel.metrics import goodness
from fpc.costmodel.model import Condition, CostModel, read_model
from fpc.costmodel.networks import Networks
from fpc.costmodel.regression import Measured, correct, fit, solve
from fpc.diagnostics.errors import CostModelError
from fpc.diagnostics.location import UNKNOWN
from fpc.zoo.catalog import build
from tests.unit.costmodel.origin import ORIGIN

ROOFLINE = CPU.prior


def drawn(rows: int, seed: int, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, latencies and the prices behind them; the last three features never occur."""
    random = np.random.default_rng(seed)
    prices = ROOFLINE * random.uniform(0.02, 0.2, len(ROOFLINE))
    features = random.lognormal(0.0, 1.0, (rows, len(ROOFLINE))) / ROOFLINE
    features[:, -3:] = 0.0
    latency = features @ prices * np.exp(random.normal(0.0, noise, rows))
    return features, latency, prices


def measured(features: np.ndarray, latency: np.ndarray) -> Measured:
    """Every network a kernel of its own."""
    return Measured(np.eye(len(latency)), features, latency)


def works(rows: int, seed: int) -> list[list[Work]]:
    """Networks of drawn pointwise, depthwise and adding kernels, some kernels in many of them."""
    random = np.random.default_rng(seed)

    def work() -> Work:
        channels, side = int(random.choice([16, 40, 64, 120])), int(random.choice([7, 14, 28]))
        size, extent = channels * side * side, (side, side)
        kind = random.choice([KernelKind.CONVOLUTION, KernelKind.DEPTHWISE, KernelKind.ADD])
        if kind is KernelKind.ADD:
            return Work(kind, 2 * size, size)
        groups, filters = (1, (1, 1)) if kind is KernelKind.CONVOLUTION else (channels, (3, 3))
        taps = side * side * filters[0] * filters[1]
        return Work(
            kind, size, size, channels, channels, groups, filters, (1, 1), extent, extent, taps
        )

    return [[work() for _ in range(random.integers(6, 20))] for _ in range(rows)]


def modelled(rows: int, seed: int, noise: float = 0.02, **condition: object) -> CostModel:
    """A cost model of networks whose latencies are a tenth of the roofline, and noise."""
    given = {"device": "board", "runtime": "Runtime 1.0", "threads": 1, **condition}
    random = np.random.default_rng(seed)
    chosen = works(rows, seed)
    latency = [
        float(CPU.of_network(network) @ ROOFLINE * 0.1 * np.exp(random.normal(0.0, noise)))
        for network in chosen
    ]
    networks = Networks.of(zip(chosen, latency, strict=True))
    return CostModel.fitted("board", Condition.model_validate(given), CPU, networks, ORIGIN)


def test_prices_are_found_where_rows_decide():
    features, latency, prices = drawn(200, seed=0)
    found = fit(measured(features, latency), ROOFLINE)
    np.testing.assert_allclose(found.prices[:-3], prices[:-3], rtol=0.01)


def test_what_no_row_decides_keeps_the_roofline_at_the_level_of_the_rest():
    features, latency, _ = drawn(200, seed=1)
    found = fit(measured(features, latency), ROOFLINE)
    ratios = found.prices[-3:] / ROOFLINE[-3:]
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-6)
    assert 0.02 < ratios[0] < 0.2


def test_prices_are_never_negative():
    features, latency, _ = drawn(12, seed=2, noise=0.3)
    assert solve(features, latency, ROOFLINE, 1e-6)[0].min() >= 0.0


def test_a_few_rows_are_enough_near_the_roofline():
    features, _, _ = drawn(8, seed=3)
    latency = features @ ROOFLINE * 0.1
    unseen, _, _ = drawn(50, seed=4)
    predicted = unseen @ fit(measured(features, latency), ROOFLINE).prices
    np.testing.assert_allclose(predicted, unseen @ ROOFLINE * 0.1, rtol=1e-6)


def test_what_features_cannot_say_becomes_a_correction_of_the_kernel():
    random = np.random.default_rng(11)
    amounts = random.lognormal(0.0, 0.5, (12, len(ROOFLINE))) / ROOFLINE
    truth = amounts @ ROOFLINE * random.uniform(0.5, 2.0, 12)
    counts = random.integers(0, 4, (300, 12)).astype(float)
    counts[:, 0] += 1.0
    rows = Measured(counts, amounts, counts @ truth)
    found = fit(rows, ROOFLINE)
    np.testing.assert_allclose(amounts @ found.prices + found.corrections_ms, truth, rtol=0.01)
    assert np.abs(found.relative_errors).max() < 0.01


def test_no_corrections_where_rows_do_not_share_kernels():
    features, latency, _ = drawn(100, seed=12, noise=0.05)
    found = fit(measured(features, latency), ROOFLINE)
    assert not found.corrections_ms.any()


def test_no_kernel_costs_less_than_nothing():
    random = np.random.default_rng(13)
    amounts = random.lognormal(0.0, 0.5, (6, len(ROOFLINE))) / ROOFLINE
    counts = random.integers(1, 4, (40, 6)).astype(float)
    latency = counts @ (amounts @ ROOFLINE * np.array([1, 1, 1, 1, 0, 0])) + 1e-3
    rows = Measured(counts, amounts, latency)
    prices, _ = solve(rows.features, latency, ROOFLINE, 1e-2)
    assert (amounts @ prices + correct(rows, prices, 1e-7)).min() >= 0.0


def test_intervals_hold_what_they_promise():
    covered = []
    for seed in range(20):
        model = modelled(80, seed, noise=0.05)
        unseen = works(80, seed + 1000)
        latency = np.array([CPU.of_network(network) @ ROOFLINE * 0.1 for network in unseen])
        latency *= np.exp(np.random.default_rng(seed + 1000).normal(0.0, 0.05, 80))
        predicted = np.array([model.kernel_ms(network).sum() for network in unseen])
        features = np.array([CPU.of_network(network) for network in unseen])
        half = predicted * model.relative_half_width(features, predicted, np.zeros(80))
        covered.append(np.abs(predicted - latency) <= half)
    assert 0.86 <= np.mean(covered) <= 0.94


@pytest.mark.parametrize(
    ("rows", "spoil", "code"),
    [
        (4, None, "cost.too-few-rows"),
        (20, ("latency", 0.0), "cost.latency-range"),
        (20, ("latency", np.nan), "cost.latency-range"),
        (20, ("features", np.inf), "cost.feature-range"),
    ],
)
def test_rows_that_cannot_be_fitted_are_refused(rows, spoil, code):
    features, latency, _ = drawn(rows, seed=5)
    match spoil:
        case ("latency", value):
            latency[3] = value
        case ("features", value):
            features[3, 0] = value
    with pytest.raises(CostModelError) as raised:
        fit(measured(features, latency), ROOFLINE)
    assert raised.value.code == code


def test_networks_unlike_the_rows_are_flagged():
    model = modelled(100, seed=6)

    def flagged(network: list[Work]) -> bool:
        features = CPU.of_network(network)[None]
        latency = model.kernel_ms(network).sum(keepdims=True)
        return bool(model.extrapolates(features, latency, np.zeros(1))[0])

    alike = works(100, seed=7)
    assert np.mean([flagged(network) for network in alike]) < 0.02
    assert flagged([Work(KernelKind.ADD, 2_000_000, 1_000_000)])
    assert flagged([*alike[0], Work(KernelKind.SOFTMAX, 100_000, 100_000)])


def test_unfamiliar_kernels_widen_the_interval_and_are_flagged():
    chosen = works(400, seed=14)
    random = np.random.default_rng(14)
    odd = {work: random.uniform(0.5, 2.0) for network in chosen for work in network}
    costs = [
        float(sum(CPU.of_kernels([work])[0] @ ROOFLINE * 0.1 * odd[work] for work in network))
        for network in chosen
    ]
    condition = Condition(device="board", runtime="Runtime 1.0", threads=1)
    networks = Networks.of(zip(chosen, costs, strict=True))
    model = CostModel.fitted("board", condition, CPU, networks, ORIGIN)
    assert model.corrections
    assert model.half_width < 0.1 * model.half_width_of_features
    assert not model.unfamiliar(chosen[0]).any()

    def width(works: list[Work]) -> tuple[float, bool]:
        found = model.predict([Kernel("k", "op", work, UNKNOWN) for work in works])
        low, high = found.interval_ms
        return (high - low) / found.latency_ms, found.extrapolates

    unknown = [replace(work, in_size=work.in_size + 1) for work in chosen[0]]
    assert model.unfamiliar(unknown).all()
    assert not width(chosen[0])[1]
    assert width(unknown)[1]
    assert width(unknown)[0] > 5 * width(chosen[0])[0]


def test_a_model_survives_its_file(tmp_path):
    model = modelled(40, seed=7)
    path = tmp_path / "board.json"
    path.write_text(model.to_json())
    assert read_model(path) == model
    found = read_model(path).predict(kernels_of(build("mobilenet_v2")))
    assert found.latency_ms == pytest.approx(sum(share.latency_ms for share in found.kernels))
    assert found.interval_ms[0] < found.latency_ms < found.interval_ms[1]
    latencies = [share.latency_ms for share in found.costliest]
    assert latencies == sorted(latencies, reverse=True)


def test_files_that_are_no_cost_model_are_refused(tmp_path):
    path = tmp_path / "board.json"
    document = json.loads(modelled(40, seed=8).to_json())
    document["prices"] = document["prices"][1:]
    for text, code in (
        ("", "cost.malformed"),
        ("{}", "cost.malformed"),
        (json.dumps(document), "cost.malformed"),
    ):
        path.write_text(text)
        with pytest.raises(CostModelError) as raised:
            read_model(path)
        assert raised.value.code == code
    with pytest.raises(CostModelError) as raised:
        read_model(tmp_path / "absent.json")
    assert raised.value.code == "cost.unreadable"


def test_a_condition_selects_among_models():
    models = [
        modelled(40, seed=9, threads=threads, runtime=runtime, precision=precision)
        for threads, runtime, precision in (
            (1, "TFLite 2.1", "int8"),
            (4, "TFLite 2.7", "int8"),
            (4, "TFLite 2.7", "float32"),
        )
    ]
    found = select(models, "board", precision="int8", runtime="tflite 2.7")
    assert found.condition.threads == 4
    assert select(models, "board", precision="int8", threads=1) is models[0]
    assert select(models, "board", precision="float32") is models[2]
    with pytest.raises(CostModelError) as raised:
        select(models, "board", precision="int8", threads=2)
    assert raised.value.code == "cost.no-model"
    assert len(raised.value.notes) == len(models)


def test_goodness_of_predictions():
    found = goodness(np.array([1.0, 2.2, 3.0, 4.0]), np.array([1.0, 2.0, 4.0, 5.0]))
    assert found.mape_percent == pytest.approx((0 + 10 + 25 + 20) / 4)
    assert found.within_5_percent == 25.0
    assert found.spearman == pytest.approx(1.0)

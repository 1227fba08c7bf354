"""Fits on rows whose prices are known, and what a cost model says of its own certainty."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fpc.costmodel.features import CPU
from fpc.costmodel.kernels import kernels_of
from fpc.costmodel.library import select
from fpc.costmodel.metrics import goodness
from fpc.costmodel.model import Condition, CostModel, Provenance, read_model
from fpc.costmodel.regression import fit, solve
from fpc.diagnostics.errors import CostModelError
from fpc.zoo.catalog import build

ROOFLINE = np.array(list(CPU.roofline.values()))
ORIGIN = Provenance(
    source="made by the test",
    evidence="measured",
    rows=0,
    networks="drawn networks",
    date="2026-01-01",
    mape_percent=0.0,
)


def drawn(rows: int, seed: int, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, latencies and the prices behind them; the last three features never occur."""
    random = np.random.default_rng(seed)
    prices = ROOFLINE * random.uniform(0.02, 0.2, len(ROOFLINE))
    features = random.lognormal(0.0, 1.0, (rows, len(ROOFLINE))) / ROOFLINE
    features[:, -3:] = 0.0
    latency = features @ prices * np.exp(random.normal(0.0, noise, rows))
    return features, latency, prices


def modelled(features: np.ndarray, latency: np.ndarray, **condition: object) -> CostModel:
    given = {"device": "board", "runtime": "Runtime 1.0", "threads": 1, **condition}
    return CostModel.fitted(
        "board", Condition.model_validate(given), CPU, features, latency, ORIGIN
    )


def test_prices_are_found_where_rows_decide():
    features, latency, prices = drawn(200, seed=0)
    found = fit(features, latency, ROOFLINE)
    np.testing.assert_allclose(found.prices[:-3], prices[:-3], rtol=0.01)


def test_what_no_row_decides_keeps_the_roofline_at_the_level_of_the_rest():
    features, latency, _ = drawn(200, seed=1)
    found = fit(features, latency, ROOFLINE)
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
    predicted = unseen @ fit(features, latency, ROOFLINE).prices
    np.testing.assert_allclose(predicted, unseen @ ROOFLINE * 0.1, rtol=1e-6)


def test_intervals_hold_what_they_promise():
    covered = []
    for seed in range(20):
        features, latency, _ = drawn(160, seed=seed, noise=0.05)
        model = modelled(features[:80], latency[:80])
        predicted = model.latency_ms(features[80:])
        half = predicted * model.relative_half_width(features[80:])
        covered.append(np.abs(predicted - latency[80:]) <= half)
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
        fit(features, latency, ROOFLINE)
    assert raised.value.code == code


def test_networks_unlike_the_rows_are_flagged():
    features, latency, _ = drawn(100, seed=6, noise=0.02)
    model = modelled(features, latency)
    assert not model.extrapolates(features).any()
    one_sided = np.zeros((1, len(ROOFLINE)))
    one_sided[0, 3] = 1.0
    assert model.extrapolates(one_sided).all()
    with_unseen = features[:1].copy()
    with_unseen[0, -1] = features[0] @ ROOFLINE / ROOFLINE[-1]
    assert model.extrapolates(with_unseen).all()


def test_a_model_survives_its_file(tmp_path):
    features, latency, _ = drawn(40, seed=7, noise=0.02)
    model = modelled(features, latency)
    path = tmp_path / "board.json"
    path.write_text(model.model_dump_json(indent=1))
    assert read_model(path) == model
    kernels = kernels_of(build("mobilenet_v2"))
    found = read_model(path).predict(kernels)
    assert found.latency_ms == pytest.approx(sum(share.latency_ms for share in found.kernels))
    assert found.interval_ms[0] < found.latency_ms < found.interval_ms[1]
    latencies = [share.latency_ms for share in found.costliest]
    assert latencies == sorted(latencies, reverse=True)


def test_files_that_are_no_cost_model_are_refused(tmp_path):
    features, latency, _ = drawn(40, seed=8)
    path = tmp_path / "board.json"
    document = json.loads(modelled(features, latency).model_dump_json())
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
    features, latency, _ = drawn(40, seed=9, noise=0.02)
    models = [
        modelled(features, latency, threads=threads, runtime=runtime, precision=precision)
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

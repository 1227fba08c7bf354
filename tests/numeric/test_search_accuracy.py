"""Shipped accuracy regressions against the published tables that they are fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.search import curse, fit
from benchmarks.search.datasets import accel_nasbench, fox_nas
from benchmarks.search.published import FOXPANDANET
from fpc.costmodel.library import select, shipped
from fpc.costmodel.metrics import goodness
from fpc.costmodel.regression import folds
from fpc.search import catalog
from fpc.search.accuracy.fit import fit_accuracy
from fpc.search.accuracy.model import AccuracyModel
from fpc.search.accuracy.resolution import shipped_effect
from fpc.search.costs.space import Costs
from fpc.search.exact import ExactSearch
from fpc.search.space.choices import StageChoices, choices_of
from fpc.search.space.description import Subnet


@pytest.fixture(autouse=True)
def _data(shared_data, monkeypatch):
    monkeypatch.setenv("FPC_DATA", str(shared_data))


def banded(model: AccuracyModel, choices: tuple[StageChoices, ...], networks: list[Subnet]):
    """Predicted top-1 of single networks with its interval, [3, networks]."""
    scores = model.scores(choices)
    found = []
    for subnet in networks:
        places = [stage.index(choice) for stage, choice in zip(choices, subnet.stages, strict=True)]
        shared = model.setting_scores(subnet.setting)
        index, leverage = shared.index.copy(), shared.leverage.copy()
        for score, place in zip(scores, places, strict=True):
            index += score.index[place]
            leverage += score.leverage[place]
        band = model.band(index, leverage, subnet.setting, shipped_effect())
        found.append([float(end[0]) for end in band])
    return np.array(found).T


@pytest.mark.parametrize(
    ("fitted", "name"), [(fit.fitted_fox_nas, "fox-nas"), (fit.fitted_mnasnet, "mnasnet")]
)
def test_a_shipped_file_is_what_its_script_fits(fitted, name):
    stored, found = catalog.shipped_accuracy(catalog.load(name)), fitted()
    assert stored.provenance == found.provenance
    assert stored.ceiling == found.ceiling
    for one, other in zip(stored.stages, found.stages, strict=True):
        np.testing.assert_allclose(one.coefficients, other.coefficients, 1e-4, 1e-6)


def test_the_shipped_effect_of_resolution_is_what_its_script_fits():
    assert shipped_effect().model_dump() == pytest.approx(fit.fitted_resolution().model_dump())


def out_of_fold(name: str, rows: list[tuple[Subnet, float]]):
    """Predictions of rows that nothing was fitted or chosen on, and the measurements."""
    space = catalog.load(name)
    choices = choices_of(space)
    origin = catalog.shipped_accuracy(space).provenance
    top1 = np.array([percent for _, percent in rows])
    bands = np.empty((3, len(rows)))
    for train, test in folds(len(rows), seed=1):
        model = fit_accuracy(space, choices, [rows[i] for i in train], origin)
        bands[:, test] = banded(model, choices, [rows[i][0] for i in test])
    return bands, top1


def test_fox_nas_out_of_fold():
    (top1, low, high), measured = out_of_fold("fox-nas", [row[:2] for row in fox_nas()])
    found = goodness(top1, measured)
    assert np.sqrt(((top1 - measured) ** 2).mean()) <= 0.20
    assert found.spearman >= 0.978
    covered = ((low <= measured) & (measured <= high)).mean()
    assert 0.85 <= covered <= 0.97


def test_accel_nasbench_out_of_fold():
    (top1, low, high), measured = out_of_fold("mnasnet", [row[:2] for row in accel_nasbench()])
    found = goodness(top1, measured)
    assert found.mape_percent <= 0.78
    assert found.spearman >= 0.98
    covered = ((low <= measured) & (measured <= high)).mean()
    assert 0.88 <= covered <= 0.92


def test_foxpandanet_at_other_resolutions_is_within_reach():
    """Other resolutions, another training: the intervals still hold, but for a tenth of a point."""
    space = catalog.load("fox-nas")
    pricing = select(shipped("rpi4-arm"), "rpi4-arm", precision="int8").kernel_ms
    costs = Costs.of(space, choices_of(space), pricing)
    search = ExactSearch.of(space, costs, catalog.shipped_accuracy(space), shipped_effect())
    front = search.front()
    for name, subnet, latency_ms, top1 in FOXPANDANET:
        theirs = search.candidate(subnet)
        low, high = theirs.top1_interval or (0.0, 0.0)
        assert low - 0.1 <= top1 <= high, name
        found = front.best(latency_ms)
        assert found.top1 >= theirs.top1, name
        assert search.candidate(found.subnet).top1_interval == pytest.approx(found.top1_interval)


def test_what_is_chosen_by_prediction_is_nearly_the_best():
    """Among 3,797 networks with known truth, after 300 were measured."""
    truth = curse.Truth.load()
    found = curse.regret(truth, curse.steps_of_rank(truth), curse.fpc(truth, "lower"))
    assert found.points <= 0.30
    assert max(found.exceeded) <= 1
    assert abs(found.promised) <= 0.3

"""Limits beyond latency: fronts against enumeration, optima against an integer program."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from fpc.search import catalog
from fpc.search.choices import choices_of
from fpc.search.front import undominated
from fpc.search.limits import Limits, SettingLimits
from fpc.search.space import Setting
from fpc.search.tables import CostTables, cost_tables
from fpc.targets import catalog as targets
from tests.unit.search_spaces import enumerated, prices, reduced, with_channels

SPACES = {"fox-nas": 256, "mnasnet": 224, "elastic": 128}


@cache
def weighed(name: str, each: int) -> tuple[SettingLimits, CostTables]:
    """`each` choices a stage of a space: what networks take without limits, and their latencies."""
    space = with_channels() if name == "elastic" else catalog.load(name)
    choices, setting = reduced(choices_of(space), 7, each), Setting(SPACES[name])
    of = SettingLimits.of(space, setting, choices, Limits(), targets.load("rpi4-arm"))
    return of, cost_tables(space, setting, choices, prices("rpi4-arm"))


def scores_of(of: SettingLimits, seed: int, decimals: int = 12) -> list:
    """A choice that takes more tends to score more."""
    random = np.random.default_rng(seed)
    weight = random.uniform(0.2, 1.0, len(of.choices))
    found = []
    for share, table in zip(weight, of.size.stages, strict=True):
        taken = np.log(next(iter(table.values())))
        noise = random.normal(0.0, 0.3 * np.ptp(taken), len(taken))
        found.append(np.round(share * (taken + noise), decimals))
    return found


@pytest.mark.parametrize("decimals", [12, 1, 0], ids=["distinct", "few", "mostly equal"])
@pytest.mark.parametrize(("name", "each"), [("fox-nas", 8), ("mnasnet", 6), ("elastic", 40)])
def test_front_within_limits_is_that_of_enumeration(name, each, decimals):
    of, latency_ms = weighed(name, each)
    scores = scores_of(of, decimals, decimals)
    latency, score = enumerated(of.choices, latency_ms, scores)
    size, macs, memory = (
        enumerated(of.choices, tables, scores, combined)[0]
        for tables, combined in (
            (of.size, np.add),
            (of.multiply_adds, np.add),
            (of.memory, np.maximum),
        )
    )
    assert len(latency) >= 32_768
    random = np.random.default_rng(len(name))
    for _ in range(8):
        shares = random.choice([0.002, 0.05, 0.3, 0.7, 1.0], 3)
        most = [
            np.quantile(taken, share)
            for taken, share in zip((size, macs, memory), shares, strict=True)
        ]
        limits = Limits(
            *(np.inf if share == 1.0 else m for m, share in zip(most, shares, strict=True))
        )
        keeps = (
            (size <= limits.size_bytes)
            & (macs <= limits.multiply_adds)
            & (memory <= limits.memory_bytes)
        )
        limited = replace(of, limits=limits)
        assert limited.has_networks == keeps.any()
        if not keeps.any():
            continue
        expected = np.flatnonzero(keeps)[undominated(latency[keeps], score[keeps])]
        front = limited.front(latency_ms, scores)
        np.testing.assert_array_equal(front.cost, latency[expected])
        np.testing.assert_array_equal(front.score, score[expected])
        assert limited.fastest(latency_ms).cost[0] == latency[keeps].min()
        budget_ms = random.uniform(latency[keeps].min(), latency[keeps].max())
        within = keeps & (latency <= budget_ms)
        assert limited.best(latency_ms, scores, budget_ms).score[0] == score[within].max()

"""Limits beyond latency: fronts against enumeration, optima against an integer program."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import inf

import numpy as np
import pytest

from benchmarks.search.limits import Problem
from fpc.diagnostics.amounts import enough
from fpc.diagnostics.errors import InfeasibleError
from fpc.search import catalog
from fpc.search.costs.tables import CostTables, cost_tables
from fpc.search.front import undominated
from fpc.search.limits.setting import Limits, SettingLimits
from fpc.search.limits.space import SpaceLimits
from fpc.search.space.choices import choices_of
from fpc.search.space.description import Setting
from fpc.targets import catalog as targets
from tests.unit.search.spaces import enumerated, prices, reduced, with_channels

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
@pytest.mark.parametrize(("name", "each"), [("fox-nas", 8), ("mnasnet", 5), ("elastic", 40)])
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
    for _ in range(5):
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


def test_best_network_is_that_of_an_integer_program():
    of, latency_ms = weighed("fox-nas", 300)
    model = catalog.shipped_accuracy(catalog.load("fox-nas"))
    scores = [model.lower_score(stage) for stage in model.scores(of.choices)]
    problem = Problem(of, latency_ms, scores)
    for budget_ms, limits in problem.drawn(3, seed=1):
        for memory_bytes in (inf, 1.2e6):
            limited = replace(limits, memory_bytes=memory_bytes)
            (found,) = problem.within(limited).best(latency_ms, scores, budget_ms).score
            assert found == pytest.approx(problem.integer_optimum(budget_ms, limited), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_what_an_impossible_limit_is_told_to_become_is_enough(seed):
    """Whatever else is limited, and although a network of that size is the only one."""
    space = with_channels()
    choices, target = reduced(choices_of(space), seed, 50), targets.load("rpi4-arm")
    small = space.model_copy(update={"resolutions": (64, 96)})
    random = np.random.default_rng(seed)
    limits, refused = Limits(*random.uniform([1e4, 1e6, 5e4], [6e4, 1e7, 3e5])), []
    for _ in range(4):
        whole = SpaceLimits.of(small, choices, limits, target)
        try:
            possible = whole.possible(small.settings)
            break
        except InfeasibleError as error:
            option, amount = (error.help or "").split(", ")[1].split()
            refused.append(option)
            field = {"size": "size_bytes", "macs": "multiply_adds", "memory": "memory_bytes"}
            name = field[option.removeprefix("--max-")]
            limits = replace(limits, **{name: parsed(amount)})
    assert len(refused) == len(set(refused))
    for setting in possible:
        latency_ms = cost_tables(small, setting, choices, prices("rpi4-arm"))
        assert len(whole.settings[setting].front(latency_ms, scores_of(whole.settings[setting], 0)))


def parsed(amount: str) -> float:
    number = amount.rstrip("BkMG")
    return round(float(number) * {"k": 1e3, "M": 1e6, "G": 1e9}.get(amount.rstrip("B")[-1:], 1.0))


def test_amounts_are_rounded_up():
    assert enough(953_344, "B") == "953.344kB"
    assert enough(1_953_344, "B") == "1.954MB"
    assert enough(300_000_000) == "300M"
    assert enough(300_000_001) == "300.001M"
    assert enough(17, "B") == "17B"
    random = np.random.default_rng(0)
    for amount in random.integers(1, 10 ** random.integers(1, 12, 500)).tolist():
        assert amount <= parsed(enough(amount, "B")) <= amount * 1.001

"""The exact front against enumeration, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.search import catalog
from fpc.search.accuracy.resolution import shipped_effect
from fpc.search.costs.space import Costs
from fpc.search.costs.tables import cost_tables
from fpc.search.exact import ExactSearch
from fpc.search.front import exact_front, undominated
from fpc.search.space.choices import choices_of
from fpc.search.space.description import Setting
from tests.unit.search.spaces import enumerated, prices, reduced, with_channels


@pytest.mark.parametrize(("seed", "each"), [(0, 10), (1, 11), (2, 12)])
def test_front_of_a_reduced_space_is_that_of_enumeration(seed, each):
    space = catalog.load("fox-nas")
    choices = reduced(choices_of(space), seed, each)
    tables = cost_tables(space, Setting(256), choices, prices("rpi4-arm"))
    model = catalog.shipped_accuracy(space)
    scores = [model.lower_score(stage) for stage in model.scores(choices)]
    cost, score = enumerated(choices, tables, scores)
    assert len(cost) >= 100_000
    expected = undominated(cost, score)
    front = exact_front(choices, tables, scores, 1.0)
    np.testing.assert_array_equal(front.cost, cost[expected])
    np.testing.assert_array_equal(front.score, score[expected])


def test_front_where_stages_depend_on_the_one_before():
    space = with_channels()
    choices = choices_of(space)
    tables = cost_tables(space, Setting(128), choices, prices("rpi4-arm"))
    random = np.random.default_rng(3)
    scores = [random.gamma(2.0, size=len(stage)) for stage in choices]
    cost, score = enumerated(choices, tables, scores)
    assert len(cost) == 60**3
    expected = undominated(cost, score)
    front = exact_front(choices, tables, scores, 1.0)
    np.testing.assert_array_equal(front.cost, cost[expected])
    np.testing.assert_array_equal(front.score, score[expected])


def test_picks_are_the_networks_of_the_front():
    space = catalog.load("mnasnet")
    choices = choices_of(space)
    tables = cost_tables(space, Setting(224), choices, prices("fpga"))
    random = np.random.default_rng(0)
    scores = [random.normal(size=len(stage)) for stage in choices]
    front = exact_front(choices, tables, scores, 1.0)
    cost, score = np.full(len(front), tables.stem), np.zeros(len(front))
    for table, added, picks in zip(tables.stages, scores, front.picks.T, strict=True):
        (of_stage,) = table.values()
        cost, score = cost + of_stage[picks], score + added[picks]
    (head,) = tables.head.values()
    np.testing.assert_array_equal(front.cost, cost + head)
    np.testing.assert_array_equal(front.score, score)
    assert (np.diff(front.cost) > 0.0).all()
    assert (np.diff(front.score) > 0.0).all()


def test_undominated_points():
    cost = np.array([3.0, 1.0, 2.0, 2.0, 1.0, 4.0])
    score = np.array([5.0, 1.0, 1.0, 4.0, 1.0, 5.0])
    assert undominated(cost, score).tolist() == [1, 3, 0]
    assert undominated(np.empty(0), np.empty(0)).tolist() == []


def test_whole_space_is_the_best_of_its_settings():
    space = catalog.load("fox-nas")
    choices = reduced(choices_of(space), 5, 30)
    model, effect = catalog.shipped_accuracy(space), shipped_effect()
    whole, *one_by_one = (
        ExactSearch.of(part, Costs.of(part, choices, prices("rpi4-arm")), model, effect).front()
        for part in (
            space,
            *(space.model_copy(update={"resolutions": (r,)}) for r in space.resolutions),
        )
    )
    for budget in (25.0, 40.0, 60.0, 90.0, 150.0):
        found = whole.best(budget)
        reachable = [front for front in one_by_one if front.latency_ms[0] <= budget]
        best = max(front.best(budget).top1_interval[0] for front in reachable)
        assert found.top1_interval[0] == best
        assert found.latency_ms <= budget

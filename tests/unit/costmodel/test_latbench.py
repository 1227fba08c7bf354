"""The kernels that LatBench's runtime started, beside the zoo's graphs of the same cells."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from benchmarks.latency.latbench import kernels_started, latbench
from fpc.costmodel.hvx_features import HVX
from fpc.costmodel.kernels import KernelKind, Work, kernels_of
from fpc.costmodel.model import Condition, CostModel, Provenance
from fpc.costmodel.networks import Networks
from fpc.zoo.nas_bench_201 import nas_bench_201

WIDTHS = 3
CELLS = 15


def difference(cell: str, other: str) -> Counter[KernelKind]:
    """What `cell` runs beyond `other`, by kind."""
    return Counter(work.kind for work in (started(cell) - started(other)).elements())


def started(cell: str) -> Counter[Work]:
    return Counter(kernels_started(cell))


@pytest.mark.parametrize("cell", ["000200", "200300", "300200", "032002", "203003", "230022"])
def test_cells_in_which_nothing_is_shared_are_the_zoos(cell):
    graph = nas_bench_201(cell)
    works = [kernel.work for kernel in kernels_of(graph)]
    # As deployed, a last batch norm that follows no convolution is a depthwise one.
    expected = Counter(work for work in works if work.kind is not KernelKind.DEPTHWISE)
    assert started(cell) == expected


def test_equal_poolings_of_one_map_each_run():
    assert difference("010404", "000400") == Counter(
        {KernelKind.POOL: CELLS, KernelKind.ADD: CELLS}
    )


def test_a_map_plus_itself_is_free():
    assert started("100110") == started("000100")
    assert difference("100210", "000200") == Counter(
        {KernelKind.ADD: CELLS, KernelKind.LOOKUP: CELLS}
    )


def test_a_relu_runs_where_its_map_is_also_read_without_it():
    assert difference("400300", "000300")[KernelKind.LOOKUP] == 0
    assert difference("400310", "000300") == Counter(
        {KernelKind.POOL: CELLS, KernelKind.ADD: CELLS, KernelKind.LOOKUP: CELLS}
    )


def test_dead_edges_run_nothing():
    assert started("200300") == started("000300") == started("234300") == started("000304")


def test_three_hundred_cells_teach_the_others(shared_data, monkeypatch):
    monkeypatch.setenv("FPC_DATA", str(shared_data))
    _, rows = latbench("hexagon690")
    order = np.random.default_rng(1).permutation(len(rows.latency_ms))
    learnt, unseen = (
        Networks(rows.works, rows.counts[part], rows.latency_ms[part])
        for part in (order[:300], order[300:])
    )
    origin = Provenance(
        source="", evidence="replayed", rows=0, networks="", date="", mape_percent=0.0
    )
    condition = Condition(device="", runtime="")
    model = CostModel.fitted("", condition, HVX, learnt, origin, responds=True)
    predicted = model.network_ms(unseen.counts, unseen.works)
    assert 100.0 * np.abs(predicted / unseen.latency_ms - 1.0).mean() <= 6.0
    features = unseen.measured(HVX).features
    half = predicted * model.relative_half_width(features, predicted, np.zeros(len(predicted)))
    assert 0.86 <= (np.abs(predicted - unseen.latency_ms) <= half).mean() <= 0.94

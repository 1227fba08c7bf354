"""NAS-Bench-201's cells: published sizes, the meaning of LatBench's digits, the two forms."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from fpc.diagnostics.errors import UsageError
from fpc.ir.constant import Array
from fpc.ir.ops import AvgPool, Conv2d
from fpc.zoo.catalog import build
from fpc.zoo.nas_bench_201 import Operation, live_edges, nas_bench_201
from tests.unit.zoo.counts import assert_forms_agree, mega_multiply_adds, parameters

_CELLS_OF_LATBENCH = 12_177


@pytest.mark.parametrize(("cell", "expected"), [("333333", 1_531_546), ("111111", 73_306)])
def test_parameters_are_the_published_ones(cell: str, expected: int) -> None:
    assert parameters(nas_bench_201(cell, seed=0)) == expected


def test_multiply_adds_are_the_published_ones() -> None:
    assert mega_multiply_adds("nas_bench_201") == pytest.approx(220.12, rel=1e-4)


@pytest.mark.parametrize(
    ("digit", "convolutions", "poolings"),
    [("1", 0, 0), ("2", 15, 0), ("3", 15, 0), ("4", 0, 15)],
)
def test_digits_are_operations(digit: str, convolutions: int, poolings: int) -> None:
    """Beside the stem's convolution and the three convolutions and one pooling a reduction."""
    network = nas_bench_201(f"000{digit}00", seed=0)
    kernels = [node.input(1).type.shape[2] for node in network.nodes_of(Conv2d)]
    assert len(kernels) == 7 + convolutions
    assert kernels.count(1) == 2 + (convolutions if digit == "2" else 0)
    assert len(list(network.nodes_of(AvgPool))) == 2 + poolings


@pytest.mark.parametrize(
    ("cell", "edges"),
    [
        ("000200", [(0, 3)]),
        ("230000", []),
        ("202002", [(0, 1), (1, 2), (2, 3)]),
        ("233020", [(0, 1), (1, 3)]),
    ],
)
def test_only_edges_on_a_path_are_alive(cell: str, edges: list[tuple[int, int]]) -> None:
    if edges:
        assert [(edge.source, edge.target) for edge in live_edges(cell)] == edges
    else:
        with pytest.raises(UsageError, match="no path leads through the cell"):
            live_edges(cell)


@pytest.mark.parametrize("cell", ["", "33333", "3333333", "333335", "33333x"])
def test_what_is_not_a_cell_is_refused(cell: str) -> None:
    with pytest.raises(UsageError, match="is not a cell of NAS-Bench-201"):
        build("nas_bench_201", cell=cell)


@pytest.mark.parametrize(
    "cell",
    [
        "333333",
        "111111",
        "000200",
        "203010",
        "314143",
        "211112",
        "444444",
        "410144",
        "134242",
        "023031",
        "124241",
        "000400",
    ],
)
def test_forms_agree(cell: str) -> None:
    """Shared poolings and sums, renamed nodes and a last convolution among them."""
    assert_forms_agree(nas_bench_201(cell, 8), nas_bench_201(cell, 8, seed=0))


def test_latencies_say_what_the_digits_mean(shared_data: Path) -> None:
    """A skip costs nothing, then pooling, 1x1, 3x3; another order of edges explains less."""
    with (shared_data / "data/latency/sd855_latbench_nasbench201.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == _CELLS_OF_LATBENCH
    cells = [row["arch_ops"] for row in rows[::8]]
    latency_ms = np.array([float(row["kryo485_int8_ms"]) for row in rows[::8]])
    error, costs_ms = _fit(cells, latency_ms)
    skip, conv_1x1, conv_3x3, pool = costs_ms[1:]
    assert error < 0.05
    assert abs(skip) < 0.1
    assert 1 < pool < conv_1x1 < conv_3x3

    by_source = ["".join(cell[i] for i in (0, 1, 3, 2, 4, 5)) for cell in cells]
    connected = [i for i, cell in enumerate(by_source) if _is_connected(cell)]
    other, _ = _fit([by_source[i] for i in connected], latency_ms[connected])
    assert other > 2 * error


def _fit(cells: list[str], latency_ms: Array) -> tuple[float, Array]:
    """Mean relative error and coefficients of latency on the counts of live operations."""
    operations = [operation for operation in Operation if operation is not Operation.NONE]
    counts = np.array(
        [
            [1, *(sum(e.operation is o for e in live_edges(cell)) for o in operations)]
            for cell in cells
        ]
    )
    costs_ms = np.linalg.lstsq(counts, latency_ms, rcond=None)[0]
    return float(np.mean(np.abs(counts @ costs_ms / latency_ms - 1))), costs_ms


def _is_connected(cell: str) -> bool:
    try:
        return bool(live_edges(cell))
    except UsageError:
        return False

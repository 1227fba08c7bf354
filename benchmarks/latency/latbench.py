"""LatBench's latencies (Dudziak et al. 2020): cells of NAS-Bench-201 on a Snapdragon 855.

The same network measured again, as cells are that differ in edges without effect, has another
latency: by 2.8 % in the mean on the Hexagon 690, by 5.8 % on the Kryo 485.

A network is the kernels that its runtime started, which is not what the zoo's graph of the cell
says in three ways. Equal poolings of one map each ran. A convolution's ReLU cost nothing of its own
unless the map is also read without one. A map plus itself cost nothing: its scale was doubled.
(Regressions on the Hexagon 690 rows price a second pooling of a map as the first one, a ReLU that
can be fused at 0.1 us, one that cannot at 2.8 us, and x + x at 0.0 of an addition.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal, TypeAlias

from benchmarks.latency.datasets import read
from fpc.costmodel.kernels import Work, kernels_of
from fpc.costmodel.networks import Networks
from fpc.zoo.builder import NetworkBuilder, Nonlinearity
from fpc.zoo.nas_bench_201 import Edge, Operation, live_edges, nas_bench_201

Processor: TypeAlias = Literal["hexagon690", "kryo485"]

_CELLS_PER_STAGE = 5
_STAGES = ((16, 32), (32, 16), (64, 8))
"""Channels and extent of the maps."""
_SIMPLEST = "000200"


def latbench(processor: Processor) -> tuple[tuple[str, ...], Networks]:
    """12,177 cells, and the networks made of them with latencies on one processor, int8."""
    rows = read("sd855_latbench_nasbench201.csv")
    cells = tuple(row["arch_ops"] for row in rows)
    column = f"{processor}_int8_ms"
    networks = Networks.of(
        (kernels_started(cell), float(row[column])) for cell, row in zip(cells, rows, strict=True)
    )
    return cells, networks


def kernels_started(cell: str) -> tuple[Work, ...]:
    """The kernels of the network of `cell`; of the cells alone they come last."""
    return (*_around_cells(), *_of_cells(tuple(sorted(_counted(live_edges(cell)).items()))))


def _counted(edges: Sequence[Edge]) -> Counter[str]:
    """How often one cell starts each of the kernels of `_by_role`."""
    into = {node: [edge for edge in edges if edge.target == node] for node in range(4)}

    def source(node: int) -> int:
        """The node whose map `node` is another name of, `node` itself where it is none's."""
        match into[node]:
            case [Edge(origin, _, Operation.SKIP)]:
                return source(origin)
            case _:
                return node

    counts: Counter[str] = Counter()
    rectified: set[int] = set()
    plain: set[int] = set()
    for terms in into.values():
        if len(terms) > 1:
            maps = [source(edge.source) for edge in terms if edge.operation is Operation.SKIP]
            counts["add"] += len(terms) - 1 - (len(maps) - len(set(maps)))
            plain.update(maps)
        for edge in terms:
            if edge.operation is not Operation.SKIP:
                counts[edge.operation.name] += 1
                (rectified if edge.kernel else plain).add(source(edge.source))
    counts["relu"] = len(rectified & plain)
    return counts


@cache
def _around_cells() -> tuple[Work, ...]:
    """Stem, reductions and classifier."""
    inside = Counter(_of_cells((("CONV_1X1", 1),)))
    around: list[Work] = []
    for kernel in kernels_of(nas_bench_201(_SIMPLEST)):
        if inside[kernel.work]:
            inside[kernel.work] -= 1
        else:
            around.append(kernel.work)
    return tuple(around)


@cache
def _of_cells(counts: tuple[tuple[str, int], ...]) -> tuple[Work, ...]:
    return tuple(
        work
        for channels, extent in _STAGES
        for role, count in counts
        for work in [_by_role(channels, extent)[role]] * (count * _CELLS_PER_STAGE)
    )


@cache
def _by_role(channels: int, extent: int) -> Mapping[str, Work]:
    """The kernels of one width."""
    b = NetworkBuilder("cell")
    x = b.input(channels, extent, extent)
    pooled = b.avg_pool(x, 3, 1)
    results = {
        Operation.CONV_1X1.name: b.conv(x, channels, 1),
        Operation.CONV_3X3.name: b.conv(x, channels, 3),
        Operation.AVG_POOL_3X3.name: pooled,
        "add": b.add(x, pooled),
        "relu": b.activation(x, Nonlinearity.RELU),
    }
    works = {kernel.name: kernel.work for kernel in kernels_of(b.finish(*results.values()))}
    return {role: works[value.name] for role, value in results.items()}

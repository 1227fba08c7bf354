"""Spaces small enough to enumerate, and their enumeration."""

from __future__ import annotations

from functools import cache

import numpy as np

from fpc.costmodel.library import select, shipped
from fpc.search import catalog
from fpc.search.costs.tables import CostTables
from fpc.search.space.choices import StageChoices
from fpc.search.space.description import Space


def reduced(choices: tuple[StageChoices, ...], seed: int, each: int) -> tuple[StageChoices, ...]:
    """`each` choices of every stage, drawn."""
    random = np.random.default_rng(seed)
    found = []
    for stage in choices:
        kept = np.sort(random.choice(len(stage), min(each, len(stage)), replace=False))
        found.append(StageChoices(stage.stage, stage.channels[kept], stage.blocks[kept]))
    return tuple(found)


def enumerated(choices, tables: CostTables, scores, combined=np.add):
    """Cost and score of every network of width 1, stage by stage."""
    ((arriving, first),) = tables.stages[0].items()
    del arriving
    cost, score = combined(tables.stem, first), 0.0 + scores[0]
    channels = np.array(choices[0].stage.channels)[choices[0].channels]
    for stage, table, added in zip(choices[1:], tables.stages[1:], scores[1:], strict=True):
        by_arriving = np.array([table[c] for c in sorted(table)])
        row = np.searchsorted(sorted(table), channels)
        cost = combined(cost[:, None], by_arriving[row]).ravel()
        score = (score[:, None] + added).ravel()
        channels = np.tile(np.array(stage.stage.channels)[stage.channels], len(channels))
    return combined(cost, np.array([tables.head[int(c)] for c in channels])), score


@cache
def prices(target: str):
    return select(shipped(target), target, precision="int8").kernel_ms


def with_channels() -> Space:
    """A space whose stages choose their channels: what a stage costs depends on the one before."""
    fox_nas = catalog.load("fox-nas")
    stages = [
        stage.model_copy(
            update={
                "channels": tuple(c + extra for c in stage.channels for extra in (0, 8, 24)),
                "depths": (1, 2),
                "expansions": (2, 4),
                "kernels": (3, 5),
            }
        )
        for stage in fox_nas.stages[:3]
    ]
    return fox_nas.model_copy(update={"name": "elastic", "stages": tuple(stages)})

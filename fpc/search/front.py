"""The exact Pareto front of a space in which cost and score add up over stages.

Choosing one alternative a stage under a budget is the multiple-choice knapsack problem (Sinha and
Zoltners 1979). Its dynamic program over stages keeps every undominated pair of cost and score,
which is the whole front: a choice that another of its stage dominates is never needed, and neither
is the beginning of a network that another beginning with as many channels dominates. Sums are
formed in the order of the stages, so that the front is that of enumeration to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fpc.search.costs.tables import CostTables, Matrix
from fpc.search.space.choices import IntArray, StageChoices
from fpc.search.space.description import scaled

_SLICES = 4096
_TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Front:
    """Undominated networks by ascending cost; both arrays strictly ascend.

    `cost` and `score` [points]; `picks` [points, stages] indexes the choices of each stage.
    """

    cost: Matrix
    score: Matrix
    picks: IntArray

    def __len__(self) -> int:
        return len(self.cost)

    @classmethod
    def empty(cls, stages: int) -> Front:
        """No network of so many stages."""
        return cls(np.empty(0), np.empty(0), np.empty((0, stages), np.intp))

    def best_within(self, budget: float) -> int | None:
        """The point of the highest score that costs at most `budget`; None where nothing does."""
        place = int(np.searchsorted(self.cost, budget, side="right")) - 1
        return None if place < 0 else place


def undominated(cost: Matrix, score: Matrix) -> IntArray:
    """The points that no other undercuts in cost with as high a score, by ascending cost.

    Of equal points the first is kept.
    """
    places = _not_beaten_by_cheaper(cost, score)
    order = places[np.lexsort((-score[places], cost[places]))]
    ranked = score[order]
    best_before = np.maximum.accumulate(ranked)
    is_better = np.empty(len(order), np.bool_)
    is_better[:1] = True
    is_better[1:] = ranked[1:] > best_before[:-1]
    return order[is_better]


def _not_beaten_by_cheaper(cost: Matrix, score: Matrix) -> IntArray:
    """Most of the undominated points' rivals left out, without sorting: by slices of the cost."""
    if len(cost) < 2 * _SLICES:
        return np.arange(len(cost))
    least, most = cost.min(), cost.max()
    slice_of = ((cost - least) * ((_SLICES - 1) / max(most - least, _TINY))).astype(np.intp)
    best = np.full(_SLICES + 1, -np.inf)
    np.maximum.at(best, slice_of + 1, score)
    best_in_cheaper = np.maximum.accumulate(best)
    return np.flatnonzero(score > best_in_cheaper[slice_of])


def exact_front(
    choices: Sequence[StageChoices], tables: CostTables, scores: Sequence[Matrix], width: float
) -> Front:
    """The front of every network of one setting of `width`.

    `scores` are [choices] of each stage; a network's score is their sum. What has an infinite cost
    may not be taken.
    """
    (arriving,) = tables.stages[0]
    fronts: Mapping[int, Front] = {
        arriving: Front(np.array([tables.stem]), np.zeros(1), np.empty((1, 0), np.intp))
    }
    for stage, table, score in zip(choices, tables.stages, scores, strict=True):
        fronts = _extended(fronts, stage, table, score, width)
    ends = [_shifted(front, tables.head[channels]) for channels, front in fronts.items()]
    return union(ends)


def _extended(
    fronts: Mapping[int, Front],
    stage: StageChoices,
    table: Mapping[int, Matrix],
    score: Matrix,
    width: float,
) -> Mapping[int, Front]:
    """The fronts of the networks up to and with one more stage, by the channels they end with."""
    longer: dict[int, Front] = {}
    for alternative, channels in enumerate(stage.stage.channels):
        members = np.flatnonzero(stage.channels == alternative)
        merged: list[Front] = []
        for arriving, front in fronts.items():
            allowed = members[np.isfinite(table[arriving][members])]
            cost = table[arriving][allowed]
            kept = undominated(cost, score[allowed])
            merged.append(_merged(front, cost[kept], score[allowed[kept]], allowed[kept]))
        longer[scaled(channels, width)] = union(merged)
    return longer


def _merged(front: Front, cost: Matrix, score: Matrix, members: IntArray) -> Front:
    """Every point of `front` with every one of `members`, dominated ones left out."""
    costs = (front.cost[:, None] + cost).ravel()
    scores = (front.score[:, None] + score).ravel()
    kept = undominated(costs, scores)
    before, chosen = np.divmod(kept, len(members))
    picks = np.column_stack([front.picks[before], members[chosen]])
    return Front(costs[kept], scores[kept], picks)


def _shifted(front: Front, cost: float) -> Front:
    return Front(front.cost + cost, front.score, front.picks)


def union(fronts: Sequence[Front]) -> Front:
    """The front of all their networks."""
    if len(fronts) == 1:
        return fronts[0]
    cost = np.concatenate([front.cost for front in fronts])
    score = np.concatenate([front.score for front in fronts])
    kept = undominated(cost, score)
    picks = np.concatenate([front.picks for front in fronts])
    return Front(cost[kept], score[kept], picks[kept])
